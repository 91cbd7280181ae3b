"""Validation: run a network over a split, compare what it finds with the ground truth, image by image.

The network stands behind one signature, forward(images) -> (predictions, prototypes), so that weights in training, a
fused copy and an exported file are measured by the same code.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor

from seglab.data.augment import boxes_of
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import write_image
from seglab.data.loader import build_loader
from seglab.datasets.spec import DatasetSpec
from seglab.device import images_to_float
from seglab.errors import SeglabError, fit_types, keep_within
from seglab.evaluation import yolo
from seglab.evaluation.coco import THRESHOLDS, CocoAccumulator, Instances
from seglab.evaluation.confusion import count_confusions
from seglab.evaluation.metrics import Metrics, task_metrics
from seglab.files import new_run_dir
from seglab.formats.coco import result_entry
from seglab.formats.yolo import label_path, raw_rows
from seglab.geometry.letterbox import Letterbox
from seglab.geometry.rle import area, crop_to_rle, rings_to_rle
from seglab.inference.masks import check_mask_targets, weighted_sums
from seglab.inference.nms import Detections, suppress
from seglab.inference.predictor import BOUNDS, Clock, Forward
from seglab.sample import Instance

PROTOCOLS = ("coco", "yolo")
IN_CACHE = 4  # images that pass the network together on a CPU: with more, its caches overflow


@dataclass
class ValidateConfig:
    """What val may be told, under its usual names."""

    imgsz: int | tuple[int, int] = 640  # long side of the network's input in pixels, or (height, width)
    batch: int = 16  # images that are loaded together and share a shape; an accelerator takes them in one run
    split: str = "val"
    conf: float = 0.001  # lowest score that counts
    iou: float = 0.7  # overlap above which the poorer of two boxes goes
    max_det: int = 300  # most detections on an image; COCO's protocol counts the best 100 of a class
    rect: bool = True  # pad images of like shape as little as the published figures were measured with
    protocol: str = "coco"  # "coco": native resolution, COCO's rules; "yolo": the figures YOLO tools print
    explain: bool = False  # print both protocols' figures, what makes the gap, and what each kind of mistake costs
    workers: int = 8  # loading processes, for datasets of more than a hundred images
    strict: bool = False  # stop at the first problem in the data instead of listing them
    plots: bool = False  # write curves and the confusion matrix
    mask_targets: str = "soft"  # what the weights were trained with, soft or hard: decides where masks may begin
    save_json: bool = False  # write predictions.json in COCO's results format
    project: str | None = None
    name: str | None = None
    exist_ok: bool = False
    verbose: bool = True

    def __post_init__(self) -> None:
        fit_types(self)
        if self.protocol not in PROTOCOLS:
            raise SeglabError(f"protocol is {self.protocol!r}: choose one of {', '.join(PROTOCOLS)}")
        keep_within(self, BOUNDS)
        check_mask_targets(self.mask_targets)


class Observation(NamedTuple):
    """One image: what is on it (image frame), and what the network says of it (letterbox frame)."""

    image_id: int | str
    key: int | str  # the image in an accumulator, in the order of a file's evaluation: its id, if listed but once
    labels: Path | None  # the label file, where the objects come from one
    letterbox: Letterbox
    instances: list[Instance]
    detections: Detections
    prototypes: Tensor  # (32, h, w)
    mask_targets: str = "soft"  # of the network's training


@torch.inference_mode()
def observe(
    forward: Forward, batches: Iterable[dict], dataset: SegmentationDataset, config: ValidateConfig,
    device: str | torch.device = "cpu", speed: Counter | None = None,
) -> Iterator[Observation]:  # fmt: skip
    """Run the network over `batches` of `dataset`; adds the milliseconds of each stage to `speed`."""
    speed = Counter() if speed is None else speed
    listed_once = len(set(dataset.images)) == len(dataset.images)
    joined = bool(dataset.spec.parts)  # label files have class ids of their own
    labelled = not joined and dataset.split not in dataset.spec.annotations and dataset.spec.labels is None
    clock = Clock(device)
    on_processor = torch.device(device).type == "cpu"
    for batch in batches:
        samples = iter(batch["samples"])
        for images in batch["images"].split(IN_CACHE if on_processor else len(batch["samples"])):
            images = images_to_float(images, device)
            speed["preprocess"] += clock.lap()
            predictions, prototypes = forward(images)
            speed["inference"] += clock.lap()
            found = suppress(predictions, config.conf, config.iou, config.max_det, multi_label=True)
            for detections, own, info in zip(found, prototypes, samples):
                labels = label_path(Path(info["path"])) if labelled else None
                key = info["image_id"] if listed_once else info["index"]
                # A network that diverges must get its zero, not end the run.
                detections = detections._replace(boxes=detections.boxes.nan_to_num(0.0, 0.0, 0.0))
                yield Observation(
                    info["image_id"], key, labels, info["letterbox"], info["source"], detections, own,
                    config.mask_targets,
                )  # fmt: skip
            speed["postprocess"] += clock.lap()


def validate(
    forward: Forward, batches: Iterable[dict], dataset: SegmentationDataset, names: dict[int, str],
    config: ValidateConfig | None = None, device: str | torch.device = "cpu", results: list[dict] | None = None,
) -> Metrics:  # fmt: skip
    """Figures of `forward` on `batches` of `dataset` (validation items, any order).

    names: class id (0 to nc - 1) -> name; device: where `forward` takes its images; results: when given, COCO results
    are appended to it, with the ids that the dataset has in COCO files.
    """
    config, speed, count = config or ValidateConfig(), Counter(), len(names)
    file_names = dataset.file_names() if results is not None else {}
    native = config.protocol == "coco"
    limit, rule = (100, None) if native else (config.max_det, yolo.average_precision)
    boxes, masks = (CocoAccumulator(range(count), kind, limit) for kind in ("bbox", "segm"))
    confusion, images, instances = np.zeros((count + 1, count + 1), int), np.zeros(count, int), np.zeros(count, int)
    total = 0
    for seen in observe(forward, batches, dataset, config, device, speed):
        ground_truth, found = (
            native_instances(seen, every_mask=results is not None) if native else quarter_instances(seen)
        )
        masks.add(seen.key, ground_truth, found)
        boxes.add(seen.key, ground_truth, found._replace(areas=found.boxes[:, 2] * found.boxes[:, 3]))
        count_confusions(confusion, ground_truth, found)
        present = ground_truth.classes[~ground_truth.crowds]
        instances += np.bincount(present, minlength=count)
        images[np.unique(present)] += 1
        total += 1
        if results is not None:
            detections = found if native else native_instances(seen, every_mask=True)[1]
            results += as_results(seen.image_id, file_names[seen.image_id], detections, dataset.category_ids, names)
    speed = {stage: milliseconds / max(total, 1) for stage, milliseconds in speed.items()}
    box, seg = (task_metrics(accumulator, rule) for accumulator in (boxes, masks))
    return Metrics(box, seg, dict(names), images, instances, total, confusion, speed)


def native_instances(seen: Observation, every_mask: bool = False) -> tuple[Instances, Instances]:
    """Ground truth and detections in the image frame at full resolution; areas are those of the masks.

    Most of three hundred detections are of a class that the image does not hold, or lie elsewhere: unless `every_mask`,
    those that cannot reach the least threshold with any object get no mask. One mask is held as pixels at a time.
    """
    (height, width), ground_truth = (
        seen.letterbox.image_size,
        ground_truth_instances(seen.instances, seen.letterbox.image_size),
    )
    classes, scores = seen.detections.classes.cpu().numpy(), seen.detections.scores.cpu().numpy()
    boxes = seen.letterbox.boxes_to_image(seen.detections.boxes.cpu().double()).numpy()
    shares = most_shared(boxes, ground_truth) * (classes[:, None] == ground_truth.classes)
    areas, masks = [], []
    every_sum = weighted_sums(seen.prototypes, seen.detections, seen.letterbox, seen.mask_targets)
    for most, (x0, y0, sums) in zip(shares, every_sum):
        crop = sums > 0
        areas.append(np.count_nonzero(crop))
        if every_mask or (most.any() and may_match(areas[-1], most, ground_truth)):
            masks.append(crop_to_rle(x0, y0, crop, height, width))
        else:
            masks.append(None)
    boxes[:, 2:] -= boxes[:, :2]
    return ground_truth, Instances(classes, np.array(areas, np.float64), boxes, masks, scores)


def most_shared(boxes: np.ndarray, ground_truth: Instances) -> np.ndarray:
    """(N, 4) xyxy boxes that hold masks -> (N, G) the most pixels these can share with the objects' masks."""
    corners = np.reshape(coco_mask.toBbox(list(ground_truth.masks)), (-1, 4))  # not the outlines', which are smaller
    reach = boxes + (-1, -1, 1, 1)  # a pixel whose centre lies in the box may stand out by half of itself
    low, high = np.maximum(reach[:, None, :2], corners[:, :2]), reach[:, None, 2:]
    sides = (np.minimum(high, corners[:, :2] + corners[:, 2:]) - low).clip(0)  # (N, G, 2)
    return np.minimum(sides.prod(axis=2), ground_truth.areas)


