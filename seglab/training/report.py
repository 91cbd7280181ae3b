"""What a run reports: one line on whether it helped, and its images."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from seglab.config import PredictConfig, TrainConfig
from seglab.data.augment import boxes_of
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import write_image
from seglab.drawing.plots import batch_mosaic, label_statistics, training_curves
from seglab.evaluation.metrics import Metrics
from seglab.evaluation.samples import draw_validation_batches
from seglab.evaluation.validate import write_plots
from seglab.inference.decode import decode
from seglab.model.yolo11 import YOLO11Seg
from seglab.training.rows import Row, fitness

BATCHES_DRAWN = 3
IMAGES_COUNTED = 5000  # whose labels are drawn


def describe_gain(history: list[Row], best: int, config: TrainConfig, lr: float) -> str:
    """Whether training helped, in a line; with what to change where it ended below its start.

    best: the best epoch, 0 for the start; lr: the highest learning rate. Empty where the start was not validated, or
    by other metrics.
    """
    if not history or history[0]["epoch"] != 0 or "metrics/mAP50-95(M)" not in history[0]:
        return ""
    rows = {int(row["epoch"]): row for row in history}
    start, last = rows[0], history[-1]
    if not any(map(fitness, history)):
        text = (
            "training shows no gain yet: mask and box mAP are 0.000 at the start and after every epoch; "
            "train for more epochs, or with more images"
        )
    elif best:
        text = (
            f"training helped: mask mAP {_map(rows[best], 'M')} at epoch {best}, {_map(start, 'M')} at the start; "
            f"box mAP {_map(rows[best], 'B')}, {_map(start, 'B')} at the start"
        )
    else:
        text = (
            f"training did not help: no epoch is better than the start (mask mAP {_map(start, 'M')}, "
            f"box mAP {_map(start, 'B')}), so the result is the weights it started from"
        )
    if fitness(last) >= fitness(start):
        return text

    remedies = [f"lr0={lr / 3:.1g}"]
    if not config.freeze_bn:
        remedies.append("freeze_bn=True")
    if config.freeze is None:
        remedies.append("freeze=10")
    if config.augment.mosaic > 0.2:
        remedies.append(f"mosaic={config.augment.mosaic / 2:g}")
    return f"{text}\nthe last epoch is below the start ({_map(last, 'M')}): try {', '.join(remedies)}, or more images"


def _map(row: Row, part: str) -> str:
    return f"{row[f'metrics/mAP50-95({part})']:.3f}"


def describe_weights(best: Path) -> str:
    """The last line of a run: what the files of weights are, and how to take them elsewhere."""
    return (
        f"{best.with_suffix('.pt')} has the same weights as {best.name}, as tensors and plain data: YOLO() and "
        "torch.load(weights_only=True) open both; docs/weights.md shows how to load them in ultralytics"
    )


def draw_batches(loader: DataLoader, names: dict[int, str], folder: Path) -> None:
    """Write train_batch0.jpg to train_batch2.jpg: what the network is shown."""
    for index, batch in enumerate(itertools.islice(loader, BATCHES_DRAWN)):
        write_image(folder / f"train_batch{index}.jpg", batch_mosaic(batch, names))


def draw_labels(dataset: SegmentationDataset, folder: Path) -> None:
    """Write labels.jpg: how many instances of which class the training images have, where and how large."""
    classes: list[int] = []
    boxes = []
    step = -(-len(dataset) // IMAGES_COUNTED)  # of a large dataset, images spread evenly over it
    for index in range(0, len(dataset), step):
        instances = dataset.instances(index)
        height, width = dataset.image_sizes[index]
        corners = boxes_of(instances) / (width, height, width, height)  # (N, 4)
        centers = (corners[:, :2] + corners[:, 2:]) / 2
        classes += [instance.class_id for instance in instances]
        boxes.append(np.concatenate((centers, corners[:, 2:] - corners[:, :2]), axis=1))
    image = label_statistics(np.array(classes, int), np.concatenate(boxes), list(dataset.names.values()))
    write_image(folder / "labels.jpg", image)


def draw_results(
    model: YOLO11Seg,
    validated: SegmentationDataset | None,
    metrics: Metrics,
    config: TrainConfig,
    mask_targets: str,
    folder: Path,
) -> None:
    """Write the curves of the metrics, what the model finds on validation images, and the curves of results.csv."""

    def forward(images: Tensor) -> tuple[Tensor, Tensor]:
        raw = model(images)
        return decode(raw, *images.shape[2:]), raw.prototypes

    write_plots(metrics, folder)
    if validated is not None:
        shown = PredictConfig(imgsz=config.imgsz, mask_targets=mask_targets)
        device = next(model.parameters()).device
        draw_validation_batches(forward, validated, validated.names, int(config.batch), shown, folder, device)
    write_image(folder / "results.png", training_curves(folder / "results.csv"))
