"""Upper bounds: the best mask AP that a network can reach with each type of training target.

A network that reproduced its targets exactly would predict them and nothing else, read back at the image's own
resolution. What such an oracle lacks to 1 was lost when the targets were drawn, and no training brings it back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seglab.data.dataset import SegmentationDataset
from seglab.datasets.spec import DatasetSpec
from seglab.evaluation.coco import CocoAccumulator, CocoMetrics
from seglab.evaluation.validate import EvaluatedImage, native_instances
from seglab.image_files import DEFAULT_READING, Reading
from seglab.inference.nms import Detections


class Target(NamedTuple):
    """A way to draw the masks that a network learns."""

    arguments: dict[str, Any]  # of SegmentationDataset
    # Whether prototypes of a quarter of the input's resolution have to learn masks of half of it by being enlarged, as
    # in training with mask_ratio=2; else the prototypes are as fine as the masks.
    enlarged: bool = False


TARGETS = {
    "hard 1/4, overlap": Target({"mask_targets": "hard", "overlap": True}),
    "hard 1/4": Target({"mask_targets": "hard", "overlap": False}),
    "soft 1/4": Target({"mask_targets": "soft"}),
    "soft 1/2 on 1/4": Target({"mask_targets": "soft", "mask_ratio": 2}, enlarged=True),
    "soft 1/2": Target({"mask_targets": "soft", "mask_ratio": 2}),
}


def upper_bounds(
    spec: DatasetSpec,
    split: str = "val",
    imgsz: int = 640,
    targets: dict[str, Target] | None = None,
    reading: Reading = DEFAULT_READING,
) -> dict[str, CocoMetrics]:
    """COCO mask metrics of an oracle for each type of target (by default TARGETS). reading: how images are read."""
    bounds = {}
    for name, target in (targets or TARGETS).items():
        dataset = SegmentationDataset(spec, split, imgsz, rect=True, reading=reading, **target.arguments)
        accumulator = CocoAccumulator(range(len(dataset.names)), "segm")
        for index in range(len(dataset)):
            image = oracle(dataset, index)
            if target.enlarged:
                masks = image.prototypes + 0.5
                image = image._replace(prototypes=fit_coarse_logits(masks))
            accumulator.add(index, *native_instances(image))
        bounds[name] = accumulator.summarize()
    return bounds


def oracle(dataset: SegmentationDataset, index: int) -> EvaluatedImage:
    """What a network that reproduces its targets predicts for an image: each instance has a prototype of its own.

    Masks may fill their whole box, hard ones too: the targets know where a mask ends, which trained networks do not
    learn.
    """
    item = dataset[index]
    count = len(item["classes"])
    detections = Detections(
        boxes=torch.from_numpy(item["boxes"]),
        scores=torch.ones(count),
        classes=torch.from_numpy(item["classes"]),
        coefficients=torch.eye(count),
    )
    prototypes = torch.from_numpy(item["masks"]).float() - 0.5  # (count, h, w), positive where a mask is above one half
    sample = item["sample"]
    letterbox = sample["letterbox"]
    source = sample["source"]
    if letterbox is None or source is None:
        raise ValueError("an oracle needs items without augmentation")
    return EvaluatedImage(index, index, None, letterbox, source, detections, prototypes)


def fit_coarse_logits(masks: Tensor) -> Tensor:
    """Masks (N, 2 h, 2 w) in [0, 1] -> logits (N, h, w) whose bilinear enlargement has about the least cross-entropy.

    The problem is convex: descent from anywhere leads to the one solution.
    """
    start = F.avg_pool2d(masks[:, None], 2).clamp(0.02, 0.98)  # (N, 1, h, w)
    logits = start.logit().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.15)
    for _ in range(60):
        enlarged = F.interpolate(logits, scale_factor=2, mode="bilinear")  # (N, 1, 2 h, 2 w)
        loss = F.binary_cross_entropy_with_logits(enlarged, masks[:, None], reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return logits.detach()[:, 0]
