"""Instance-mask PNGs: one mask per image, in which every value or color except 0 is one instance.

    masks/cat.png           the class is "object"             images/cat.jpg
    masks/cell/a.png        the subfolder names the class     images/a.jpg

The reading of mask images here serves Pascal-VOC too (`seglab.formats.voc`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seglab.errors import SeglabError
from seglab.files import real_files
from seglab.formats.format import Format, ImageEntry, LabelledImage, images_by_stem
from seglab.formats.issues import Issue, left_out
from seglab.geometry.rle import crop_to_rle
from seglab.sample import Instance

ONE_CLASS = "object"  # what masks without a subfolder are called


def is_here(source: Path) -> bool:
    """Whether this is a folder of PNG files, or one that has a folder `masks` of them."""
    return source.is_dir() and next(real_files(source.rglob("*.png")), None) is not None


def read(source: Path, images: Path | None = None) -> MasksSource:
    """The labels of a folder of mask PNGs. images: the folder of their images; else `images` inside or beside it.

    Errors: SeglabError where that folder is not found.
    """
    masks = source / "masks" if (source / "masks").is_dir() else source
    usual = [masks.parent / "images", masks / "images"]
    folder = images or next((place for place in usual if place.is_dir()), None)
    if folder is None:
        raise SeglabError(
            f"{source} holds PNG masks, but there is no folder {usual[0]} with their images: "
            f"put the images there, or run `seglab convert source={source} images=FOLDER out=NEW`"
        )
    return MasksSource(masks, folder)


class MasksSource:
    """Mask PNGs, listed by the image that they belong to."""

    issues: tuple[Issue, ...] = ()

    def __init__(self, masks: Path, images: Path):
        files = [file for file in sorted(real_files(masks.rglob("*.png"))) if not file.is_relative_to(images)]
        self._class_name = {file: "/".join(file.relative_to(masks).parts[:-1]) or ONE_CLASS for file in files}
        self.names = dict(enumerate(sorted(set(self._class_name.values()))))
        self._class_of = {name: class_id for class_id, name in self.names.items()}
        by_stem: dict[str, list[Path]] = defaultdict(list)
        for file in files:
            by_stem[file.stem].append(file)
        found = images_by_stem(images)
        self.entries = [ImageEntry(found.get(stem), "train", tuple(own)) for stem, own in by_stem.items()]

    def load(self, entry: ImageEntry) -> LabelledImage:
        instances: list[Instance] = []
        issues: list[Issue] = []
        size: tuple[int, int] | None = None
        for file in entry.files:
            ids = read_ids(file)
            height, width = ids.shape
            size = size or (height, width)
            regions = list(regions_of(ids))
            if (height, width) != size:
                issues.append(left_out(str(file), two_sizes((height, width), size), len(regions)))
                continue
            class_id = self._class_of[self._class_name[file]]
            instances += [Instance(class_id, [], rle=crop_to_rle(x0, y0, crop, *size)) for _, x0, y0, crop in regions]
        assert size is not None, "an entry has at least one file"
        return with_image(entry, size, instances, issues)


def with_image(
    entry: ImageEntry, size: tuple[int, int], instances: list[Instance], issues: list[Issue]
) -> LabelledImage:
    """The image of an entry with the instances that its masks show, or an issue that it is missing."""
    if entry.image is None:
        stem = entry.files[0].stem
        message = "missing image: no image of that name"
        issues = [*issues, left_out(f"mask {stem}.png", message, len(instances))]
        return LabelledImage(None, stem, entry.split, size, [], issues)
    return LabelledImage(entry.image, entry.image.name, entry.split, size, instances, issues)


def two_sizes(size: tuple[int, int], first: tuple[int, int]) -> str:
    (height, width), (first_height, first_width) = size, first
    return f"masks of two sizes for one image: {width} x {height} beside {first_width} x {first_height}"


def read_ids(file: Path) -> np.ndarray:
    """A mask PNG as (h, w) int32: palette index, gray value of 8 or 16 bits, or the color packed into a number.

    Errors: SeglabError naming a file that is no image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            pixels = np.array(image.convert("RGB") if image.mode in ("RGBA", "CMYK") else image)
    except (OSError, UnidentifiedImageError) as error:
        raise SeglabError(f"{file} cannot be read as a mask ({error}): replace or remove it") from error
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        pixels = pixels[..., 0]  # gray with alpha
    return packed(pixels) if pixels.ndim == 3 else pixels.astype(np.int32)


def packed(color: np.ndarray) -> np.ndarray:
    """(..., 3) RGB -> (...) int32, one number a color."""
    return np.asarray(color, dtype=np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)


def regions_of(ids: np.ndarray) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """Every value of an (h, w) array but 0: (value, x0, y0, bool crop of its bounding box). See `plain_regions`."""
    flat = ids.ravel()
    order = np.argsort(flat, kind="stable")  # pixels of one value stand together: one pass over the image for all
    values, starts = np.unique(flat[order], return_index=True)
    for value, pixels in zip(values.tolist(), np.split(order, starts[1:])):
        if not value:
            continue
        rows, columns = np.divmod(pixels, ids.shape[1])
        top, left = rows.min(), columns.min()
        crop = np.zeros((rows.max() - top + 1, columns.max() - left + 1), dtype=bool)
        crop[rows - top, columns - left] = True
        yield value, int(left), int(top), crop


def plain_regions(ids: np.ndarray) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """What `regions_of` gives, by one look over the image for every value."""
    for value in np.unique(ids[ids != 0]).tolist():
        mask = ids == value
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        yield value, left, top, mask[top : rows[-1] + 1, left : columns[-1] + 1]


FORMAT = Format("masks", "instance-mask PNGs", is_here, read)
