"""The training loss: box, mask, class and distribution terms, one function each, and their weighted sum.

A positive is an anchor point that was assigned to an instance. The term functions return plain sums over positives;
the table TERMS divides them by their normalizers and names their gains. Everything is computed in float32, whatever
autocast is on.

To add a term, write its function and give it an entry in TERMS. The trainer, results.csv, TensorBoard, the plots and
the doctor go by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable

from seglab.geometry.boxes import complete_iou
from seglab.model.head import BINS, PROTOTYPE_STRIDE, RawOutput, anchor_points, boxes_from_distribution
from seglab.training.assign import assign

PIXELS_AT_ONCE = 1 << 14  # window pixels the mask loss handles together: few enough to stay in a CPU's cache
MASK_SCALES = (1, 2, 4)  # how many times finer than the prototypes the masks of a batch may be


@dataclass(frozen=True)
class LossGains:
    """Weights of the terms, under the names of the training arguments. The mask term shares the box gain."""

    box: float = 7.5
    cls: float = 0.5
    dfl: float = 1.5

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> LossGains:
        """The gains among training arguments by name; defaults for those that are not there."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: arguments[name] for name in names if name in arguments})


@dataclass(frozen=True)
class LossInputs:
    """What the terms of a batch are computed from: B images, N instances, A anchor points an image, P positives.

    Coordinates are letterbox pixels. Tensors are float32 unless they are said to be integers or come from the batch.
    """

    raw: RawOutput

    # the instances, image by image
    instance_boxes: Tensor  # (N, 4) xyxy
    instance_masks: Tensor  # (N, n * h, n * w) in [0, 1]
    image_index: Tensor  # (N,) int64 ascending: the image an instance is on

    # the positives: where they are, and what the network predicts there
    image: Tensor  # (P,) int64
    anchor: Tensor  # (P,) int64
    points: Tensor  # (P, 2) xy
    strides: Tensor  # (P, 1)
    logits: Tensor  # (P, 64) of the distances
    coefficients: Tensor  # (P, 32)

    # the positives: what they were assigned
    instance: Tensor  # (P,) int64 row of the instance
    boxes: Tensor  # (P, 4) xyxy, of the instance
    classes: Tensor  # (P,) int64, of the instance
    scores: Tensor  # (P,) target of the class score

    # normalizers, see `normalizers`
    score_sum: Tensor  # () sum of the scores
    positives: Tensor  # () number of positives

    silent: Tensor | None = None  # (C,) bool, see `label_loss`
    ignored: Tensor | None = None  # (B, A) bool, see `ignored_points`


@dataclass(frozen=True)
class LossTerm:
    """gain: what weighs the term, a field of LossGains or a fixed number; value: its normalized scalar."""

    gain: str | float
    value: Callable[[LossInputs], Tensor]

    def weight(self, gains: LossGains) -> float:
        return getattr(gains, self.gain) if isinstance(self.gain, str) else self.gain


