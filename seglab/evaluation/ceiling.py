"""The best mask AP a network can reach under a kind of training target: the AP of the targets themselves.

A network that reproduced its targets perfectly would predict exactly them, read back at the image's own resolution.
What is missing to 1 was lost when the targets were drawn, and no training brings it back.
"""

from __future__ import annotations

import torch

from seglab.data.catalogue import DatasetSpec
from seglab.data.dataset import SegmentationDataset
from seglab.evaluation.coco import CocoAccumulator, CocoFigures
from seglab.evaluation.validate import Observation, native_instances
from seglab.inference.suppress import Detections

# How masks can be drawn for training, by name: arguments of SegmentationDataset.
TARGETS = {
    "hard 1/4, overlap": {"mask_targets": "hard", "overlap": True},
    "hard 1/4": {"mask_targets": "hard", "overlap": False},
    "soft 1/4": {"mask_targets": "soft"},
    "soft 1/2": {"mask_targets": "soft", "mask_ratio": 2},
}


def ceiling(
    spec: DatasetSpec, split: str = "val", imgsz: int = 640, targets: dict[str, dict] | None = None
) -> dict[str, CocoFigures]:
    """COCO mask figures of perfect predictions under each kind of target (by default TARGETS)."""
    figures = {}
    for name, arguments in (targets or TARGETS).items():
        dataset = SegmentationDataset(spec, split, imgsz, rect=True, **arguments)
        accumulator = CocoAccumulator(range(len(dataset.names)), "segm")
        for index in range(len(dataset)):
            accumulator.add(index, *native_instances(perfect(dataset, index)))
        figures[name] = accumulator.summarise()
    return figures


def perfect(dataset: SegmentationDataset, index: int) -> Observation:
    """What a network that reproduces its targets says of an image: each object has a prototype of its own."""
    item = dataset[index]
    count = len(item["classes"])
    detections = Detections(
        torch.from_numpy(item["boxes"]), torch.ones(count), torch.from_numpy(item["classes"]), torch.eye(count)
    )
    prototypes = torch.from_numpy(item["masks"]).float() - 0.5
    info = item["sample"]
    return Observation(index, index, None, info["letterbox"], info["source"], detections, prototypes)
