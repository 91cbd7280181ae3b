"""Validation: run a network over a split and compare what it finds with the ground truth, image by image.

The network stands behind one signature, forward(images) -> (predictions, prototypes), so that weights in training, a
fused copy and an exported file are measured by the same code.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor

from seglab.config import PredictConfig, ValidateConfig
from seglab.data.augment import boxes_of
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import read_image, write_image
from seglab.data.loader import build_loader
from seglab.data.summary import announce_split
from seglab.datasets.spec import DatasetSpec
from seglab.device import images_to_float, one_thread
from seglab.drawing import plots
from seglab.errors import SeglabError
from seglab.evaluation import yolo
from seglab.evaluation.coco import THRESHOLDS, CocoAccumulator, Instances
from seglab.evaluation.comparison import draw_comparison
from seglab.evaluation.confusion import ConfusionMatrix, count_confusions
from seglab.evaluation.metrics import Metrics, TaskMetrics, task_metrics
from seglab.evaluation.samples import draw_validation_batches
from seglab.events import SILENT, Events
from seglab.files import atomic_write, new_run_dir
from seglab.formats.coco_writer import result_entry
from seglab.formats.yolo import raw_rows
from seglab.geometry.letterbox import Letterbox
from seglab.geometry.rle import Rle, area, crop_to_rle, rings_to_rle
from seglab.inference.masks import weighted_sums
from seglab.inference.nms import Detections, suppress
from seglab.inference.predictor import Clock, Forward, UndecodedForward, to_image_frame
from seglab.inference.results import Results
from seglab.sample import Instance
from seglab.training.distributed import ALONE, Process, broadcast_object, gather

STAGES = ("preprocess", "inference", "loss", "postprocess")  # of `Metrics.speed`; only training computes losses
CPU_BATCH = 4  # images that pass the network together on a CPU: with more, its caches overflow


class EvaluatedImage(NamedTuple):
    """One image: its ground truth (image frame), and what the network predicts for it (letterbox frame)."""

    image_id: int | str
    key: int | str  # the image in an accumulator, in the order of a file's evaluation: its id, if listed but once
    label_file: Path | None  # where the ground truth comes from one
    letterbox: Letterbox
    instances: list[Instance]  # ground truth
    detections: Detections
    prototypes: Tensor  # (32, h, w)
    mask_targets: str = "soft"  # of the network's training
    path: str = ""


@dataclass
class Validation:
    """A validation while it goes on."""

    config: ValidateConfig
    dataset: SegmentationDataset
    names: dict[int, str]
    device: torch.device
    batches: Iterable[dict]
    batch_number: int = -1
    seen: int = 0  # images
    metrics: Metrics | None = None  # in the end


class Tally:
    """What a validation has counted so far. Those of several processes join into one, in any order.

    class_count: of the model; config: says which protocol is followed, and how many detections count.
    """

    def __init__(self, class_count: int, config: ValidateConfig) -> None:
        # COCO counts 100 detections of a class and image; the YOLO protocol all that NMS leaves.
        limit = 100 if config.protocol == "coco" else config.max_det
        self.boxes = CocoAccumulator(range(class_count), "bbox", limit)
        self.masks = CocoAccumulator(range(class_count), "segm", limit)
        self.confusion_matrix = np.zeros((class_count + 1, class_count + 1), int)
        self.images = np.zeros(class_count, int)  # that show each class
        self.instances = np.zeros(class_count, int)  # of each class
        self.image_count = 0
        self.speed: dict[str, float] = defaultdict(float)  # stage -> milliseconds
        self.results: list[dict[str, Any]] = []  # COCO results, where they are asked for

    def add(self, key: int | str, ground_truth: Instances, found: Instances) -> None:
        """Count one image. key: no other image has it."""
        self.masks.add(key, ground_truth, found)
        box_areas = found.all_boxes[:, 2] * found.all_boxes[:, 3]
        self.boxes.add(key, ground_truth, found._replace(areas=box_areas))
        count_confusions(self.confusion_matrix, ground_truth, found)

        # Crowds are not instances of their class: nobody can count them.
        present = ground_truth.classes[~ground_truth.crowds]
        self.instances += np.bincount(present, minlength=len(self.instances))
        self.images[np.unique(present)] += 1
        self.image_count += 1

    def join(self, other: Tally) -> None:
        """Count what another has counted, too."""
        self.boxes.join(other.boxes)
        self.masks.join(other.masks)
        self.confusion_matrix += other.confusion_matrix
        self.images += other.images
        self.instances += other.instances
        self.image_count += other.image_count
        for stage, milliseconds in other.speed.items():
            self.speed[stage] += milliseconds
        self.results += other.results

    def metrics(self, names: dict[int, str], protocol: str) -> Metrics:
        """The metrics of all that was counted. names: class id -> name."""
        rule = None if protocol == "coco" else yolo.average_precision
        return Metrics(
            box=task_metrics(self.boxes, rule),
            seg=task_metrics(self.masks, rule),
            names=dict(names),
            images=self.images,
            instances=self.instances,
            image_count=self.image_count,
            confusion_matrix=ConfusionMatrix(self.confusion_matrix, dict(names)),
            speed={stage: self.speed[stage] / max(self.image_count, 1) for stage in STAGES},
        )


@dataclass(frozen=True)
class LoadedSplit:
    """A split of a dataset, read and ready to be validated on."""

    dataset: SegmentationDataset
    loader: Iterable[dict]


@torch.inference_mode()
def evaluated_images(
    forward: Forward | UndecodedForward,
    batches: Iterable[dict],
    dataset: SegmentationDataset,
    config: ValidateConfig,
    device: str | torch.device = "cpu",
    speed: dict[str, float] | None = None,
) -> Iterator[EvaluatedImage]:
    """Run the network over `batches` of `dataset`; adds the milliseconds of each stage to `speed`."""
    speed = defaultdict(float) if speed is None else speed
    # An image that a split lists twice counts twice, as two images.
    listed_once = len(set(dataset.images)) == len(dataset.images)
    # The YOLO protocol reads label files once more, where they are this dataset's own.
    joined = bool(dataset.spec.parts)  # label files have class ids of their own
    other_format = dataset.split in dataset.spec.annotations or dataset.spec.labels is not None
    has_label_files = not joined and not other_format and dataset.spec.selection is None
    on_cpu = torch.device(device).type == "cpu"
    clock = Clock(device)

    for batch in batches:
        samples = iter(batch["samples"])
        for images in batch["images"].split(CPU_BATCH if on_cpu else len(batch["samples"])):
            images = images_to_float(images, device)
            speed["preprocess"] += clock.lap()
            predictions, prototypes = forward(images)
            speed["inference"] += clock.lap()
            found = suppress(
                predictions,
                config.conf,
                config.iou,
                config.max_det,
                config.classes,
                config.agnostic_nms,
                multi_label=True,
                coefficients=prototypes.shape[1],
            )
            for detections, own_prototypes, sample in zip(found, prototypes, samples):
                # A network that diverges must get its zero, not end the run.
                finite_boxes = detections.boxes.nan_to_num(0.0, 0.0, 0.0)
                yield EvaluatedImage(
                    image_id=sample["image_id"],
                    key=sample["image_id"] if listed_once else sample["index"],
                    label_file=dataset.label_file(sample["index"]) if has_label_files else None,
                    letterbox=sample["letterbox"],
                    instances=sample["source"],
                    detections=detections._replace(boxes=finite_boxes),
                    prototypes=own_prototypes,
                    mask_targets=config.mask_targets,
                    path=sample["path"],
                )
            speed["postprocess"] += clock.lap()


def validate(
    forward: Forward | UndecodedForward,
    batches: Iterable[dict],
    dataset: SegmentationDataset,
    names: dict[int, str],
    config: ValidateConfig | None = None,
    process: Process = ALONE,
    results: list[dict] | None = None,
    each: Callable[[EvaluatedImage], None] | None = None,
    events: Events = SILENT,
) -> Metrics:
    """Metrics of `forward` on `batches` of `dataset` (validation items, any order).

    names: class id (0 to nc - 1) -> name; process: with the device where `forward` takes its images. Of several
    processes each has batches of its own, and all return the metrics of all images. results: when given, COCO results
    are appended to it in the first process, with the ids that the dataset has in COCO files; each: called with every
    image of this process; events: what to call on the way, with the Validation.
    """
    config = config or ValidateConfig()
    state = Validation(config, dataset, dict(names), process.device, batches)
    events.tell("on_val_start", state)
    file_names = dataset.file_names() if results is not None else {}
    native = config.protocol == "coco"
    tally = Tally(len(names), config)

    # One image at a time: its masks become run lengths and are dropped before the next one.
    for image in evaluated_images(forward, told_batches(state, events), dataset, config, process.device, tally.speed):
        # The protocols differ in the frame and the resolution that they compare in.
        if native:
            ground_truth, found = native_instances(image, every_mask=results is not None)
        else:
            ground_truth, found = quarter_instances(image)
        tally.add(image.key, ground_truth, found)
        if each is not None:
            each(image)
        # A results file has masks of the original image, whatever protocol the metrics follow.
        if results is not None:
            detections = found if native else native_instances(image, every_mask=True)[1]
            file_name = file_names[image.image_id]
            tally.results += as_results(image.image_id, file_name, detections, dataset.category_ids, names)

    first, *others = gather(process, tally)
    for other in others:
        first.join(other)
    if results is not None and process.is_main:
        results += first.results
    metrics = first.metrics(names, config.protocol) if process.is_main else None
    state.metrics = broadcast_object(process, metrics)
    events.tell("on_val_end", state)
    return state.metrics


def told_batches(state: Validation, events: Events) -> Iterator[dict]:
    """The batches of a validation, with what is called before and after each."""
    for number, batch in enumerate(state.batches):
        state.batch_number = number
        events.tell("on_val_batch_start", state)
        yield batch
        state.seen += len(batch["samples"])
        events.tell("on_val_batch_end", state)


def native_instances(image: EvaluatedImage, every_mask: bool = False) -> tuple[Instances, Instances]:
    """Ground truth and detections in the image frame at full resolution; areas are those of the masks.

    Most of three hundred detections are of a class that the image does not hold, or lie elsewhere: unless `every_mask`,
    those that cannot reach the lowest threshold with any ground truth get no mask. Only one mask at a time is held as
    pixels.
    """
    height, width = image.letterbox.image_size
    ground_truth = ground_truth_instances(image.instances, (height, width))
    classes = image.detections.classes.cpu().numpy()
    scores = image.detections.scores.cpu().numpy()
    boxes = image.letterbox.boxes_to_image(image.detections.boxes.cpu().double()).numpy()  # (N, 4) xyxy

    same_class = classes[:, None] == ground_truth.classes  # (N, G)
    shared_limits = max_shared_pixels(boxes, ground_truth) * same_class  # (N, G)
    areas: list[int] = []
    masks: list[Rle | None] = []
    sums_of_boxes = weighted_sums(image.prototypes, image.detections, image.letterbox, image.mask_targets)
    with one_thread():  # for many small products
        for limits, (x0, y0, sums) in zip(shared_limits, sums_of_boxes):
            crop = sums > 0
            pixels = int(np.count_nonzero(crop))
            needed = every_mask or (limits.any() and may_match(pixels, limits, ground_truth))
            areas.append(pixels)
            masks.append(crop_to_rle(x0, y0, crop, height, width) if needed else None)

    boxes[:, 2:] -= boxes[:, :2]  # left, top, width, height
    return ground_truth, Instances(classes, np.array(areas, np.float64), boxes, masks, scores)


def max_shared_pixels(boxes: np.ndarray, ground_truth: Instances) -> np.ndarray:
    """(N, 4) xyxy boxes that hold masks -> (N, G) how many pixels these can share with the ground truth at most."""
    corners = np.reshape(coco_mask.toBbox(ground_truth.all_masks), (-1, 4))  # not the outlines', which are smaller
    truth_low = corners[:, :2]
    truth_high = corners[:, :2] + corners[:, 2:]
    reach = boxes + (-1, -1, 1, 1)  # a pixel whose center lies in the box may stand out by half of itself
    low = np.maximum(reach[:, None, :2], truth_low)  # (N, G, 2)
    high = np.minimum(reach[:, None, 2:], truth_high)  # (N, G, 2)
    sides = (high - low).clip(0)
    return np.minimum(sides.prod(axis=2), ground_truth.areas)


def may_match(pixels: int, shared_limits: np.ndarray, ground_truth: Instances) -> bool:
    """Whether a mask of so many pixels can reach the lowest threshold with any ground truth.

    shared_limits: (G,) how many pixels it can share with each at most.
    """
    shared = np.minimum(shared_limits, pixels)
    union = np.where(ground_truth.crowds, pixels, pixels + ground_truth.areas - shared)
    return bool(((shared >= THRESHOLDS[0] * union) & (shared > 0)).any())


def ground_truth_instances(instances: Sequence[Instance], image_size: tuple[int, int]) -> Instances:
    """Instances of an image of (height, width) as COCO holds them."""
    masks = [instance.rle or rings_to_rle(instance.rings, *image_size) for instance in instances]
    boxes = boxes_of(instances)
    boxes[:, 2:] -= boxes[:, :2]  # left, top, width, height
    return Instances(
        np.array([instance.class_id for instance in instances], dtype=np.int64),
        np.array([area(mask) for mask in masks], dtype=np.float64),
        boxes,
        masks,
        crowd=np.array([instance.crowd for instance in instances], dtype=bool),
    )


def quarter_instances(image: EvaluatedImage) -> tuple[Instances, Instances]:
    """Ground truth and detections as the YOLO protocol compares them: in the letterbox, at 1/4 of its resolution."""
    counted = [instance for instance in image.instances if not instance.crowd]
    rows = raw_rows(image.label_file) if image.label_file else []
    # Without a label file, or where reading it fixed something, rows are made of the instances.
    if [class_id for class_id, _ in rows] != [instance.class_id for instance in counted]:
        rows = [yolo.outline_row(instance, image.letterbox.image_size) for instance in counted]
    ground_truth = yolo.yolo_ground_truth(rows, image.letterbox)
    return ground_truth, yolo.quarter_detections(image.prototypes, image.detections, image.letterbox.size)


def as_results(
    image_id: int | str, file_name: str, found: Instances, category_ids: Sequence[int | str], names: dict[int, str]
) -> list[dict]:
    """Detections of one image as rows of a COCO results file.

    Beside what COCO asks for, a row has what a reader needs to match it and to score it as validation does: the file
    name, the name of the category, and the mask's area, where COCO's own tool takes the box's.
    """
    rows = []
    columns = zip(found.classes.tolist(), found.all_boxes, found.all_scores, found.all_masks, found.areas)
    for class_id, box, score, mask, pixels in columns:
        about = {"file_name": file_name, "category_name": names[class_id], "mask_area": int(pixels)}
        rows.append(result_entry(image_id, category_ids[class_id], box, score, mask, **about))
    return rows


def load_split(
    spec: DatasetSpec, names: dict[int, str], config: ValidateConfig, process: Process = ALONE
) -> LoadedSplit:
    """Read the split that the config names. names: class id -> name of the model that is to be validated on it.

    process: the one that runs the network; of several, each gets batches of its own.
    Errors: SeglabError when the model's classes are not those of the data.
    """
    if len(names) != len(spec.names):
        raise SeglabError(
            f"the model has {len(names)} classes but {spec.name} has {len(spec.names)}: validate it on data with the "
            "classes it was trained on"
        )
    dataset = SegmentationDataset(
        spec,
        config.split,
        config.imgsz,
        mask_targets=None,
        strict=config.strict,
        rect=config.rect,
        reading=config.reading,
    )
    announce_split(dataset, config.allow_empty, config.verbose)
    workers = min(config.workers, len(dataset) // 100)
    on_cuda = process.device.type == "cuda"
    loader = build_loader(dataset, config.batch, workers, rank=process.rank, world=process.world, pin_memory=on_cuda)
    return LoadedSplit(dataset, loader)


def validate_dataset(
    forward: Forward | UndecodedForward,
    spec: DatasetSpec,
    names: dict[int, str],
    config: ValidateConfig,
    process: Process = ALONE,
    split: LoadedSplit | None = None,
    events: Events = SILENT,
) -> Metrics:
    """Metrics of `forward` on one split of a dataset, printed as a table; writes the files that the config asks for.

    Several processes share the images, write the files of their own, and the first one does the rest. split: what
    `load_split` gives for the same arguments, to read the data only once where it is needed again.
    Errors: SeglabError when the model's classes are not those of the data.
    """
    from tqdm.auto import tqdm

    split = split or load_split(spec, names, config, process)
    results: list[dict[str, Any]] | None = [] if config.save_json else None
    folder = None
    each = None
    if config.plots or config.save_json or config.save_txt or config.visualize:
        made = new_run_dir("val", config.project, config.name, config.exist_ok) if process.is_main else None
        folder = broadcast_object(process, made)
    if folder is not None and (config.save_txt or config.visualize):
        each = functools.partial(_write_image_files, config=config, names=spec.names, folder=folder)
    talks = config.verbose and process.is_main
    progress = tqdm(split.loader, desc="validate", unit="batch", disable=not talks)
    metrics = validate(forward, progress, split.dataset, spec.names, config, process, results, each, events)
    if folder is not None:
        metrics.save_dir = folder
    if not process.is_main:
        return metrics
    if config.verbose:
        metrics.show()
    if folder is not None:
        if results is not None:
            atomic_write(folder / "predictions.json", json.dumps(results).encode())
        if config.plots:
            write_plots(metrics, folder)
            shown = PredictConfig(imgsz=config.imgsz, mask_targets=config.mask_targets)
            draw_validation_batches(forward, split.dataset, names, config.batch, shown, folder, process.device)
        print(f"Results saved to {folder}")
    return metrics


def _write_image_files(image: EvaluatedImage, config: ValidateConfig, names: dict[int, str], folder: Path) -> None:
    """What save_txt and visualize write of one image: labels/NAME.txt, and visualizations/NAME.jpg."""
    boxes, masks = to_image_frame(image.detections, image.prototypes, image.letterbox, image.mask_targets)
    name = Path(image.path).stem
    if config.save_txt:
        nothing = np.zeros((*image.letterbox.image_size, 3), np.uint8)  # label files need no pixels
        found = Results(nothing, image.path, names, boxes, masks)
        found.save_txt(folder / "labels" / f"{name}.txt", save_conf=config.save_conf)
    if config.visualize:
        pixels = read_image(Path(image.path), config.reading)
        ground_truth = [instance for instance in image.instances if not instance.crowd]
        write_image(
            folder / "visualizations" / f"{name}.jpg",
            draw_comparison(
                pixels, ground_truth, boxes, masks, names, labels=config.show_labels, conf=config.show_conf
            ),
        )


def write_plots(metrics: Metrics, folder: Path) -> None:
    """Precision-recall, F1, precision and recall curves of boxes and masks, and the confusion matrix, as PNG files."""
    if metrics.confusion_matrix is not None:
        for normalize in (True, False):
            metrics.confusion_matrix.plot(normalize, folder)
    names = [metrics.names[class_id] for class_id in metrics.ap_class_index]
    if names:
        _write_curves(metrics.box, names, folder, "Box")
        _write_curves(metrics.seg, names, folder, "Mask")


def _write_curves(task: TaskMetrics, names: list[str], folder: Path, part: str) -> None:
    """The four plots of boxes or masks, one line per class."""
    labels = [f"{name} {ap:.3f}" for name, ap in zip(names, task.ap50)]
    mean = f"all classes {task.map50:.3f}"
    image = plots.curves(task.px, task.prec_values, labels, "Precision and recall", "recall", "precision", mean)
    write_image(folder / f"{part}PR_curve.png", image)
    for file, title, table in (
        ("F1", "F1", task.f1_curve),
        ("P", "Precision", task.p_curve),
        ("R", "Recall", task.r_curve),
    ):
        image = plots.curves(task.px, table, names, f"{title} and confidence", "confidence", title.lower())
        write_image(folder / f"{part}{file}_curve.png", image)
