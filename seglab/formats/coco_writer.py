"""Writing COCO JSON files: the entries they consist of, and instances files that never stand in memory as a whole.

One writer serves conversion, the toybox and the crowd regions kept beside label files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seglab.formats.coco_ids import Id
from seglab.formats.format import outline
from seglab.geometry.polygons import Ring, bounding_box, ring_area
from seglab.geometry.rle import Rle, area, rings_to_rle
from seglab.sample import Instance

DECIMALS = 4  # of a pixel in polygons: half of the last is less than MARGIN keeps coordinates off the ties
MARGIN = 1e-4  # pixels between a written coordinate and the next tie of COCO's rounding to fifths


def write_coco(
    path: Path,
    images: Iterable[dict],
    annotations: Iterable[dict],
    categories: Iterable[dict],
    info: dict | None = None,
) -> None:
    """Write a COCO instances JSON, entry by entry, so that generators never stand in memory.

    The file lists images, annotations and categories in this order, as COCO's own do; `annotations` is begun when
    `images` has ended.
    """
    with open(path, "w", encoding="utf-8") as file:
        file.write("{")
        if info is not None:
            file.write(f'"info": {_dump(info)},\n')
        file.write('"images": [')
        _write_items(file, images)
        file.write('],\n"annotations": [')
        _write_items(file, annotations)
        file.write(f'],\n"categories": {_dump(list(categories))}}}\n')


def _write_items(file: Any, items: Iterable[dict]) -> None:
    separator = ""
    for item in items:
        file.write(separator + _dump(item))
        separator = ",\n"


def _dump(item: object) -> str:
    return json.dumps(item, separators=(",", ":"))


def category_entries(ids: Iterable[Id], names: Iterable[str]) -> list[dict]:
    """The categories of a COCO JSON."""
    return [{"id": category_id, "name": name} for category_id, name in zip(ids, names)]


def image_entry(image_id: Id, name: str, size: tuple[int, int]) -> dict:
    """An image of a COCO JSON. size: (height, width)."""
    height, width = size
    return {"id": image_id, "file_name": name, "height": height, "width": width}


def annotation_entry(number: int, image_id: Id, category_id: Id, found: Instance, size: tuple[int, int]) -> dict:
    """An instance as an annotation: polygons where they draw its mask exactly, else RLE.

    size: (height, width) of the image. bbox is [left, top, width, height] of the outline with all its digits, so that
    a score by boxes is the same from the file as from memory; area is the mask's, in pixels.
    """
    mask = found.rle or rings_to_rle(found.rings, *size)
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": _segmentation(outline(found), mask, *size),
        **measures(found, mask),
        "iscrowd": int(found.crowd),
    }


def measures(found: Instance, mask: Rle) -> dict:
    """bbox and area of an annotation, as validation takes them of the instance, whose mask is `mask`."""
    left, top, right, bottom = map(float, bounding_box(outline(found)))
    return {"bbox": [left, top, right - left, bottom - top], "area": area(mask)}


def _segmentation(rings: Sequence[Ring], mask: Rle, height: int, width: int) -> list | dict:
    """Polygons where they can say it (no holes) and draw the mask again, else RLE."""
    if min(map(ring_area, rings)) < 0:
        return rle_entry(mask)
    for points in (rings, map(steady, rings)):
        rounded = [np.round(ring, DECIMALS) for ring in points]
        if rings_to_rle(rounded, height, width)["counts"] == mask["counts"]:
            return [ring.ravel().tolist() for ring in rounded]
    return rle_entry(mask)


def rle_entry(rle: Rle) -> dict:
    """A mask as JSON holds it: the counts as text."""
    return {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}


def result_entry(image_id: Id, category_id: Id, box: Sequence[float], score: float, mask: Rle, **more: object) -> dict:
    """A detection as a row of a COCO results file. box: left, top, width, height in pixels."""
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [float(value) for value in box],
        "score": float(score),
        "segmentation": rle_entry(mask),
        **more,
    }


def steady(points: np.ndarray) -> np.ndarray:
    """Move coordinates off the ties of COCO's rounding to fifths of a pixel, to the side they fall on now.

    A tenth such as 110.3 lies exactly between two fifths. Divided by the image's width, printed and multiplied again
    it may fall the other way, and pixels change; a ten-thousandth of a pixel off the tie it cannot, even in float32.

        fifth                 tie                 fifth        a coordinate on the tie, or nearer to it than MARGIN,
          |--------------------|--------------------|          is moved to MARGIN beside it, on the side of the fifth
                            ^-----                             that it is rounded to
    """
    fifths = np.trunc(5 * points + 0.5) / 5
    reach = 0.1 - MARGIN
    return np.minimum(np.maximum(points, fifths - reach), fifths + reach)
