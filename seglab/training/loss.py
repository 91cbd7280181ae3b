"""The training loss: box, mask, class and distribution terms, one function each, and their weighted sum.

A positive is an anchor point that learns an object. The term functions return plain sums over positives;
`segmentation_loss` divides them by the normalisers. Everything is computed in float32, whatever autocast is on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable

from seglab.geometry.boxes import complete_iou
from seglab.model.head import BINS, PROTOTYPE_STRIDE, RawOutput, anchor_points, boxes_from_distribution
from seglab.training.assign import assign

PIXELS_AT_ONCE = 1 << 15  # window pixels the mask loss handles together: few enough to stay in a CPU's cache


@dataclass(frozen=True)
class LossGains:
    """Weights of the terms. The mask term shares the box gain."""

    box: float = 7.5
    cls: float = 0.5
    dfl: float = 1.5


def segmentation_loss(raw: RawOutput, batch: dict, gains: LossGains) -> tuple[Tensor, Tensor]:
    """Loss of a batch -> total, the scalar to backpropagate, and terms (4,), detached: box, seg, cls, dfl.

    `batch` holds "classes" (N,) int64, "boxes" (N, 4) xyxy in letterbox pixels, "image_index" (N,) int64 ascending and
    "masks" (N, h, w) in [0, 1] of 1/4, 1/2 or all of H and W, on the device of `raw`. Box, class and distribution terms
    are divided by the sum of assigned scores, the mask term by the number of positives, and all are weighted by
    `gains`. The total is their sum times the number of images, so that of the batches accumulated into one step each
    weighs by its images.

    When torch.distributed is initialised and gradients are on, every process must call this together: normalisers are
    summed over all processes, and scaled such that the gradients that DistributedDataParallel averages, and the
    average of `terms`, are those of one process that sees the whole batch. Without gradients, as in validation,
    nothing is exchanged.

    Errors: ValueError when the masks have neither the prototypes' resolution nor a multiple of it.
    """
    return label_loss(raw, batch, gains)[:2]


def label_loss(
    raw: RawOutput, batch: dict, gains: LossGains, silent: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """`segmentation_loss`, and which anchor points (B, A) bool were assigned to an instance.

    silent: (C,) bool, the classes that the labels do not speak for: their scores count at assigned anchor points only,
    and what is elsewhere may be an instance or background. None: they speak for all classes.
    """
    with torch.autocast(raw.boxes.device.type, enabled=False):
        raw = RawOutput(*(tensor.float() for tensor in raw))
        classes, boxes, masks = batch["classes"], batch["boxes"].float(), batch["masks"]
        if masks.shape[1:] not in [torch.Size(n * side for side in raw.prototypes.shape[2:]) for n in (1, 2, 4)]:
            raise ValueError(
                f"batch['masks'] are {tuple(masks.shape[1:])} and the prototypes {tuple(raw.prototypes.shape[2:])}: "
                f"masks of a batch must have 1/4, 1/2 or all of the images' height and width"
            )
        height, width = (PROTOTYPE_STRIDE * side for side in raw.prototypes.shape[2:])
        points, strides = anchor_points(height, width, raw.boxes.device)
        with torch.no_grad():
            predicted = boxes_from_distribution(raw.boxes, points, strides)  # (B, A, 4)
        assignment = assign(raw.classes, predicted, points, classes, boxes, batch["image_index"])

        image, anchor = (assignment.object_index >= 0).nonzero(as_tuple=True)  # (P,) each
        learnt = assignment.object_index[image, anchor]  # (P,) row of the object
        scores = assignment.scores[image, anchor]  # (P,)
        images, score_sum, positives = normalisers(len(raw.boxes), scores)

        logits = raw.boxes[image, :, anchor]  # (P, 64)
        coefficients = raw.coefficients[image, :, anchor]  # (P, 32)
        sides = (points[anchor], strides[anchor], boxes[learnt], scores)
        box = box_loss(logits, *sides) / score_sum
        mask = mask_loss(raw.prototypes, coefficients, masks, boxes, batch["image_index"], learnt) / positives
        cls = class_loss(raw.classes, image, classes[learnt], anchor, scores)
        if silent is not None:
            background = F.softplus(raw.classes[:, silent]).sum(dim=1)  # (B, A)
            cls = cls - background[assignment.object_index < 0].sum()
        cls = cls / score_sum
        dfl = distribution_loss(logits, *sides) / score_sum
        terms = torch.stack((gains.box * box, gains.box * mask, gains.cls * cls, gains.dfl * dfl))
        return terms.sum() * images, terms.detach(), assignment.object_index >= 0


def normalisers(images: int, scores: Tensor) -> Tensor:
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


def box_loss(logits: Tensor, points: Tensor, strides: Tensor, boxes: Tensor, scores: Tensor) -> Tensor:
    """Sum over positives of score * (1 - CIoU).

    logits (P, 64) of the predicted distances, points (P, 2), strides (P, 1), the objects' boxes (P, 4) xyxy in
    letterbox pixels, scores (P,).
    """
    predicted = boxes_from_distribution(logits.T[None], points, strides)[0]  # (P, 4)
    return ((1 - complete_iou(predicted, boxes)) * scores).sum()


def distribution_loss(logits: Tensor, points: Tensor, strides: Tensor, boxes: Tensor, scores: Tensor) -> Tensor:
    """Sum over positives of score * the mean over four sides of the distribution focal loss. Shapes as in box_loss.

    A true distance of 3.2 strides asks for probability .8 in bin 3 and .2 in bin 4
    (Li et al., "Generalized Focal Loss", 2020, equation 6). Distances beyond the last bin are cut just short of it.
    """
    distances = torch.cat((points - boxes[:, :2], boxes[:, 2:] - points), dim=1) / strides  # (P, 4)
    distances = distances.clamp(0, BINS - 1 - 0.01)
    lower = distances.floor()
    upper_share = distances - lower
    log_probabilities = logits.view(-1, 4, BINS).log_softmax(dim=2)
    lower_bin = lower.long().unsqueeze(2)  # (P, 4, 1)
    at_lower = log_probabilities.gather(2, lower_bin).squeeze(2)  # (P, 4)
    at_upper = log_probabilities.gather(2, lower_bin + 1).squeeze(2)
    loss = -((1 - upper_share) * at_lower + upper_share * at_upper).mean(dim=1)  # (P,)
    return (loss * scores).sum()


def class_loss(logits: Tensor, image: Tensor, classes: Tensor, anchor: Tensor, scores: Tensor) -> Tensor:
    """Sum of binary cross-entropy over all logits (B, C, A): positives are asked for their score, the rest for 0.

    image, classes, anchor (P,) locate the positives' logits and scores (P,) are their targets. Because
    BCE(x, t) = softplus(x) - t * x, no (B, C, A) table of targets is needed.
    """
    return F.softplus(logits).sum() - (logits[image, classes, anchor] * scores).sum()


def mask_loss(
    prototypes: Tensor, coefficients: Tensor, masks: Tensor, boxes: Tensor, image_index: Tensor, object_index: Tensor
) -> Tensor:
    """Sum over positives of the mask's binary cross-entropy inside the object's box, divided by the box's area.

    prototypes (B, 32, h, w), coefficients (P, 32) of positives that learn the objects object_index (P,); the objects'
    masks (N, n * h, n * w) in [0, 1], boxes (N, 4) xyxy in letterbox pixels and image_index (N,). Logits are
    coefficients @ prototypes (Bolya et al., "YOLACT", 2019), enlarged n times as prediction enlarges them: what is
    learned is then the mask that will be read, and not its own reduced image. A mask pixel counts when its upper left
    corner is in the box; the area is the box's own, in mask pixels.

    A dense version needs several (P, h, w) tensors. Here only windows are visited, and each window is read once for
    all the positives of its object.
    """
    finer = masks.shape[1] // prototypes.shape[2]
    if finer > 1:  # the sum of enlarged prototypes is the enlarged sum
        prototypes = F.interpolate(prototypes, scale_factor=finer, mode="bilinear")  # (B, 32, n * h, n * w)
    boxes = boxes * (finer / PROTOTYPE_STRIDE)  # in mask pixels
    count = torch.bincount(object_index, minlength=len(boxes))  # (N,)
    order = object_index.argsort(stable=True)
    owner = object_index[order]
    rank = torch.arange(len(order), device=order.device) - (count.cumsum(0) - count)[owner]
    most = int(count.max()) if len(order) else 0
    table = coefficients.new_zeros(len(boxes), most, coefficients.shape[1])  # (N, K, 32)
    table = table.index_put((owner, rank), coefficients[order])
    return _WindowedMaskLoss.apply(prototypes, table, count, masks, boxes, image_index)


class _WindowedMaskLoss(torch.autograd.Function):
    """mask_loss on coefficients grouped by object: (N, K, 32), of which the first count (N,) rows are real.

    The gradient is known in closed form, so it is computed along with the value while a window is at hand, and
    nothing of a window's size is kept for the backward pass.
    """

    @staticmethod
    def forward(ctx, prototypes, coefficients, count, masks, boxes, image_index):
        batch, channels, height, width = prototypes.shape
        pixels = prototypes.permute(0, 2, 3, 1).reshape(-1, channels)  # (B * h * w, 32)
        total, d_pixels, d_coefficients = pixels.new_zeros(()), torch.zeros_like(pixels), torch.zeros_like(coefficients)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp(min=1e-9)  # (N,)
        limit = boxes.new_tensor([width, height, width, height])
        left, top, right, bottom = torch.minimum(boxes.ceil().clamp(min=0), limit).long().unbind(1)  # (N,) each
        size = (right - left).clamp(min=0) * (bottom - top).clamp(min=0) * (count > 0)  # (N,) pixels in the window
        positive = torch.arange(coefficients.shape[1], device=count.device) < count[:, None]  # (N, K)

        # Windows of like size share a group of n; each is padded to the largest, S pixels, by weightless repetition.
        for group, longest in _groups(size):
            step = torch.arange(longest, device=size.device)  # (S,)
            real = step < size[group, None]  # (n, S)
            step = torch.minimum(step, size[group, None] - 1)
            across = (right - left)[group, None]
            place = (top[group, None] + step // across) * width + left[group, None] + step % across  # (n, S)
            target = masks.flatten(1)[group[:, None], place].to(pixels.dtype).unsqueeze(1)  # (n, 1, S)
            place = place + image_index[group, None] * (height * width)
            weight = (real / area[group, None]).unsqueeze(1)  # (n, 1, S)

            window, mixing = pixels[place], coefficients[group]  # (n, S, 32), (n, K, 32)
            logits = mixing @ window.transpose(1, 2)  # (n, K, S)
            values = (F.softplus(logits) - logits * target) @ weight.transpose(1, 2)  # (n, K, 1)
            total += values.squeeze(2)[positive[group]].sum()
            d_logits = (logits.sigmoid() - target) * weight
            d_coefficients[group] = d_logits @ window
            d_pixels.index_add_(0, place.flatten(), (d_logits.transpose(1, 2) @ mixing).flatten(0, 1))

        d_prototypes = d_pixels.view(batch, height, width, channels).permute(0, 3, 1, 2)
        ctx.save_for_backward(d_prototypes, d_coefficients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        d_prototypes, d_coefficients = ctx.saved_tensors
        return d_prototypes * upstream, d_coefficients * upstream, None, None, None, None


def _groups(size: Tensor) -> list[tuple[Tensor, int]]:
    """Objects in groups of about PIXELS_AT_ONCE when padded, from their windows' sizes (N,) -> (rows, largest size).

    Objects without a window are left out.
    """
    at_once = PIXELS_AT_ONCE if size.device.type == "cpu" else 8 * PIXELS_AT_ONCE  # elsewhere launches cost more
    order = size.argsort(descending=True)
    sizes = [pixels for pixels in size[order].tolist() if pixels]
    groups, start = [], 0
    while start < len(sizes):
        end = min(start + max(1, at_once // sizes[start]), len(sizes))
        groups.append((order[start:end], sizes[start]))
        start = end
    return groups
