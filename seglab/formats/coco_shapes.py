"""What an annotation of a COCO JSON says: its class, its shape in whatever form a tool has written it, its crowd flag.

One reading serves training, conversion and evaluation. A segmentation is a list of parts, all solid:

    [[x, y, x, y, ...], ...]                    polygons, as COCO has them
    [x, y, x, y, ...]                           one polygon, its numbers as numbers or as text
    [[x, y], [x, y], ...]                       one polygon, point by point
    [{"x": x, "y": y}, ...]                     the same, the points as dicts
    {"size": [h, w], "counts": ...}             a mask: RLE, its counts a string or a list
    [{"size": ..., "counts": ...}, [x, y, ...]] masks in a list, and mixed with polygons
    "[[x, y, x, y, ...]]"                       any of these as JSON in a text
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

import numpy as np
from pycocotools import mask as coco_mask

from seglab.formats.issues import PART_LEFT_OUT, Fault
from seglab.geometry.orientation import SWAPPING, turn_pixels, turn_points
from seglab.geometry.polygons import Ring, bounding_box, on_one_line, orient
from seglab.geometry.rle import FAR, Rle, compress, decode, encode, merge, packed_areas, rings_to_rle
from seglab.sizes import Size

BORDER = 1.0  # COCO's own polygons reach this many pixels outside their images
LEFT_OUT = "annotation left out"
_BYTES_AS_TEXT = ("b'", 'b"')


# The frame that the shapes of an image are in


@dataclass(frozen=True)
class Frame:
    """The frame of an image's annotations. size: (height, width) of the upright image file.

    orientation: the EXIF orientation that the annotations still lack, since they were drawn on the pixels as stored;
    swapped: the JSON gives the width as height without that, so shapes have to show that they fit the file.
    """

    size: Size
    orientation: int = 1
    swapped: bool = False

    @property
    def drawn_size(self) -> Size:
        """(height, width) of the image that the annotations were drawn on."""
        height, width = self.size
        return (width, height) if self.orientation in SWAPPING else (height, width)


def stated_size(entry: dict) -> Size | None:
    """(height, width) that an image entry of a JSON states, as numbers or as text; None where it states none."""
    sides: list[int] = []
    for key in ("height", "width"):
        try:
            side = float(entry.get(key) or 0)
        except (OverflowError, TypeError, ValueError):
            return None
        if not (isfinite(side) and side >= 1 and side % 1 == 0):
            return None
        sides.append(int(side))
    return sides[0], sides[1]


def frame_of(stated: Size | None, size: Size, orientation: int) -> Frame | None:
    """The frame of annotations whose JSON states a size, of a file of `size` and EXIF `orientation`; None: no one can
    say, as it is a size of another image."""
    if stated is None or stated == size:
        return Frame(size)
    if stated != size[::-1]:
        return None
    return Frame(size, orientation) if orientation in SWAPPING else Frame(size, swapped=True)


def frame_fault(frame: Frame, where: str = "JSON") -> Fault | None:
    """What is worth saying of a frame, once for an image: (what, what was done). where: what states the size."""
    height, width = frame.size
    if frame.orientation != 1:
        message = (
            f"EXIF not applied by the labeling tool: the {where} says {height} x {width}, the pixels as stored, but "
            f"EXIF orientation {frame.orientation} turns the image to {width} x {height}"
        )
        return message, "instances turned with the image"
    if frame.swapped:
        message = (
            f"width and height swapped in the JSON: it says {height} x {width}, the file has {width} x {height} and "
            "no EXIF orientation that would turn it"
        )
        return message, "the file's size used"
    return None


# An annotation


class ClassOf(Protocol):
    """Category id -> class id."""

    def get(self, number: object, /) -> int | None: ...


@dataclass
class Annotation:
    """One annotation as the file has it.

    rings: solid whichever way they turn, in pixels, not cut at the border; rle: its mask, or None.
    """

    class_id: int
    rings: list[Ring]
    rle: Rle | None
    crowd: bool


def read_annotation(row: dict, class_of: ClassOf, frame: Frame) -> tuple[Annotation | None, list[Fault]]:
    """An annotation of an image -> (what it says in the frame of the upright image, or None; what is wrong with it)."""
    category = row.get("category_id")
    class_id = class_of.get(category)
    if class_id is None:
        return None, [(f"unknown category: id {category} is not in the JSON", LEFT_OUT)]
    rings, masks, faults = read_shape(row.get("segmentation"), frame.drawn_size)
    if not rings and not masks:
        has_reason = bool(faults) and faults[-1][1] == LEFT_OUT
        return None, faults if has_reason else [*faults, (_no_outline(row), LEFT_OUT)]
    if frame.swapped and not _fits(rings, frame.size):
        return None, [*faults, ("outside the image, whose width and height the JSON swaps", LEFT_OUT)]
    if rings and not masks and _in_fractions(rings, frame.size):
        message = "smaller than a pixel: coordinates from 0 to 1 are fractions of the size, but COCO uses pixels"
        return None, [*faults, (f"{message}; multiply x by the width and y by the height", LEFT_OUT)]
    rle = _union(rings, masks, frame.drawn_size) if masks else None
    found = Annotation(class_id, [] if rle else rings, rle, is_crowd(row))
    return _turned(found, frame), faults


def _no_outline(row: dict) -> str:
    if row.get("bbox"):
        return (
            "no outline: the segmentation is empty, and a box alone is not a mask; draw outlines in your labeling tool"
        )
    return "no outline: the segmentation is empty"


def _fits(rings: list[Ring], size: Size) -> bool:
    if not rings:
        return True
    left, top, right, bottom = bounding_box(rings)
    height, width = size
    return min(left, top) >= -BORDER and right <= width + BORDER and bottom <= height + BORDER


def _in_fractions(rings: list[Ring], size: Size) -> bool:
    """Whether an outline lies within the first pixel of a larger image, as one in fractions of its size does."""
    left, top, right, bottom = bounding_box(rings)
    return min(left, top) >= 0 and max(right, bottom) <= 1 and min(size) > 2


def _union(rings: list[Ring], masks: list[Rle], size: Size) -> Rle:
    drawn = [rings_to_rle(list(map(orient, rings)), *size)] if rings else []
    every = [*masks, *drawn]
    return every[0] if len(every) == 1 else merge(every)


def _turned(found: Annotation, frame: Frame) -> Annotation:
    """An annotation that was drawn on the pixels as stored, in the frame of the upright image."""
    if frame.orientation == 1:
        return found
    if found.rle is not None:
        found.rle = encode(turn_pixels(decode(found.rle), frame.orientation))
    found.rings = [turn_points(ring, frame.orientation, frame.size) for ring in found.rings]
    return found


def finite_numbers(rows: Sequence[dict], key: str, width: int = 0) -> np.ndarray:
    """What rows of a JSON have under a key, numbers or as text: (N,) float64, or (N, width) of lists.

    Errors: KeyError for a row without it; ValueError where anything else stands there.
    """
    values = [row[key] for row in rows]
    shape = (len(rows), width) if width else (len(rows),)
    try:
        numbers = np.array(values, dtype=np.float64)
        is_whole = not values or (numbers.shape == shape and bool(np.isfinite(numbers).all()))
    except (OverflowError, TypeError, ValueError):
        is_whole = False
    if not is_whole:
        wanted = f"a list of {width} finite numbers" if width else "a finite number"
        raise ValueError(f"its {key} is not {wanted}")
    return numbers.reshape(shape)


def is_crowd(row: dict) -> bool:
    """What an annotation's `iscrowd` means; some tools write it as text, where "0" is true to Python."""
    said = row.get("iscrowd")
    return said.strip().lower() not in ("", "0", "0.0", "false") if isinstance(said, str) else bool(said)