def may_match(pixels: int, most: np.ndarray, ground_truth: Instances) -> bool:
    """Whether a mask of so many pixels, which shares at `most` (G,) with the objects, can reach the least threshold."""
    shared = np.minimum(most, pixels)
    whole = np.where(ground_truth.crowd, pixels, pixels + ground_truth.areas - shared)
    return bool(((shared >= THRESHOLDS[0] * whole) & (shared > 0)).any())


def ground_truth_instances(objects: Sequence[Instance], image_size: tuple[int, int]) -> Instances:
    """Objects of an image of (height, width) as COCO holds them."""
    masks = [item.rle or rings_to_rle(item.rings, *image_size) for item in objects]
    boxes = boxes_of(objects)
    boxes[:, 2:] -= boxes[:, :2]
    return Instances(
        np.array([item.class_id for item in objects], dtype=np.int64),
        np.array([area(mask) for mask in masks], dtype=np.float64),
        boxes,
        masks,
        crowd=np.array([item.crowd for item in objects], dtype=bool),
    )


def quarter_instances(seen: Observation) -> tuple[Instances, Instances]:
    """Ground truth and detections as the YOLO protocol compares them: in the letterbox, at 1/4 of its resolution."""
    objects = [item for item in seen.instances if not item.crowd]
    rows = raw_rows(seen.labels) if seen.labels else []
    if [class_id for class_id, _ in rows] != [item.class_id for item in objects]:  # no label file, or rows to be fixed
        rows = [yolo.outline_row(item, seen.letterbox.image_size) for item in objects]
    ground_truth = yolo.yolo_ground_truth(rows, seen.letterbox)
    return ground_truth, yolo.quarter_detections(seen.prototypes, seen.detections, seen.letterbox.size)


