"""Cityscapes: a mask image of 16 bits an image, whose values are class and number of every instance.

    leftImg8bit/train/aachen/aachen_0_leftImg8bit.png         the images
    gtFine/train/aachen/aachen_0_gtFine_instanceIds.png       26003 is instance 3 of class 26, a car

Where a list of colors lies beside (label_colors.txt, as CVAT writes it), its rows are the classes, by their places.
Values below 1000 are regions that are no instances (road, sky); of the classes with instances they are groups that
nobody separated, which become crowds. https://www.cityscapes-dataset.com, and the labels of its scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from seglab.files import files_below, real_files
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_search import search_from, split_of
from seglab.formats.issues import Issue
from seglab.formats.mask_pixels import read_ids, regions_of
from seglab.formats.masks import BACKGROUNDS, palette_rows, with_image
from seglab.geometry.rle import crop_to_rle
from seglab.sample import Instance

# The classes that are evaluated by instance, by the number that they have in masks.
NAMES = {24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}
COLORS = "label_colors.txt"
FIRST_INSTANCE = 1000  # values from here on are class * 1000 + number
_MASK = re.compile(r"_gt(Fine|Coarse)_instanceIds$")
_IMAGE = "_leftImg8bit"


def is_here(source: Path) -> bool:
    """Whether this is a folder with masks of instances under Cityscapes' names."""
    return source.is_dir() and next(_masks(source), None) is not None


def _masks(source: Path) -> Iterator[Path]:
    return (file for file in real_files(files_below(source)) if file.suffix == ".png" and _MASK.search(file.stem))


def read(source: Path, images: Path | None = None) -> CityscapesSource:
    """The labels of a folder with gtFine or gtCoarse. images: the folder of the images, else leftImg8bit beside it."""
    return CityscapesSource(source, images)


def _numbers_beside(source: Path) -> dict[int, str]:
    """Number -> class of a list of colors in the folder or above it; {} where there is none."""
    for folder in (source, source.parent):
        if (folder / COLORS).is_file():
            rows = enumerate(palette_rows(folder / COLORS))
            return {number: name for number, (name, _) in rows if name.lower() not in BACKGROUNDS}
    return {}


class CityscapesSource:
    """Cityscapes' masks of instances; splits are told by the names of their folders."""

    def __init__(self, source: Path, images: Path | None):
        numbers = _numbers_beside(source) or NAMES
        self.names = dict(enumerate(numbers.values()))
        self._class_of = {number: class_id for class_id, number in enumerate(numbers)}
        beside = source.parent / "leftImg8bit"
        self._search = search_from(source, images or (beside if beside.is_dir() else None))
        self.entries: list[ImageEntry] = []
        for file in sorted(_masks(source)):
            stem = _MASK.sub("", file.stem)
            image = self._search.find_stem(stem + _IMAGE) or self._search.find_stem(stem)
            split = split_of(file.relative_to(source).parts[:-1])
            self.entries.append(ImageEntry(image, split, (file,)))

    @property
    def issues(self) -> list[Issue]:
        return self._search.issues()

    def load(self, entry: ImageEntry) -> LabeledImage:
        (file,) = entry.files
        ids = read_ids(file)
        height, width = ids.shape
        instances = []
        for value, x0, y0, crop in regions_of(ids, file):
            is_group = value < FIRST_INSTANCE
            class_id = self._class_of.get(value if is_group else value // FIRST_INSTANCE)
            if class_id is not None:
                rle = crop_to_rle(x0, y0, crop, height, width)
                instances.append(Instance(class_id, [], crowd=is_group, rle=rle))
        return with_image(entry, (height, width), instances, [])


FORMAT = Format("cityscapes", "Cityscapes masks", is_here, read)
