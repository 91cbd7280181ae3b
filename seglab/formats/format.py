"""What every dataset format offers: recognizing it, reading its labels image by image and, optionally, writing.

    is_here(source)            is this folder or file of the format? judged by content
    read(source, images)       -> LabelSource: class names, the images, and the labels of one image when asked for
    write(out, names, images)  one labeled image after another into a new folder or file

Rings are those of `Instance`: a solid one is read through `geometry.polygons.orient`, whatever way it was drawn. A
folder that is written holds every image at `out / labeled.name`, where the converter looks for it.

A format is one module that ends with `FORMAT = Format(...)`, and one entry in `registry.FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from seglab.formats.issues import Issue
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import Ring
from seglab.geometry.rle import rle_to_crop
from seglab.sample import Instance


@dataclass
class LabeledImage:
    """One image and the instances on it.

    file: the image, or its encoded bytes; None where there is none to use, and `issues` says why. name: what a
    conversion calls it, relative to the folder of its split, with slashes. size: (height, width) in pixels, which the
    instances refer to; where an instance has an RLE, that is its exact mask, else its rings are.
    issues: what is wrong with the image or its labels, and how many instances are lost by that.
    """

    file: Path | bytes | None
    name: str
    split: str
    size: tuple[int, int]
    instances: list[Instance] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


@dataclass(frozen=True)
class ImageEntry:
    """One image of a source, listed but not read.

    image: its file, None where it is missing or lies inside a label file; files: where its labels are read from.
    """

    image: Path | None
    split: str
    files: tuple[Path, ...]


class LabelSource(Protocol):
    """The labels of a dataset in some format: listed at once, read image by image."""

    @property
    def names(self) -> dict[int, str]:
        """Class id (0 to n-1) -> class name."""
        ...

    @property
    def entries(self) -> Sequence[ImageEntry]:
        """Every image, in the order of reading."""
        ...

    @property
    def issues(self) -> Sequence[Issue]:
        """What is worth knowing of the source as a whole, such as files in it that are no labels."""
        ...

    def load(self, entry: ImageEntry) -> LabeledImage:
        """The image of an entry with its instances. Errors: SeglabError naming a label file that is damaged."""
        ...


@dataclass(frozen=True)
class Format:
    """A dataset format. name: as in `to=name`; title: as messages say it.

    read: None where more than labels has to be found first (a YOLO dataset's YAML says where images lie): then
    `seglab.datasets` reads it. write: None for formats that are only read. Errors of all: SeglabError.
    """

    name: str
    title: str
    is_here: Callable[[Path], bool]
    read: Callable[[Path, Path | None], LabelSource] | None = None
    write: Callable[[Path, Mapping[int, str], Iterable[LabeledImage]], None] | None = None


def outline(found: Instance) -> list[Ring]:
    """The rings of an instance, traced from its exact mask where it has no others."""
    if found.rings or found.rle is None:
        return found.rings
    x0, y0, crop = rle_to_crop(found.rle)
    return mask_to_rings(crop, x0, y0)