# The forms of a segmentation


def read_shape(segmentation: object, size: Size) -> tuple[list[Ring], list[Rle], list[Fault]]:
    """The polygons and the masks of a segmentation of an image of `size` (height, width), and what is wrong with it.

    Rings are (n, 2) float64 xy in pixels and turn either way. All are parts of one instance.
    """
    rings: list[Ring] = []
    masks: list[Rle] = []
    faults: list[Fault] = []
    parts = parts_of(segmentation)
    for part in parts:
        left_out = PART_LEFT_OUT if len(parts) > 1 else LEFT_OUT
        try:
            if is_mask(part):
                masks.append(read_rle(part, size))
                continue
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            faults.append((f"a mask that cannot be read: {error}", left_out))
            continue
        numbers = _numbers(part)
        points = numbers[: numbers.size // 2 * 2].reshape(-1, 2)
        if reason := _no_polygon(points):
            faults.append((f"no polygon: {reason}", left_out))
            continue
        if numbers.size % 2:  # COCO's own tool reads it without the last number too
            faults.append(("an x without its y: a polygon has an odd count of coordinates", "last number left out"))
        rings.append(points)
    return rings, masks, faults


def parts_of(segmentation: object) -> list[Any]:
    """The parts of a segmentation, each a mask {"size", "counts"} or the numbers of one polygon in some form."""
    if isinstance(segmentation, str):
        try:
            segmentation = json.loads(segmentation)
        except (ValueError, RecursionError):
            return []
    if isinstance(segmentation, dict):
        return [segmentation]
    if not isinstance(segmentation, list) or not segmentation:
        return []
    first = segmentation[0]
    if isinstance(first, list) and len(first) > 2:  # most files are like this
        return segmentation
    if all(map(_is_number, segmentation)) or all(map(_is_point, segmentation)):
        return [segmentation]
    return segmentation


def is_mask(part: object) -> bool:
    """Whether a part of a segmentation is an RLE, as whole as it may be."""
    return isinstance(part, dict) and ("counts" in part or "size" in part)


def _is_number(value: object) -> bool:
    if not isinstance(value, str):
        return isinstance(value, (int, float))
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_point(value: object) -> bool:
    if isinstance(value, dict):
        return "x" in value and "y" in value
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _numbers(part: object) -> np.ndarray:
    """The numbers (n,) x y x y ... of one polygon in any of its forms; none where it has none of them."""
    try:
        if isinstance(part, dict):  # of all x and all y
            return np.array([part["x"], part["y"]], dtype=np.float64).T.ravel()
        if isinstance(part, list) and part and isinstance(part[0], dict):
            return np.array([(point["x"], point["y"]) for point in part], dtype=np.float64).ravel()
        return np.array(part, dtype=np.float64).ravel()
    except (KeyError, OverflowError, TypeError, ValueError):
        return np.zeros(0)


def _no_polygon(points: np.ndarray) -> str:
    """Why some points (n, 2) enclose nothing, or ""."""
    if len(points) < 3:
        return f"a part with too few points, {len(points)} where an outline has at least 3"
    if not np.isfinite(points).all():
        return "a part with coordinates that are not finite numbers"
    if on_one_line(points):
        return "a part with no area"
    return ""


def read_rle(shape: dict, size: Size) -> Rle:
    """A mask of a JSON, compressed. Errors: KeyError, TypeError, ValueError for one that is damaged, or of another
    size than (height, width)."""
    if tuple(map(int, shape["size"])) != size:
        raise ValueError(f"its mask has the size {list(shape['size'])}, but the image {list(size)}")
    _refuse_bytes_as_text(shape["counts"])
    return compress({"size": list(size), "counts": shape["counts"]})


def _refuse_bytes_as_text(counts: object) -> None:
    if isinstance(counts, str) and counts.startswith(_BYTES_AS_TEXT):
        raise ValueError(
            "its RLE counts are Python bytes printed as text, b'...': write counts.decode() into the JSON instead"
        )


# Drawing, for evaluation


def draw_rows(rows: list[dict], size: Size) -> tuple[list[dict], np.ndarray]:
    """Masks and areas (N,) of rows of a COCO file of one image of `size` (height, width), polygons and boxes drawn.

    Errors: ValueError and TypeError for a shape that cannot be drawn, and for an RLE that is damaged.
    """
    masks: list[Rle] = []
    areas = np.zeros(len(rows))
    strings: dict[int, str] = {}  # packed counts, whose areas are taken all at once
    for place, row in enumerate(rows):
        shape = row.get("segmentation")
        if shape == []:
            raise ValueError("its segmentation is empty: give it an outline")
        if shape is None:
            x, y, w, h = finite_numbers([row], "bbox", 4)[0].tolist()
            shape = [[x, y, x, y + h, x + w, y + h, x + w, y]]
        if isinstance(shape, dict) and isinstance(shape.get("counts"), str) and tuple(shape["size"]) == size:
            _refuse_bytes_as_text(shape["counts"])
            strings[place] = shape["counts"]
            masks.append(shape)
            continue
        mask = _drawn(shape, size)
        areas[place] = coco_mask.area(mask)
        masks.append(mask)
    areas[list(strings)] = packed_areas(list(strings.values()), size[0] * size[1])
    return masks, areas


def _drawn(segmentation: object, size: Size) -> Rle:
    """The mask of a segmentation as COCO's own tool draws it. Errors: as `draw_rows`."""
    drawn: list[Rle] = []
    polygons: list[list[float]] = []
    for part in parts_of(segmentation):
        if is_mask(part):
            drawn.append(read_rle(part, size))
        else:
            polygons.append(_drawable(part))
    # COCO's tool takes four numbers for a box if they come first, and a line of no pixels if they do not.
    outlines = [polygon for polygon in polygons if len(polygon) >= 6]
    if outlines:
        drawn += coco_mask.frPyObjects(outlines, *size)
    if not drawn:
        raise ValueError("it has neither a mask nor an outline of at least 3 points")
    return coco_mask.merge(drawn)


def _drawable(part: object) -> list[float]:
    """The numbers of a polygon. Errors: ValueError for one that COCO's rasterizer refuses, or would walk along for
    hours."""
    numbers = _numbers(part)
    if numbers.size < 4 or not (np.abs(numbers) <= FAR).all():
        raise ValueError(f"an outline is a list of at least 3 points x, y within {FAR:,} pixels")
    return numbers.tolist()
