"""Every loss term, its gradient and the assignment against ultralytics', on the same predictions and targets."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from seglab.model.head import RawOutput, anchor_points, boxes_from_distribution
from seglab.training.assign import assign
from seglab.training.loss import TERMS, LossGains, segmentation_loss

pytest.importorskip("ultralytics")

TOLERANCE = 1e-4


@cache
def criterion(classes: int):
    from ultralytics.nn.tasks import SegmentationModel

    model = SegmentationModel("yolo11n-seg.yaml", nc=classes, verbose=False)
    model.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, overlap_mask=True, mask_ratio=4)
    return model.init_criterion()


class Case:
    """A batch of random predictions and targets.

    `sides` are the least and greatest side of an object in pixels, `region` the share of the image's width and height
    that holds their centers; `sharpness` scales the logits of the distances and `nearness` is added to bin 0's;
    `snap` moves boxes to corners of mask pixels, where even one of a single image pixel covers a mask pixel's corner.
    """

    def __init__(
        self,
        seed: int,
        size: tuple[int, int],
        classes: int,
        instances: list[int],
        sides: tuple[float, float] = (8, 300),
        region: float = 1.0,
        soft: bool = False,
        sharpness: float = 1.0,
        nearness: float = 0.0,
        snap: bool = False,
    ):
        self.height, self.width = size
        self.classes, images, count = classes, len(instances), sum(instances)
        generator = torch.Generator().manual_seed(seed)
        frame = torch.tensor([self.width, self.height])
        center = torch.rand(count, 2, generator=generator) * frame * region
        side = sides[0] * (sides[1] / sides[0]) ** torch.rand(count, 2, generator=generator)
        top_left = torch.minimum((center - side / 2).clamp(min=0), frame - 1)
        if snap:
            top_left = (top_left / 4).floor() * 4
            center = top_left + side / 2
        boxes = torch.cat((top_left, torch.minimum(torch.maximum(center + side / 2, top_left + 1), frame)), dim=1)
        shape = (count, self.height // 4, self.width // 4)
        masks = torch.rand(shape, generator=generator)
        self.batch = {
            "classes": torch.randint(classes, (count,), generator=generator),
            "boxes": boxes,
            "image_index": torch.arange(images).repeat_interleave(torch.tensor(instances)),
            "masks": (masks if soft else (masks > 0.5)).half(),
        }
        anchors = len(anchor_points(*size)[0])

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        self.raw = RawOutput(
            normal(images, 64, anchors) * sharpness + nearness * (torch.arange(64) % 16 == 0)[:, None],
            normal(images, classes, anchors) - 3,
            normal(images, 32, anchors) * 0.4,
            normal(images, 32, *shape[1:]) * 0.4,
        )

    def own_pixels(self) -> Tensor:
        """Give every pixel to the last object that covers it; ultralytics' map (B, h, w) of 1-based object numbers."""
        index_map = torch.zeros(len(self.raw.boxes), *self.batch["masks"].shape[1:])
        for image in range(len(index_map)):
            rows = (self.batch["image_index"] == image).nonzero()[:, 0]
            for number, row in enumerate(rows, start=1):
                index_map[image][self.batch["masks"][row] > 0] = number
            for number, row in enumerate(rows, start=1):
                self.batch["masks"][row] = (index_map[image] == number).half()
        return index_map

    def leaves(self) -> RawOutput:
        return RawOutput(*(tensor.clone().requires_grad_() for tensor in self.raw))

    def peer_loss(self, raw: RawOutput, overlap: bool) -> tuple[Tensor, dict[str, Tensor]]:
        boxes = self.batch["boxes"]
        normalized = torch.cat(((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]), dim=1)
        predictions = {
            "boxes": raw.boxes,
            "scores": raw.classes,
            "mask_coefficient": raw.coefficients,
            "proto": raw.prototypes,
            "feats": [torch.zeros(len(raw.boxes), 1, self.height // s, self.width // s) for s in (8, 16, 32)],
        }
        targets = {
            "batch_idx": self.batch["image_index"].float(),
            "cls": self.batch["classes"].float()[:, None],
            "bboxes": normalized / torch.tensor([self.width, self.height] * 2),
            "masks": self.own_pixels() if overlap else self.batch["masks"].float(),
        }
        loss = criterion(self.classes)
        loss.overlap = overlap
        total, terms = loss.loss(predictions, targets)
        return total.sum(), {name.removesuffix("_loss"): value.float() for name, value in terms.items()}


CASES = {
    "random": Case(0, (256, 256), 80, [5, 9, 3]),
    "640": Case(1, (640, 640), 80, [12, 30]),
    "not square": Case(2, (160, 352), 80, [6, 2]),
    "smallest input": Case(3, (32, 64), 80, [3, 1], sides=(4, 40)),
    "one class": Case(4, (256, 256), 1, [7, 1]),
    "one image empty": Case(5, (256, 256), 80, [0, 6, 0]),
    "all images empty": Case(6, (256, 256), 80, [0, 0]),
    "one pixel": Case(7, (256, 256), 80, [8, 5], sides=(1, 1.0001)),
    "one pixel, predicted": Case(14, (256, 256), 80, [30, 9], sides=(1, 1.0001), nearness=7.0),
    "one pixel, on the mask grid": Case(16, (256, 256), 80, [30, 9], sides=(1, 1.0001), nearness=7.0, snap=True),
    "one pixel, in the first corner": Case(8, (256, 256), 80, [1, 9, 4], sides=(1, 1.0001), region=0.08),
    "crowded cell": Case(9, (256, 256), 80, [40, 12], sides=(5, 30), region=0.12),
    "many overlapping": Case(10, (320, 320), 80, [60, 3], sides=(60, 300)),
    "a hundred objects": Case(11, (192, 192), 80, [100], sides=(3, 90)),
    "crowded cell, predicted": Case(15, (256, 256), 80, [40, 12], sides=(5, 30), region=0.12, nearness=4.0),
    "sharp boxes": Case(12, (256, 256), 80, [9, 9], sharpness=6.0),
    "soft masks": Case(13, (256, 256), 80, [6, 4], soft=True),
}


@pytest.mark.parametrize("name", [name for name in CASES if name != "soft masks"])
def test_terms_and_gradients_with_the_overlap_map(name):
    compare(CASES[name], True)


@pytest.mark.parametrize("name", CASES)
def test_terms_and_gradients_with_separate_masks(name):
    compare(CASES[name], False)


def compare(case: Case, overlap: bool) -> None:
    theirs, ours = case.leaves(), case.leaves()
    peer_total, peer_terms = case.peer_loss(theirs, overlap)
    total, terms = segmentation_loss(ours, case.batch, LossGains())
    for name, value in terms.items():
        if TERMS[name].weight(LossGains()) == 0:
            continue  # a term that ultralytics does not have, off by default
        expected = peer_terms[name]
        assert (value - expected).abs() / expected.abs().clamp(min=1) < TOLERANCE, name
    torch.testing.assert_close(total, peer_total, atol=0, rtol=TOLERANCE)

    total.backward()
    peer_total.backward()
    for name, own, other in zip(RawOutput._fields, ours, theirs):
        wanted = torch.zeros_like(other) if other.grad is None else other.grad
        scale = wanted.abs().max().clamp(min=1e-6)
        assert (own.grad - wanted).abs().max() < TOLERANCE * scale, name


@pytest.mark.parametrize("name", [name for name in CASES if name != "all images empty"])
def test_assignment(name):
    case = CASES[name]
    points, strides = anchor_points(case.height, case.width)
    predicted = boxes_from_distribution(case.raw.boxes, points, strides)
    classes, boxes, image_index = (case.batch[key] for key in ("classes", "boxes", "image_index"))
    found = assign(case.raw.classes, predicted, points, classes, boxes, image_index)

    images, most = len(predicted), int(image_index.bincount().max())
    padded_classes, padded_boxes = torch.zeros(images, most, 1), torch.zeros(images, most, 4)
    first = torch.searchsorted(image_index, torch.arange(images))
    rank = torch.arange(len(boxes)) - first[image_index]
    padded_classes[image_index, rank, 0] = classes.float()
    padded_boxes[image_index, rank] = boxes
    real = padded_boxes.sum(dim=2, keepdim=True) > 0
    probabilities = case.raw.classes.sigmoid().transpose(1, 2)
    assigner = criterion(case.classes).assigner
    _, _, scores, positive, which = assigner(probabilities, predicted, points, padded_classes, padded_boxes, real)

    assert torch.equal(found.instance_index, torch.where(positive.bool(), which + first[:, None], -1))
    torch.testing.assert_close(found.scores, scores.sum(dim=2) * positive, atol=1e-5, rtol=0)
