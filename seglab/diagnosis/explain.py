"""Why two tools print two numbers for one model: the YOLO protocol turned into COCO's, one rule at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from seglab.data.dataset import SegmentationDataset
from seglab.diagnosis.errors import ErrorBreakdown, ErrorReport
from seglab.evaluation import yolo
from seglab.evaluation.coco import CocoAccumulator, Instances
from seglab.evaluation.metrics import task_metrics
from seglab.evaluation.validate import (
    Forward,
    Observation,
    ValidateConfig,
    native_instances,
    observe,
    quarter_instances,
)

CAUSES = {  # switched one after another in this order
    "AP rule": "mean of 101 precisions",
    "detection cap": "100 an image and class",
    "crowds": "crowds set aside",
    "resolution": "masks at full size",
}


@dataclass(frozen=True)
class Explanation:
    """mAP50-95 by the YOLO protocol and by COCO's, of "box" and "mask", and what each cause adds on the way.

    Each step starts from the one before, so together they are the whole gap. errors: what the masks' AP50 suffers from.
    """

    yolo: dict[str, float]
    coco: dict[str, float]
    steps: dict[str, dict[str, float]]
    errors: ErrorReport

    def __str__(self) -> str:
        lines = [f"{'':<28}{'box':>9}{'mask':>9}", _line("YOLO protocol, mAP50-95", self.yolo)]
        lines += [_line(f"  {change}", self.steps[cause], "+9.4f") for cause, change in CAUSES.items()]
        return "\n".join([*lines, _line("COCO protocol, mAP50-95", self.coco), "", str(self.errors)])


def _line(label: str, figures: dict[str, float], form: str = "9.4f") -> str:
    return f"{label:<28}{figures['box']:{form}}{figures['mask']:{form}}"


def explain(
    forward: Forward, batches: Iterable[dict], dataset: SegmentationDataset, names: dict[int, str],
    config: ValidateConfig | None = None, device: str | torch.device = "cpu",
) -> Explanation:  # fmt: skip
    """Measure the same detections at every stage between the two protocols. Arguments as for `validate`."""
    # Stages: the YOLO protocol; its detections capped; crowds known as well; everything at the image's own size.
    config = config or ValidateConfig()
    stages = [
        {kind: CocoAccumulator(range(len(names)), kind, limit) for kind in ("bbox", "segm")}
        for limit in (config.max_det, 100, 100, 100)
    ]
    breakdown = ErrorBreakdown("segm")
    for seen in observe(forward, batches, dataset, config, device):
        quarter, native = quarter_instances(seen), native_instances(seen, every_mask=True)
        breakdown.add(*native)
        for stage, (ground_truth, found) in zip(
            stages, (quarter, quarter, (with_crowds(quarter[0], seen), quarter[1]), native)
        ):
            stage["segm"].add(seen.key, ground_truth, found)
            stage["bbox"].add(seen.key, ground_truth, found)
    walk = [(stages[0], yolo.average_precision), *((stage, None) for stage in stages)]
    figures = [
        {label: task_metrics(stage[kind], rule).map for label, kind in (("box", "bbox"), ("mask", "segm"))}
        for stage, rule in walk
    ]
    steps = {
        cause: {label: after[label] - before[label] for label in after}
        for cause, before, after in zip(CAUSES, figures, figures[1:])
    }
    return Explanation(figures[0], figures[-1], steps, breakdown.summarise())


def with_crowds(ground_truth: Instances, seen: Observation) -> Instances:
    """Ground ground truth of the YOLO protocol with the image's crowds added, drawn at the same resolution."""
    crowds = [item for item in seen.instances if item.crowd]
    if not crowds:
        return ground_truth
    # One by one, for a crowd takes no cell away from the objects on it.
    drawn = [
        yolo.yolo_ground_truth([yolo.outline_row(item, seen.letterbox.image_size)], seen.letterbox) for item in crowds
    ]
    parts = [ground_truth, *drawn]
    return Instances(
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.areas for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        [mask for part in parts for mask in part.masks],
        crowd=np.arange(len(ground_truth.classes) + len(crowds)) >= len(ground_truth.classes),
    )