def as_results(
    image_id: int | str, file_name: str, found: Instances, category_ids: Sequence[int | str], names: dict[int, str]
) -> list[dict]:
    """Detections of one image as rows of a COCO results file.

    Beside what COCO asks for, a row has what a reader needs to match it and to score it as validation does: the file
    name, the name of the category, and the mask's area, where COCO's own tool takes the box's.
    """
    return [
        result_entry(
            image_id, category_ids[class_id], box, score, mask,
            file_name=file_name, category_name=names[class_id], mask_area=int(pixels),
        )
        for class_id, box, score, mask, pixels in zip(
            found.classes.tolist(), found.boxes, found.scores, found.masks, found.areas
        )
    ]  # fmt: skip


def validate_dataset(
    forward: Forward, spec: DatasetSpec, names: dict[int, str], config: ValidateConfig,
    device: str | torch.device = "cpu",
) -> Metrics:  # fmt: skip
    """Figures of `forward` on one split of a dataset, printed as a table; writes what the config asks for.

    Errors: SeglabError when the model's classes are not those of the data.
    """
    from tqdm.auto import tqdm

    if len(names) != len(spec.names):
        raise SeglabError(
            f"the model knows {len(names)} classes and {spec.name} has {len(spec.names)}: validate it on data with the "
            "classes it was trained on"
        )
    dataset = SegmentationDataset(
        spec, config.split, config.imgsz, mask_targets=None, strict=config.strict, rect=config.rect
    )
    workers = min(config.workers, len(dataset) // 100)
    loader = build_loader(dataset, config.batch, workers, pin_memory=torch.device(device).type == "cuda")
    results = [] if config.save_json else None
    progress = tqdm(loader, desc="validate", unit="batch", disable=not config.verbose)
    metrics = validate(forward, progress, dataset, spec.names, config, device, results)
    if config.verbose:
        print(metrics.table())
    if config.explain:
        from seglab.diagnosis.explain import explain

        print(explain(forward, loader, dataset, spec.names, config, device))
    if config.plots or config.save_json:
        folder = new_run_dir("val", config.project, config.name, config.exist_ok)
        metrics.save_dir = str(folder)
        if results is not None:
            (folder / "predictions.json").write_text(json.dumps(results), encoding="utf-8")
        if config.plots:
            write_plots(metrics, folder)
        print(f"Results saved to {folder}")
    return metrics


def write_plots(metrics: Metrics, folder: Path) -> None:
    """Precision-recall, F1, precision and recall curves of boxes and masks, and the confusion matrix, as PNG files."""
    from seglab.drawing.plots import confusion, curves

    names = [metrics.names[class_id] for class_id in metrics.ap_class_index]
    pictures = {"confusion_matrix": confusion(metrics.confusion_matrix, list(metrics.names.values()))}
    for part, task in (("Box", metrics.box), ("Mask", metrics.seg)) if names else ():
        labels, mean = [f"{name} {ap:.3f}" for name, ap in zip(names, task.ap50)], f"all classes {task.map50:.3f}"
        pictures[f"{part}PR_curve"] = curves(
            task.px, task.prec_values, labels, "Precision and recall", "recall", "precision", mean
        )
        for label, title, table in (
            ("F1", "F1", task.f1_curve), ("P", "Precision", task.p_curve), ("R", "Recall", task.r_curve)
        ):  # fmt: skip
            pictures[f"{part}{label}_curve"] = curves(
                task.px, table, names, f"{title} and confidence", "confidence", title.lower()
            )
    for name, picture in pictures.items():
        write_image(folder / f"{name}.png", picture)
