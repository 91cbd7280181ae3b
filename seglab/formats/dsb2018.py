"""The layout of the 2018 Data Science Bowl: a folder per image, and in it one mask image per instance.

    stage1_train/00ae65c1/images/00ae65c1.png     the image
    stage1_train/00ae65c1/masks/07a9bf1d.png      white on one instance, black elsewhere

All instances are of the class "object". Folders of them called train, val or test are splits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from seglab.data.image import image_size
from seglab.files import IMAGE_SUFFIXES, is_system_folder, real_files
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_search import split_of
from seglab.formats.issues import Issue, left_out
from seglab.formats.mask_pixels import read_ids
from seglab.formats.masks import ONE_CLASS, two_sizes
from seglab.formats.shapes import painted
from seglab.sample import Instance

STAGE = re.compile(r"^stage\d_")  # before the name of a split, as in stage1_train
IMAGES = ("images", "image")
MASKS = ("masks", "mask")
DEPTH = 3  # folders below the source in which those of images are looked for


def is_here(source: Path) -> bool:
    """Whether this is a folder of such folders, or one of them."""
    return source.is_dir() and next(_folders(source), None) is not None


def _folders(source: Path) -> Iterator[Path]:
    """The folders that have one image in `images` and its instances in `masks`."""
    for current, subfolders, _ in os.walk(source, followlinks=True):
        folder = Path(current)
        subfolders[:] = sorted(name for name in subfolders if not is_system_folder(name))
        if len(folder.relative_to(source).parts) >= DEPTH:
            subfolders.clear()
        if _inside(folder, MASKS) and _inside(folder, IMAGES):
            subfolders.clear()
            if _is_one(folder):
                yield folder


def _inside(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The folder in a folder that has one of some names."""
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _is_one(folder: Path) -> bool:
    """Whether a folder is of one image. A mask that is called after the image is read by `seglab.formats.masks`."""
    images, masks = _images(_inside(folder, IMAGES)), _images(_inside(folder, MASKS))
    if len(images) != 1:
        return False
    # An image without instances has an empty folder of masks.
    return folder.name == images[0].stem or (
        masks != [] and not any(mask.stem.startswith(images[0].stem) for mask in masks)
    )


def _images(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    return sorted(file for file in real_files(folder.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES)


def read(source: Path, images: Path | None = None) -> DsbSource:
    """The labels of a folder of such folders; every image lies in its own, so that `images` says nothing."""
    return DsbSource(source)


class DsbSource:
    """Folders of one image each."""

    issues: tuple[Issue, ...] = ()

    def __init__(self, source: Path):
        self.names = {0: ONE_CLASS}
        self.entries = []
        for folder in _folders(source):
            (image,) = _images(_inside(folder, IMAGES))
            split = split_of(STAGE.sub("", part) for part in folder.relative_to(source).parts[:-1])
            self.entries.append(ImageEntry(image, split, tuple(_images(_inside(folder, MASKS)))))

    def load(self, entry: ImageEntry) -> LabeledImage:
        instances: list[Instance] = []
        issues: list[Issue] = []
        image = entry.image
        assert image is not None, "a folder has an image"
        size = image_size(image)
        for file in entry.files:
            values = read_ids(file)
            height, width = values.shape
            # What a scaled mask has of gray along its edge is half inside.
            mask = values > values.max() // 2
            if (height, width) != size:
                issues.append(left_out(str(file), two_sizes((height, width), size)))
            elif not mask.any():
                issues.append(left_out(str(file), "no area: a mask without a pixel"))
            else:
                instances.append(Instance(0, [], rle=painted(0, 0, mask, size)))
        return LabeledImage(image, f"{image.parents[1].name}{image.suffix}", entry.split, size, instances, issues)


FORMAT = Format("dsb2018", "folders with one mask per instance", is_here, read)
