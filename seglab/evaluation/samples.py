"""The first validation images as they are labeled, and as a network sees them: two sheets a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seglab.config import PredictConfig
from seglab.data.augment import boxes_of
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import write_image
from seglab.drawing.overlays import draw_instances
from seglab.drawing.plots import MAX_BATCH_IMAGES, contact_sheet
from seglab.geometry.raster import fill
from seglab.inference.predictor import Forward, UndecodedForward, predict
from seglab.sample import Sample

BATCHES_DRAWN = 3


def draw_validation_batches(
    forward: Forward | UndecodedForward,
    dataset: SegmentationDataset,
    names: dict[int, str],
    batch: int,
    config: PredictConfig,
    folder: Path,
    device: str | object = "cpu",
) -> None:
    """Write val_batch0_labels.jpg and val_batch0_pred.jpg into `folder`, and those of the next two batches.

    names: of the classes that `forward` finds; batch: images to a sheet, at most MAX_BATCH_IMAGES.
    """
    size = min(batch, MAX_BATCH_IMAGES)
    for number in range(BATCHES_DRAWN):
        indexes = range(number * size, min((number + 1) * size, len(dataset)))
        if not indexes:
            return
        samples = [dataset.sample(index) for index in indexes]
        titles = [Path(str(dataset.images[index])).name for index in indexes]
        labeled = [labeled_image(sample, dataset.names) for sample in samples]
        write_image(folder / f"val_batch{number}_labels.jpg", contact_sheet(labeled, titles))
        images = [sample.image[..., ::-1] for sample in samples]  # BGR, as arrays are taken
        found = predict(forward, images, config, names, str(device))
        write_image(folder / f"val_batch{number}_pred.jpg", contact_sheet([r.plot()[..., ::-1] for r in found], titles))


def labeled_image(sample: Sample, names: dict[int, str] | Sequence[str]) -> np.ndarray:
    """The image of a sample with its ground truth drawn on -> (H, W, 3) uint8 RGB."""
    height, width = sample.image.shape[:2]
    instances = [instance for instance in sample.instances if instance.rings]
    return draw_instances(
        sample.image,
        [instance.class_id for instance in instances],
        boxes=boxes_of(instances),
        crops=[(0, 0, fill(instance.rings, height, width)) for instance in instances],
        rings=[instance.rings for instance in instances],
        labels=[names[instance.class_id] for instance in instances],
    )
