"""The best mask AP a network can reach under a kind of training target: the AP of the targets themselves.

A network that reproduced its targets perfectly would predict exactly them, read back at the image's own resolution.
What is missing to 1 was lost when the targets were drawn, and no training brings it back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seglab.data.dataset import SegmentationDataset
from seglab.datasets.spec import DatasetSpec
from seglab.evaluation.coco import CocoAccumulator, CocoFigures
from seglab.evaluation.validate import Observation, native_instances
from seglab.inference.nms import Detections


class Target(NamedTuple):
    """A way to draw the masks that a network learns."""

    arguments: dict[str, Any]  # of SegmentationDataset
    # Whether prototypes of a quarter of the input's resolution have to learn masks of half of it by their enlargement,
    # as in training with mask_ratio=2; else the prototypes are as fine as the masks.
    enlarged: bool = False


TARGETS = {
    "hard 1/4, overlap": Target({"mask_targets": "hard", "overlap": True}),
    "hard 1/4": Target({"mask_targets": "hard", "overlap": False}),
    "soft 1/4": Target({"mask_targets": "soft"}),
    "soft 1/2 on 1/4": Target({"mask_targets": "soft", "mask_ratio": 2}, enlarged=True),
    "soft 1/2": Target({"mask_targets": "soft", "mask_ratio": 2}),
}


def ceiling(
    spec: DatasetSpec, split: str = "val", imgsz: int = 640, targets: dict[str, Target] | None = None
) -> dict[str, CocoFigures]:
    """COCO mask figures of perfect predictions under each kind of target (by default TARGETS)."""
    figures = {}
    for name, target in (targets or TARGETS).items():
        dataset = SegmentationDataset(spec, split, imgsz, rect=True, **target.arguments)
        accumulator = CocoAccumulator(range(len(dataset.names)), "segm")
        for index in range(len(dataset)):
            seen = oracle(dataset, index)
            if target.enlarged:
                seen = seen._replace(prototypes=reduced(seen.prototypes + 0.5))
            accumulator.add(index, *native_instances(seen))
        figures[name] = accumulator.summarise()
    return figures


def oracle(dataset: SegmentationDataset, index: int) -> Observation:
    """What a network that reproduces its targets says of an image: each object has a prototype of its own.

    The whole box lets masks be, hard ones too: the targets know where a mask ends, which trained networks do not learn.
    """
    item = dataset[index]
    count = len(item["classes"])
    detections = Detections(
        torch.from_numpy(item["boxes"]), torch.ones(count), torch.from_numpy(item["classes"]), torch.eye(count)
    )
    prototypes = torch.from_numpy(item["masks"]).float() - 0.5
    info = item["sample"]
    return Observation(index, index, None, info["letterbox"], info["source"], detections, prototypes)


def reduced(masks: Tensor) -> Tensor:
    """Masks (N, 2 h, 2 w) in [0, 1] -> logits (N, h, w) whose bilinear enlargement has about the least cross-entropy.

    The problem is convex: descent from anywhere leads to the one solution.
    """
    logits = F.avg_pool2d(masks[:, None], 2).clamp(0.02, 0.98).logit().requires_grad_()  # (N, 1, h, w)
    optimiser = torch.optim.Adam([logits], lr=0.15)
    for _ in range(60):
        enlarged = F.interpolate(logits, scale_factor=2, mode="bilinear")  # (N, 1, 2 h, 2 w)
        loss = F.binary_cross_entropy_with_logits(enlarged, masks[:, None], reduction="sum")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return logits.detach()[:, 0]
