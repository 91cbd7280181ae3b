"""Labelme JSON: one file per image, with polygons, rectangles, circles and masks.

Shapes of one label and one group are parts of one instance.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from seglab.errors import SeglabError
from seglab.files import real_files
from seglab.formats.format import Format, ImageEntry, LabelledImage, outline
from seglab.formats.issues import Issue, left_out
from seglab.formats.json_stream import stream_json
from seglab.formats.yolo import place_image
from seglab.geometry.polygons import Ring, orient, ring_area
from seglab.geometry.rle import Rle, crop_to_rle, merge, rings_to_rle, rle_to_crop
from seglab.sample import Instance
from seglab.wording import pluralize

CIRCLE = 72  # vertices of a circle, on a radius that keeps its area


def is_here(source: Path) -> bool:
    """Whether this is a Labelme JSON, or a folder with some, in folders of their own too."""
    files = [source] if source.is_file() and source.suffix.lower() == ".json" else _files(source)
    for file in files:
        for key, _ in stream_json(file):
            if key == "shapes":
                return True
            if key in ("images", "annotations", "categories"):  # COCO
                break
    return False


def read(source: Path, images: Path | None = None) -> LabelmeSource:
    """The labels of a Labelme JSON or folder. images: their folder, where files do not say it."""
    return LabelmeSource([source] if source.is_file() else _files(source), images)


def _files(folder: Path) -> list[Path]:
    return sorted(real_files(folder.rglob("*.json")))


class LabelmeSource:
    """Labelme files; class names are the labels in them, in alphabetical order."""

    def __init__(self, files: Sequence[Path], images: Path | None):
        self._images = images
        labels = set()
        self.entries: list[ImageEntry] = []
        for file in files:
            content = _content(file)
            labels |= {shape["label"] for shape in content["shapes"]}
            place = next((place for place in self._places(file, content) if place.is_file()), None)
            self.entries.append(ImageEntry(place, "train", (file,)))
        self.names = dict(enumerate(sorted(labels)))
        self._class_of = {name: class_id for class_id, name in self.names.items()}

    def load(self, entry: ImageEntry) -> LabelledImage:
        (file,) = entry.files
        content = _content(file)
        size = content["imageHeight"], content["imageWidth"]
        instances, issues = _instances(content["shapes"], size, self._class_of, file)
        image: Path | bytes | None = entry.image
        if image is None and isinstance(content.get("imageData"), str):
            with suppress(ValueError):  # damaged text
                image = base64.b64decode(content["imageData"])
        if image is None:
            place = self._places(file, content)[0]
            message = f"missing image: no {place}, and no readable image in the JSON"
            issues.append(left_out(str(file), message, len(instances)))
            instances = []
        name = file.stem + PureWindowsPath(content["imagePath"]).suffix
        return LabelledImage(image, name, entry.split, size, instances, issues)

    def _places(self, file: Path, content: dict) -> list[Path]:
        """Where the image of a file may lie, the likeliest place first."""
        name = PureWindowsPath(content["imagePath"]).name  # either type of slash
        if self._images:
            return [self._images / name]
        return [file.parent / content["imagePath"], file.parent / name]


def _content(file: Path) -> dict[str, Any]:
    """What a Labelme file says, points as (n, 2) float64 arrays. Errors: SeglabError when it is of another form."""
    try:
        content = json.loads(file.read_bytes())
        for shape in content["shapes"]:
            shape["label"] = str(shape["label"])
            shape["points"] = np.array(shape["points"], dtype=np.float64).reshape(-1, 2)
        content["imagePath"] = content.get("imagePath") or f"{file.stem}.jpg"
        return content | {key: content[key] for key in ("imageHeight", "imageWidth")}
    except (ValueError, KeyError, TypeError) as error:
        raise SeglabError(
            f"{file} is not a Labelme JSON ({error}): move it elsewhere, or save it again in Labelme"
        ) from error


def _instances(
    shapes: list[dict], size: tuple[int, int], class_of: Mapping[str, int], file: Path
) -> tuple[list[Instance], list[Issue]]:
    """The shapes of one file, in pixels of its image of `size` (height, width), parts put together."""
    parts = defaultdict(list)
    for number, shape in enumerate(shapes, start=1):
        group = shape.get("group_id")
        parts[shape["label"], number if group is None else f"group {group}"].append((number, shape))

    instances: list[Instance] = []
    issues: list[Issue] = []
    for (label, _), members in parts.items():
        rings: list[Ring] = []
        masks: list[Rle] = []
        for number, shape in members:
            points = shape["points"]
            shape_type = shape.get("shape_type") or "polygon"
            if shape_type == "mask" and shape.get("mask") and len(points):
                masks.append(_mask(shape["mask"], points[0], size, file))
                continue
            ring = _ring(shape_type, points)
            if ring is None:
                message = f"no area: a {shape_type} of {pluralize(len(points), 'point')}"
                issues.append(left_out(f"{file} shape {number}", message))
            else:
                rings.append(ring)
        if masks:
            masks += [rings_to_rle(rings, *size)] if rings else []
            instances.append(Instance(class_of[label], [], rle=merge(masks)))
        elif rings:
            instances.append(Instance(class_of[label], rings))
    return instances, issues


def _ring(shape_type: str, points: np.ndarray) -> Ring | None:
    """The outline of a shape given by its points; None for one without an area."""
    if shape_type == "polygon" and len(points) >= 3:
        return orient(points)
    if shape_type == "rectangle" and len(points) == 4:
        return orient(points)
    if shape_type == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points
        return orient(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))
    if shape_type == "circle" and len(points) == 2:
        center = points[0]
        angle = np.arange(CIRCLE) * (2 * math.pi / CIRCLE)
        # A polygon inside the circle is smaller than it: its radius is made larger by what that takes.
        radius = math.dist(*points) * math.sqrt(2 * math.pi / CIRCLE / math.sin(2 * math.pi / CIRCLE))
        return center + radius * np.stack((np.cos(angle), np.sin(angle)), axis=1)  # (CIRCLE, 2)
    return None


def _mask(text: str, corner: np.ndarray, size: tuple[int, int], file: Path) -> Rle:
    """A mask that a file holds as a PNG in base64, whose top-left pixel is `corner`."""
    from PIL import Image

    try:
        crop = np.array(Image.open(io.BytesIO(base64.b64decode(text)), formats=("PNG",))) > 0
        x0, y0 = (round(float(value)) for value in corner)
        return crop_to_rle(x0, y0, crop[: size[0] - y0, : size[1] - x0], *size)
    except (OSError, OverflowError, TypeError, ValueError) as error:
        raise SeglabError(f"{file} holds a mask that cannot be read ({error}): draw it again in Labelme") from error


def write(out: Path, names: Mapping[int, str], images: Iterable[LabelledImage]) -> None:
    """Write a new folder of images with a Labelme JSON beside each, to be corrected in Labelme.

    An instance with a hole, or with an exact mask, is a mask there; every other one is a polygon, or a group of them.
    """
    out.mkdir(parents=True)
    for labelled in images:
        if labelled.file is None:
            continue
        place = out / labelled.name
        place_image(labelled.file, place)
        height, width = labelled.size
        shapes = []
        for number, found in enumerate(labelled.instances, start=1):
            shapes += _shapes(found, names[found.class_id], number, labelled.size)
        content: dict[str, object] = {
            "version": "5.0.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": place.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        place.with_suffix(".json").write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _shapes(found: Instance, label: str, number: int, size: tuple[int, int]) -> list[dict]:
    """The shapes that an instance is to Labelme; several have its number as their group."""
    rings = outline(found)
    if found.rle is not None or min(map(ring_area, rings)) < 0:
        x0, y0, crop = rle_to_crop(found.rle or rings_to_rle(rings, *size))
        corners = [[x0, y0], [x0 + crop.shape[1] - 1, y0 + crop.shape[0] - 1]]
        return [_shape(label, "mask", corners, None) | {"mask": _png(crop)}]
    group = number if len(rings) > 1 else None
    return [_shape(label, "polygon", ring.tolist(), group) for ring in rings]


def _shape(label: str, shape_type: str, points: list, group: int | None) -> dict:
    return {"label": label, "points": points, "group_id": group, "shape_type": shape_type, "flags": {}}


def _png(crop: np.ndarray) -> str:
    """(h, w) bool -> a PNG in base64."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


FORMAT = Format("labelme", "Labelme JSON", is_here, read, write)
