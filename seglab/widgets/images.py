"""The images that a tool shows: from a dataset, from files or from memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seglab.data.augment import transform_instances
from seglab.data.dataset import SegmentationDataset
from seglab.data.summary import announce_split
from seglab.datasets.load import is_dataset_name, load_dataset, recognize
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.files import YAML_SUFFIXES
from seglab.image_files import DEFAULT_READING, Reading
from seglab.inference.sources import load
from seglab.sample import Instance, Sample

MAX_SIDE = 1280  # pixels of the longest side; a larger image is scaled down to this before it is explored

ReadSample = Callable[[], Sample]


def samples(images: Any, split: str = "val", reading: Reading = DEFAULT_READING) -> list[tuple[str, ReadSample]]:
    """Names of images and what reads each.

    images: a dataset (a name such as "toybox8-seg", a YAML, a DatasetSpec), of which the images of the split come with
    their ground truth; a sample or a list of them; or anything predict takes, without ground truth. reading: which
    images may be read, and how.
    Errors: SeglabError when there is no image.
    """
    if isinstance(images, (str, Path)):
        is_yaml = Path(images).suffix in YAML_SUFFIXES
        found = None if is_yaml else recognize(Path(images))
        if found is not None:
            images = found
        elif is_yaml or is_dataset_name(str(images)):
            images = load_dataset(images)
    if isinstance(images, DatasetSpec):
        if split not in images.splits and len(images.splits) == 1:
            split = next(iter(images.splits))  # there is but one, which its line says
        dataset = SegmentationDataset(images, split, 640, reading=reading)
        announce_split(dataset, allow_empty=True)
        return [(path.name, partial(dataset.sample, index)) for index, path in enumerate(dataset.images)]

    try:
        in_memory = _as_samples(images, reading)
    except FileNotFoundError:
        if isinstance(images, (str, Path)):
            load_dataset(images)  # says what is there instead of images
        raise
    if not in_memory:
        raise SeglabError("there is no image to explore: give a dataset's name, a path, or images")
    names = [Path(sample.path).name or f"image {number}" for number, sample in enumerate(in_memory, 1)]
    return [(name, partial(_same, sample)) for name, sample in zip(names, in_memory)]


def _as_samples(images: Any, reading: Reading) -> list[Sample]:
    given = [images] if isinstance(images, Sample) else images
    if isinstance(given, (list, tuple)) and all(isinstance(item, Sample) for item in given):
        return list(given)
    return [Sample(frame.image, path=frame.path) for frame in load(images, reading=reading)]


def _same(sample: Sample) -> Sample:
    return sample


def first_sample(images: Any) -> Sample:
    """The first image of what `samples` takes."""
    _, read = samples(images)[0]
    return read()


def fit_to_screen(sample: Sample) -> tuple[np.ndarray, list[Instance]]:
    """Image and instances of a sample, scaled down together where the image is larger than MAX_SIDE."""
    height, width = sample.image.shape[:2]
    ratio = MAX_SIDE / max(height, width)
    if ratio >= 1:
        return sample.image, sample.instances
    new_width = max(1, round(width * ratio))
    new_height = max(1, round(height * ratio))
    image = cv2.resize(sample.image, (new_width, new_height), interpolation=cv2.INTER_AREA)
    matrix = np.array([[new_width / width, 0, 0], [0, new_height / height, 0]])
    return image, transform_instances(sample.instances, matrix, (new_height, new_width))