def segmentation_loss(raw: RawOutput, batch: dict, gains: LossGains) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch -> total, the scalar to backpropagate, and the terms by name, detached scalars.

    `batch` holds "classes" (N,) int64, "boxes" (N, 4) xyxy in letterbox pixels, "image_index" (N,) int64 ascending and
    "masks" (N, h, w) in [0, 1] of 1/4, 1/2 or all of H and W, on the device of `raw`; and optionally "ignored", see
    `ignored_points`. Box, class and distribution terms
    are divided by the sum of assigned scores, the mask term by the number of positives, and all are weighted by
    `gains`. The total is their sum times the number of images, so that of the batches accumulated into one step each
    weighs by its images.

    When torch.distributed is initialized and gradients are on, every process must call this together: normalizers are
    summed over all processes, and scaled such that the gradients that DistributedDataParallel averages, and the
    average of the terms, are those of one process that sees the whole batch. Without gradients, as in validation,
    nothing is exchanged.

    Errors: ValueError when the masks have neither the prototypes' resolution nor 2 or 4 times as much.
    """
    total, terms, _ = label_loss(raw, batch, gains)
    return total, terms


def label_loss(
    raw: RawOutput, batch: dict, gains: LossGains, silent: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """`segmentation_loss`, and which anchor points (B, A) bool were assigned to an instance.

    silent: (C,) bool, the classes that the labels say nothing about: their scores count at assigned anchor points only,
    as what is elsewhere may be an instance or background. None: the labels are complete for all classes.
    """
    with torch.autocast(raw.boxes.device.type, enabled=False):
        raw = RawOutput(*(tensor.float() for tensor in raw))
        classes = batch["classes"]
        boxes = batch["boxes"].float()
        masks = batch["masks"]
        check_masks(masks, raw.prototypes)

        # Anchor points are assigned by what the network predicts there now; the assignment takes no gradient.
        height, width = (PROTOTYPE_STRIDE * side for side in raw.prototypes.shape[2:])
        points, strides = anchor_points(height, width, raw.boxes.device)  # (A, 2), (A, 1)
        with torch.no_grad():
            predicted = boxes_from_distribution(raw.boxes, points, strides)  # (B, A, 4)
        assignment = assign(raw.classes, predicted, points, classes, boxes, batch["image_index"])

        # From here on only positives matter, but for the class term, which sees the background too.
        assigned = assignment.instance_index >= 0  # (B, A)
        image, anchor = assigned.nonzero(as_tuple=True)  # (P,) each
        instance = assignment.instance_index[image, anchor]  # (P,)
        scores = assignment.scores[image, anchor]  # (P,)
        images, score_sum, positives = normalizers(len(raw.boxes), scores)
        inputs = LossInputs(
            raw=raw,
            instance_boxes=boxes,
            instance_masks=masks,
            image_index=batch["image_index"],
            image=image,
            anchor=anchor,
            points=points[anchor],
            strides=strides[anchor],
            logits=raw.boxes[image, :, anchor],
            coefficients=raw.coefficients[image, :, anchor],
            instance=instance,
            boxes=boxes[instance],
            classes=classes[instance],
            scores=scores,
            score_sum=score_sum,
            positives=positives,
            silent=silent,
            ignored=ignored_points(batch, points, (height, width)),
        )
        terms = {name: term.weight(gains) * term.value(inputs) for name, term in TERMS.items()}
        total = torch.stack(list(terms.values())).sum() * images
        return total, {name: value.detach() for name, value in terms.items()}, assigned


def ignored_points(batch: dict, points: Tensor, size: tuple[int, int]) -> Tensor | None:
    """(B, A) bool: anchor points in regions that are neither instances nor background; None where there is no such.

    batch["ignored"] (B, h, w) bool is a map of them over the images, whose `size` is (height, width); points (A, 2) xy
    in letterbox pixels. A batch without that key has no such regions.
    """
    cells = batch.get("ignored")
    if cells is None or not cells.any():
        return None
    rows = (points[:, 1] * cells.shape[1] / size[0]).long().clamp(max=cells.shape[1] - 1)  # (A,)
    columns = (points[:, 0] * cells.shape[2] / size[1]).long().clamp(max=cells.shape[2] - 1)  # (A,)
    return cells[:, rows, columns]


def check_masks(masks: Tensor, prototypes: Tensor) -> None:
    """Errors: ValueError when masks (N, h, w) do not fit prototypes (B, 32, H/4, W/4)."""
    height, width = prototypes.shape[2:]
    if tuple(masks.shape[1:]) not in [(scale * height, scale * width) for scale in MASK_SCALES]:
        raise ValueError(
            f"batch['masks'] are {tuple(masks.shape[1:])} and the prototypes {(height, width)}: "
            "masks of a batch must have 1/4, 1/2 or all of the images' height and width"
        )


def normalizers(images: int, scores: Tensor) -> Tensor:
    """From this process's image count and its positives' scores (P,) -> (3,): images, sum of scores, positives.

    Sums are over all processes that train together. The latter two are at least 1 and then divided by the number of
    processes, which undoes the division in DistributedDataParallel's averaging.
    """
    sums = torch.stack((scores.new_tensor(images), scores.sum(), scores.new_tensor(len(scores))))
    processes = 1
    if torch.is_grad_enabled() and distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(sums)
        processes = distributed.get_world_size()
    return torch.cat((sums[:1], sums[1:].clamp(min=1) / processes))


def mean_terms(terms: list[dict[str, Tensor]]) -> dict[str, float]:
    """Terms of several batches -> their means, by name."""
    rows = [torch.stack(list(values.values())) for values in terms]  # (terms,) of each batch
    means = torch.stack(rows).mean(dim=0)  # (terms,)
    return dict(zip(terms[0], means.tolist()))


# --- the terms ---


def box_loss(logits: Tensor, points: Tensor, strides: Tensor, boxes: Tensor, scores: Tensor) -> Tensor:
    """Sum over positives of score * (1 - CIoU).

    logits (P, 64) of the predicted distances, points (P, 2), strides (P, 1), the instances' boxes (P, 4) xyxy in
    letterbox pixels, scores (P,).
    """
    predicted = boxes_from_distribution(logits.T[None], points, strides)[0]  # (P, 4)
    return ((1 - complete_iou(predicted, boxes)) * scores).sum()


def distribution_loss(logits: Tensor, points: Tensor, strides: Tensor, boxes: Tensor, scores: Tensor) -> Tensor:
    """Sum over positives of score * the mean over four sides of the distribution focal loss. Shapes as in box_loss.

    A true distance of 3.2 strides has the target probabilities .8 in bin 3 and .2 in bin 4
    (Li et al., "Generalized Focal Loss", 2020, equation 6). Distances beyond the last bin are cut just short of it.
    """
    # True distances in strides, and the bins below and above each.
    distances = torch.cat((points - boxes[:, :2], boxes[:, 2:] - points), dim=1) / strides  # (P, 4)
    distances = distances.clamp(0, BINS - 1 - 0.01)
    lower = distances.floor()
    lower_bin = lower.long().unsqueeze(2)  # (P, 4, 1)
    upper_weight = distances - lower  # (P, 4), target probability of the upper bin

    # Cross-entropy with a target of two bins.
    log_probabilities = logits.view(-1, 4, BINS).log_softmax(dim=2)  # (P, 4, 16)
    at_lower = log_probabilities.gather(2, lower_bin).squeeze(2)  # (P, 4)
    at_upper = log_probabilities.gather(2, lower_bin + 1).squeeze(2)  # (P, 4)
    loss = -((1 - upper_weight) * at_lower + upper_weight * at_upper).mean(dim=1)  # (P,)
    return (loss * scores).sum()


def class_loss(
    logits: Tensor,
    image: Tensor,
    classes: Tensor,
    anchor: Tensor,
    scores: Tensor,
    silent: Tensor | None = None,
    ignored: Tensor | None = None,
) -> Tensor:
    """Sum of binary cross-entropy over all logits (B, C, A): the target is the score for positives, 0 for the rest.

    image, classes, anchor (P,) locate the positives' logits and scores (P,) are their targets. Because
    BCE(x, t) = softplus(x) - t * x, no (B, C, A) table of targets is needed.
    silent: (C,) bool, classes whose logits count at positives only; ignored: (B, A) bool, anchor points where those of
    all classes do.
    """
    as_positive = (logits[image, classes, anchor] * scores).sum()
    if silent is None and ignored is None:
        return F.softplus(logits).sum() - as_positive
    background = torch.ones_like(logits[:, 0], dtype=torch.bool)  # (B, A)
    background[image, anchor] = False
    if ignored is None:
        loss = F.softplus(logits).sum() - as_positive
    else:
        counted = ~(background & ignored)  # (B, A)
        loss = F.softplus(logits).sum(dim=1)[counted].sum() - as_positive
        background = background & counted
    if silent is not None:
        as_background = F.softplus(logits[:, silent]).sum(dim=1)  # (B, A)
        loss = loss - as_background[background].sum()
    return loss


def plain_mask_loss(
    prototypes: Tensor, coefficients: Tensor, masks: Tensor, boxes: Tensor, image_index: Tensor, instance: Tensor
) -> Tensor:
    """`mask_loss` written out: the whole mask of every positive, of which the pixels in its box count."""
    logits = torch.einsum("pc,pchw->phw", coefficients, prototypes[image_index[instance]])  # (P, h, w)
    finer = masks.shape[1] // prototypes.shape[2]
    if finer > 1:
        logits = F.interpolate(logits[:, None], scale_factor=finer, mode="bilinear")[:, 0]  # (P, n * h, n * w)

    left, top, right, bottom = (boxes[instance] * finer / PROTOTYPE_STRIDE).T[:, :, None, None]  # (P, 1, 1) each
    y, x = (torch.arange(side, device=logits.device) for side in logits.shape[1:])
    inside = (x >= left) & (x < right) & (y[:, None] >= top) & (y[:, None] < bottom)  # (P, n * h, n * w)

    entropy = F.binary_cross_entropy_with_logits(logits, masks[instance].to(logits), reduction="none")
    area = ((right - left) * (bottom - top)).clamp(min=1e-9)  # (P, 1, 1)
    return (entropy * inside / area).sum()


def mask_loss(
    prototypes: Tensor, coefficients: Tensor, masks: Tensor, boxes: Tensor, image_index: Tensor, instance: Tensor
) -> Tensor:
    """Sum over positives of the mask's binary cross-entropy inside the instance's box, divided by the box's area.

    prototypes (B, 32, h, w), coefficients (P, 32) of positives that were assigned the instances instance (P,); the
    instances' masks (N, n * h, n * w) in [0, 1], boxes (N, 4) xyxy in letterbox pixels and image_index (N,). Logits are
    coefficients @ prototypes (Bolya et al., "YOLACT", 2019), enlarged n times as prediction enlarges them: what is
    learned is then the mask that will be read, and not its own reduced image. A mask pixel counts when its upper left
    corner is in the box; the area is the box's own, in mask pixels.

    `plain_mask_loss` says the same in a few lines, with several (P, n * h, n * w) tensors. Here only windows, the
    pixels inside boxes, are visited, and each window is read once for all the positives of its instance.
    """
    boxes = boxes * (masks.shape[1] / prototypes.shape[2] / PROTOTYPE_STRIDE)  # in mask pixels

    # Group the positives by instance: each takes the next free column of its instance's row.
    count = torch.bincount(instance, minlength=len(boxes))  # (N,) positives of an instance
    order = instance.argsort(stable=True)  # (P,)
    row = instance[order]  # (P,)
    first_of_row = count.cumsum(0) - count  # (N,)
    column = torch.arange(len(order), device=order.device) - first_of_row[row]  # (P,)
    most = int(count.max()) if len(order) else 0
    grouped = coefficients.new_zeros(len(boxes), most, coefficients.shape[1])  # (N, K, 32)
    grouped = grouped.index_put((row, column), coefficients[order])
    return _WindowedMaskLoss.apply(prototypes, grouped, count, masks, boxes, image_index)


class _WindowedMaskLoss(torch.autograd.Function):
    """mask_loss on coefficients grouped by instance: (N, K, 32), of which the first count (N,) rows are real.

    The gradient is known in closed form, so it is computed along with the value while a window is at hand, and
    nothing of a window's size is kept for the backward pass.

    Enlarging is linear, and goes along rows and columns one after the other: up @ cells @ across.T. Of the prototypes
    only the cells that a window's pixels lie between are looked at, and what is enlarged are the logits there.

        cells of the prototypes                    mask pixels of a window, n = 2 times as fine
        +-----------------------+
        |    . . . .            |                  +-------+
        |    . . . .  (h, w)    |       ->         |       |  (H, W)  =  up (H, h) @ cells (h, w) @ across.T (w, W)
        |    . . . .            |                  +-------+
        +-----------------------+
    """

    @staticmethod
    def forward(
        ctx: Any,
        prototypes: Tensor,  # (B, 32, h, w)
        coefficients: Tensor,  # (N, K, 32)
        count: Tensor,  # (N,)
        masks: Tensor,  # (N, n * h, n * w)
        boxes: Tensor,  # (N, 4) in mask pixels
        image_index: Tensor,  # (N,)
    ) -> Tensor:
        batch, channels, height, width = prototypes.shape
        finer = masks.shape[1] // height
        cells = prototypes.permute(0, 2, 3, 1).reshape(-1, channels)  # (B * h * w, 32)
        total = cells.new_zeros(())
        d_cells = torch.zeros_like(cells)
        d_coefficients = torch.zeros_like(coefficients)

        # The window of an instance: the pixels whose upper left corner is in its box.
        area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp(min=1e-9)  # (N,)
        limit = boxes.new_tensor([masks.shape[2], masks.shape[1]] * 2)
        corners = torch.minimum(boxes.ceil().clamp(min=0), limit).long()  # (N, 4)
        sizes = (corners[:, 2:] - corners[:, :2]).clamp(min=0) * (count > 0)[:, None]  # (N, 2) columns and rows
        positive = torch.arange(coefficients.shape[1], device=count.device) < count[:, None]  # (N, K)

        # Windows of like size share a group of n; each is padded to W columns and H rows by weightless pixels.
        for group, longest in _groups(sizes):
            x, columns, across = _enlarging(corners[group, 0], sizes[group, 0], longest[0], finer, width)
            y, rows, up = _enlarging(corners[group, 1], sizes[group, 1], longest[1], finer, height)
            across = across.to(cells.dtype).unsqueeze(1)  # (n, 1, W, w)
            up = up.to(cells.dtype).unsqueeze(1)  # (n, 1, H, h)
            target = masks[group[:, None, None], y[:, :, None], x[:, None]].to(cells.dtype)  # (n, H, W)
            target = target.unsqueeze(1)  # (n, 1, H, W)
            place = (image_index[group, None, None] * height + rows[:, :, None]) * width + columns[:, None]  # (n, h, w)
            shape = place.shape[1:]
            place = place.flatten(1)  # (n, h * w)

            # The value: binary cross-entropy, softplus(x) - t * x, of the real positives.
            window = cells[place]  # (n, h * w, 32)
            mixing = coefficients[group]  # (n, K, 32)
            coarse = (mixing @ window.transpose(1, 2)).unflatten(2, shape)  # (n, K, h, w)
            logits = up @ coarse @ across.transpose(2, 3)  # (n, K, H, W)
            real = up.sum(dim=3, keepdim=True) @ across.sum(dim=3, keepdim=True).transpose(2, 3)  # (n, 1, H, W)
            weight = real / area[group, None, None, None]
            values = ((F.softplus(logits) - logits * target) * weight).sum(dim=(2, 3))  # (n, K)
            total += values[positive[group]].sum()

            # The gradient: sigmoid(x) - t at the logits, from there to the cells they were enlarged from, and on to
            # both factors of their product. Rows that are no real positives have coefficients of 0, so the cells get
            # nothing from them, and their own gradient ends in the grouping of the coefficients.
            d_logits = (logits.sigmoid() - target) * weight  # (n, K, H, W)
            d_coarse = (up.transpose(2, 3) @ d_logits @ across).flatten(2)  # (n, K, h * w)
            d_coefficients[group] = d_coarse @ window
            d_window = d_coarse.transpose(1, 2) @ mixing  # (n, h * w, 32)
            d_cells.index_add_(0, place.flatten(), d_window.flatten(0, 1))

        d_prototypes = d_cells.view(batch, height, width, channels).permute(0, 3, 1, 2)  # (B, 32, h, w)
        ctx.save_for_backward(d_prototypes, d_coefficients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        d_prototypes, d_coefficients = ctx.saved_tensors
        return d_prototypes * upstream, d_coefficients * upstream, None, None, None, None


def _enlarging(first: Tensor, size: Tensor, longest: int, finer: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Along one axis, how windows of mask pixels come out of the cells of prototypes, `finer` times as large.

    first, size (n,): where each window begins and how many pixels it has, of which `longest` is the most; side: cells
    along the axis. Returns the pixels (n, L) and cells (n, l) of the windows, numbered along the axis, and the weights
    (n, L, l) of the cells in each pixel, as bilinear interpolation has them; 0 for a pixel beyond the window's own.
    """
    step = torch.arange(longest, device=first.device)
    own = step < size[:, None]  # (n, L)
    pixels = (first[:, None] + step).clamp(max=finer * side - 1)  # (n, L)
    position = ((pixels + 0.5) / finer - 0.5).clamp(0, side - 1)  # (n, L) in cells
    most = -(-(longest - 1) // finer) + 2  # cells that so many pixels lie between
    cells = position[:, :1].long() + torch.arange(most, device=first.device)  # (n, l)
    weights = (1 - (position[:, :, None] - cells[:, None]).abs()).clamp(min=0)  # (n, L, l)
    return pixels, cells.clamp(max=side - 1), weights * own[:, :, None]


def _groups(sizes: Tensor) -> list[tuple[Tensor, list[int]]]:
    """Windows in groups of about PIXELS_AT_ONCE when padded, by their sizes (N, 2) -> rows, most columns and rows.

    Instances without a window are left out.
    """
    at_once = PIXELS_AT_ONCE if sizes.device.type == "cpu" else 16 * PIXELS_AT_ONCE  # elsewhere launches cost more
    order = sizes.amax(dim=1).argsort(descending=True)
    order = order[sizes[order].amin(dim=1) > 0]
    sides = sizes[order].tolist()
    groups = []
    start = 0
    while start < len(sides):
        longest = max(sides[start])
        end = min(start + max(1, at_once // longest**2), len(sides))
        largest = [max(side) for side in zip(*sides[start:end])]
        groups.append((order[start:end], largest))
        start = end
    return groups


# Name -> gain and value. The name is that of the column in results.csv, as in train/box_loss.
TERMS: dict[str, LossTerm] = {
    "box": LossTerm("box", lambda i: box_loss(i.logits, i.points, i.strides, i.boxes, i.scores) / i.score_sum),
    "seg": LossTerm(
        "box",
        lambda i: (
            mask_loss(i.raw.prototypes, i.coefficients, i.instance_masks, i.instance_boxes, i.image_index, i.instance)
            / i.positives
        ),
    ),
    "cls": LossTerm(
        "cls",
        lambda i: class_loss(i.raw.classes, i.image, i.classes, i.anchor, i.scores, i.silent, i.ignored) / i.score_sum,
    ),
    "dfl": LossTerm("dfl", lambda i: distribution_loss(i.logits, i.points, i.strides, i.boxes, i.scores) / i.score_sum),
}
