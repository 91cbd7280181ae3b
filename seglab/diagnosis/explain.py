"""Why two tools print two mAPs for one model: the YOLO protocol is turned into COCO's, one rule at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from seglab.data.dataset import SegmentationDataset
from seglab.diagnosis.errors import ErrorBreakdown, ErrorReport
from seglab.evaluation import yolo
from seglab.evaluation.coco import MAX_DETECTIONS, ClassMatches, CocoAccumulator, Instances
from seglab.evaluation.metrics import task_metrics
from seglab.evaluation.validate import (
    EvaluatedImage,
    ValidateConfig,
    evaluated_images,
    native_instances,
    quarter_instances,
)
from seglab.inference.predictor import Forward

STEPS = {  # the rules that are changed one after another, in this order, and what they become
    "AP rule": "mean of 101 precisions",
    "detection cap": "100 per image and class",
    "crowds": "crowds set aside",
    "resolution": "masks at full size",
}
IOU_TYPES = {"box": "bbox", "mask": "segm"}


@dataclass(frozen=True)
class Explanation:
    """mAP50-95 by the YOLO protocol and by COCO's, of "box" and "mask", and what each rule adds on the way.

    Each step starts from the one before, so together they are the whole gap. errors: what the masks' AP50 loses to each
    type of error.
    """

    yolo: dict[str, float]
    coco: dict[str, float]
    steps: dict[str, dict[str, float]]
    errors: ErrorReport

    def __str__(self) -> str:
        lines = [f"{'':<28}{'box':>9}{'mask':>9}", _line("YOLO protocol, mAP50-95", self.yolo)]
        lines += [_line(f"  {change}", self.steps[rule], "+9.4f") for rule, change in STEPS.items()]
        return "\n".join([*lines, _line("COCO protocol, mAP50-95", self.coco), "", str(self.errors)])


def _line(label: str, values: dict[str, float], form: str = "9.4f") -> str:
    return f"{label:<28}{values['box']:{form}}{values['mask']:{form}}"


class _Stage:
    """One point between the two protocols: the accumulators of boxes and of masks."""

    def __init__(self, class_count: int, limit: int) -> None:
        self.accumulators = {
            part: CocoAccumulator(range(class_count), iou_type, limit) for part, iou_type in IOU_TYPES.items()
        }

    def add(self, key: int | str, ground_truth: Instances, detections: Instances) -> None:
        for accumulator in self.accumulators.values():
            accumulator.add(key, ground_truth, detections)

    def maps(self, rule: Callable[[ClassMatches], np.ndarray] | None = None) -> dict[str, float]:
        """mAP50-95 of "box" and "mask" by an AP rule; None is COCO's."""
        return {part: task_metrics(accumulator, rule).map for part, accumulator in self.accumulators.items()}


def explain(
    forward: Forward,
    batches: Iterable[dict],
    dataset: SegmentationDataset,
    names: dict[int, str],
    config: ValidateConfig | None = None,
    device: str | torch.device = "cpu",
) -> Explanation:
    """Measure the same detections at every stage between the two protocols. Arguments as for `validate`."""
    config = config or ValidateConfig()
    limit = MAX_DETECTIONS[-1]
    as_yolo = _Stage(len(names), config.max_det)
    capped = _Stage(len(names), limit)
    crowds_known = _Stage(len(names), limit)
    as_coco = _Stage(len(names), limit)
    breakdown = ErrorBreakdown("segm")

    # Every stage is given the same image, each in its own form.
    for image in evaluated_images(forward, batches, dataset, config, device):
        quarter_truth, quarter_detections = quarter_instances(image)
        native_truth, native_detections = native_instances(image, every_mask=True)
        as_yolo.add(image.key, quarter_truth, quarter_detections)
        capped.add(image.key, quarter_truth, quarter_detections)
        crowds_known.add(image.key, with_crowds(quarter_truth, image), quarter_detections)
        as_coco.add(image.key, native_truth, native_detections)
        breakdown.add(native_truth, native_detections)

    # From one protocol to the other, one rule at a time.
    maps = [
        as_yolo.maps(yolo.average_precision),
        as_yolo.maps(),  # the AP rule has changed,
        capped.maps(),  # the detection cap,
        crowds_known.maps(),  # the crowds,
        as_coco.maps(),  # and the resolution
    ]
    steps = {
        rule: {part: after[part] - before[part] for part in IOU_TYPES}
        for rule, before, after in zip(STEPS, maps, maps[1:])
    }
    return Explanation(maps[0], maps[-1], steps, breakdown.summarize())


def with_crowds(ground_truth: Instances, image: EvaluatedImage) -> Instances:
    """Ground truth of the YOLO protocol with the image's crowds added, drawn at the same resolution."""
    crowds = [instance for instance in image.instances if instance.crowd]
    if not crowds:
        return ground_truth
    # Drawn one by one, for a crowd takes no cell away from the instances on it.
    rows = [yolo.outline_row(crowd, image.letterbox.image_size) for crowd in crowds]
    parts = [ground_truth, *(yolo.yolo_ground_truth([row], image.letterbox) for row in rows)]
    is_crowd = [False] * len(ground_truth.classes) + [True] * len(crowds)
    return Instances(
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.areas for part in parts]),
        np.concatenate([part.all_boxes for part in parts]),
        [mask for part in parts for mask in part.all_masks],
        crowd=np.array(is_crowd),
    )
