"""COCO instances JSON read directly: polygons, RLE compressed or not, and crowd regions."""

from __future__ import annotations

import functools
import json
import unicodedata
from collections import defaultdict
from math import isfinite
from pathlib import Path, PurePosixPath

import numpy as np

from seglab.errors import SeglabError
from seglab.formats.issues import Issue, merged_issue
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import Ring, bounding_box, clip_rings, orient
from seglab.geometry.rle import compress, rle_to_crop
from seglab.sample import Instance
from seglab.wording import pluralize

BORDER = 1.0  # COCO's own polygons reach this many pixels outside their images
LEFT_OUT = "annotation left out"


class CocoFile:
    """One JSON, indexed by image; objects are built when asked for.

    names: class id (0 to n-1) -> category name, in the order of the sorted category ids (which have gaps in COCO);
    category_ids: class id -> category id; images: file name -> the first of the JSON's entries of it, sorted.
    Errors: SeglabError when the file is no COCO instances JSON.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            content = json.loads(self.path.read_bytes())
            categories = sorted(content["categories"], key=lambda category: category["id"])
            images = {file_name(image).as_posix(): image for image in reversed(content["images"])}
            self.images = dict(sorted(images.items()))
            self._by_name = {_composed(name): image for name, image in self.images.items()}
            self._listed = {image["id"] for image in self.images.values()}
            self.category_ids = [category["id"] for category in categories]
            self.names = {class_id: str(category["name"]) for class_id, category in enumerate(categories)}
            self._class_of = {category_id: class_id for class_id, category_id in enumerate(self.category_ids)}
            self.annotations = defaultdict(list)
            for annotation in content["annotations"]:
                self.annotations[annotation["image_id"]].append(annotation)
        except (ValueError, KeyError, TypeError) as error:
            raise SeglabError(
                f"{path} is no COCO instances JSON ({type(error).__name__}: {error}): "
                "it needs images, annotations and categories"
            ) from error

    def entry(self, image: Path) -> dict | None:
        """What the JSON says of an image file: the entry with the longest file name that its path ends with."""
        name = _composed(image.as_posix())
        while name not in self._by_name and "/" in name:
            name = name.partition("/")[2]
        return self._by_name.get(name)

    def instances(self, image: dict, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        """The objects of an entry, whose file has the `size` (height, width), and the problems found on the way.

        Rings are in pixels of the image; crowds are included.
        """
        instances, problems = [], []
        for annotation in self.annotations.get(image["id"], ()):
            found, faults = self._object(annotation, *size)
            where = f"{self.path} image {image['file_name']} annotation {annotation.get('id', '?')}"
            if faults:
                problems.append(merged_issue(where, 0, faults, found is not None))
            if found is not None:
                instances.append(found)
        return instances, problems

    def unplaced(self) -> list[Issue]:
        """Annotations of images that the JSON does not list, or lists under a file name that another has already."""
        unknown = {key: pluralize(len(rows), "annotation") for key, rows in self.annotations.items()}
        return [
            Issue(str(self.path), 0, f"unknown image: {count} of image id {image_id}", LEFT_OUT)
            for image_id, count in unknown.items()
            if image_id not in self._listed
        ]

    def _object(self, annotation: dict, height: int, width: int) -> tuple[Instance | None, list[tuple[str, str]]]:
        category = annotation.get("category_id")
        class_id = self._class_of.get(category) if isinstance(category, (int, float, str)) else None
        if class_id is None:
            return None, [(f"unknown category: id {category} is not in the JSON", LEFT_OUT)]
        shape, crowd = annotation.get("segmentation"), is_crowd(annotation)
        if isinstance(shape, dict):
            return self._object_from_rle(class_id, shape, crowd, height, width)
        rings, faults = polygons(shape)
        rings = list(map(orient, rings))
        if rings:
            left, top, right, bottom = bounding_box(rings)
            if min(left, top) < -BORDER or right > width + BORDER or bottom > height + BORDER:
                faults.append(("reaches outside the image", "cut at the border"))
                rings = clip_rings(rings, width, height)
        if not rings:
            return None, [*faults, ("no outline: the segmentation is empty", LEFT_OUT)]
        return Instance(class_id, rings, crowd), faults

    def _object_from_rle(self, class_id, rle, crowd, height, width) -> tuple[Instance | None, list[tuple[str, str]]]:
        try:
            if list(rle["size"]) != [height, width]:
                raise ValueError(f"its size is {rle['size']}, the image's [{height}, {width}]")
            rle = compress(rle)
            x0, y0, crop = rle_to_crop(rle)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            return None, [(f"a mask that cannot be read: {error}", LEFT_OUT)]
        if not crop.size:
            return None, [("an empty mask", LEFT_OUT)]
        return Instance(class_id, mask_to_rings(crop, x0, y0), crowd, rle), []


def file_name(image: dict) -> PurePosixPath:
    """The path of an image entry; halves of surrogate pairs, which JSON can hold, are in no file's name."""
    return PurePosixPath(str(image["file_name"]).replace("\\", "/").encode(errors="replace").decode())


def _composed(name: str) -> str:
    """A name in one spelling: Mac disks may say u and two dots where a JSON says ü."""
    return unicodedata.normalize("NFC", name)


def polygons(segmentation: object) -> tuple[list[Ring], list[tuple[str, str]]]:
    """The rings of a segmentation that is no RLE, turning either way, and [(what is wrong, what was done)]."""
    rings, faults = [], []
    for part in segmentation if isinstance(segmentation, list) else ():
        try:
            numbers = np.array(part, dtype=np.float64).ravel()
        except (OverflowError, TypeError, ValueError):
            numbers = np.zeros(0)
        points = numbers[: numbers.size // 2 * 2].reshape(-1, 2)
        x, y = points.T.tolist()
        if len(x) < 3 or not isfinite(sum(x) + sum(y)) or min(x) == max(x) or min(y) == max(y):
            faults.append(("no polygon: a part with too few points, no finite ones, or no area", "that part left out"))
            continue
        if numbers.size % 2:  # COCO's own tool reads it without the last number too
            faults.append(("an x without its y: a polygon has an odd count of coordinates", "last number left out"))
        rings.append(points)
    return rings, faults


def is_crowd(annotation: dict) -> bool:
    """What a COCO annotation's `iscrowd` means; some tools write it as text, where "0" is true to Python."""
    said = annotation.get("iscrowd")
    return said.strip().lower() not in ("", "0", "0.0", "false") if isinstance(said, str) else bool(said)


def read_coco(path: str | Path) -> CocoFile:
    """The index of a COCO JSON; the same one again as long as the file does not change."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: give the path of a COCO instances JSON")
    return _read(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _read(path: Path, modified: int) -> CocoFile:
    return CocoFile(path)
