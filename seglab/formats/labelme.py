"""Labelme JSON: one file per image, with polygons, rectangles, circles and masks.

Shapes of one label and one group are parts of one instance.
"""

from __future__ import annotations

import base64
import io
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from seglab.data.image import image_size
from seglab.errors import UNREADABLE, SeglabError
from seglab.files import files_of_suffix
from seglab.formats.format import Format, ImageEntry, LabeledImage, outline
from seglab.formats.image_names import composed
from seglab.formats.image_search import image_files, plain_names, search_from, split_of
from seglab.formats.issues import Issue, left_out
from seglab.formats.shapes import ellipse, painted, painted_image, polygon, put_together, rectangle
from seglab.formats.text_files import read_json, sketch_json
from seglab.formats.yolo import place_image
from seglab.geometry.polygons import Ring, ring_area
from seglab.geometry.rle import Rle, area, rings_to_rle, rle_to_crop
from seglab.sample import Instance
from seglab.wording import pluralize

# Labels that are no classes: what is to be left out of everything, and what is nothing.
NO_CLASS = ("__ignore__", "_background_")
# Shapes given by all their corners. X-AnyLabeling calls a turned rectangle "rotation".
BY_CORNERS = ("polygon", "rectangle", "rotation", "oriented_rectangle", "quadrilateral")


def is_here(source: Path) -> bool:
    """Whether this is a Labelme JSON, or a folder with some, in folders of their own too."""
    return any(_is_labelme(file) for file in files_of_suffix(source, ".json"))


def read(source: Path, images: Path | None = None) -> LabelmeSource:
    """The labels of a Labelme JSON or folder. images: their folder, where files do not say it."""
    return LabelmeSource(source, images)


def _is_labelme(file: Path) -> bool:
    sketch = sketch_json(file)
    if not isinstance(sketch, dict) or "annotations" in sketch or "categories" in sketch:  # COCO
        return False
    return isinstance(sketch.get("shapes"), list) or "imageData" in sketch


class LabelmeSource:
    """Labelme files; class names are the labels in them, in alphabetical order."""

    def __init__(self, source: Path, images: Path | None):
        folder = source.parent if source.is_file() else source
        self._search = search_from(folder, images)
        self._images = images
        self._folder = folder
        labels: set[str] = set()
        self.entries: list[ImageEntry] = []
        self._issues: list[Issue] = []
        label_of: dict[Path, Path] = {}  # image -> its label file
        for file in files_of_suffix(source, ".json"):
            if not _is_labelme(file) and isinstance(read_json(file), (dict, list)):
                self._issues.append(
                    Issue(str(file), 0, "not a Labelme JSON: another file among them", "not read", "note")
                )
                continue
            content = _content(file)
            labels |= {shape["label"] for shape in content["shapes"]}
            image = self._image_of(file, content)
            if image is not None and label_of.setdefault(image.resolve(), file) != file:
                first = label_of[image.resolve()].name
                message = f"two label files for one image: {first} labels {image.name} too"
                self._issues.append(left_out(str(file), message, len(content["shapes"])))
                continue
            split = split_of(file.relative_to(folder).parts[:-1])
            self.entries.append(ImageEntry(image, split, (file,)))
        self.names = dict(enumerate(sorted(labels.difference(NO_CLASS, [""]))))
        self._class_of = {name: class_id for class_id, name in self.names.items()}
        self._names = plain_names([(entry.split, entry.files[0]) for entry in self.entries])
        if source.is_dir() and images is None:
            self._issues += self._unlabeled(label_of)

    def _image_of(self, file: Path, content: dict) -> Path | None:
        """The image of a label file: where it says, or of its name, or of the label file's own beside it."""
        found = self._search.find(content["imagePath"], None if self._images else file.parent)
        return found or self._search.find(file.stem + PureWindowsPath(content["imagePath"]).suffix, file.parent)

    def _unlabeled(self, label_of: Mapping[Path, Path]) -> list[Issue]:
        """The images of the folder that no label file is of: Labelme writes one for every image that was looked at."""
        found = [image for image in image_files(self._folder) if image.resolve() not in label_of]
        return [Issue(str(image), 0, "no label file for this image", "not read", "note") for image in found]

    @property
    def issues(self) -> list[Issue]:
        return [*self._issues, *self._search.issues()]

    def load(self, entry: ImageEntry) -> LabeledImage:
        (file,) = entry.files
        content = _content(file)
        image: Path | bytes | None = entry.image
        if image is None and isinstance(content.get("imageData"), str):
            with suppress(ValueError):  # damaged text
                image = base64.b64decode(content["imageData"])
        said = PureWindowsPath(content["imagePath"])
        name = Path(self._names[file]).with_suffix(entry.image.suffix if entry.image else said.suffix).as_posix()
        size = content["imageHeight"], content["imageWidth"]
        fault = "" if image else f"missing image: no {file.parent / said.name}, and no readable image in the JSON"
        if not all(isinstance(side, int) and side > 0 for side in size):
            try:
                size = _size_of(image) if image else (1, 1)
            except SeglabError as error:
                size = (1, 1)
                fault = f"unreadable image: {error}"
        instances, issues = _instances(content["shapes"], size, self._class_of, file)
        if fault:
            issues.append(left_out(str(file), fault, len(instances)))
            return LabeledImage(None, name, entry.split, size, [], issues)
        return LabeledImage(image, name, entry.split, size, instances, issues)


def _content(file: Path) -> dict[str, Any]:
    """What a Labelme file says, points as (n, 2) float64 arrays. Errors: SeglabError when it is of another form."""
    content = read_json(file)
    try:
        for shape in content["shapes"]:
            shape["label"] = "" if shape["label"] is None else composed(str(shape["label"])).strip()
            shape["points"] = np.array(shape["points"], dtype=np.float64).reshape(-1, 2)
        said = content.get("imagePath")
        content["imagePath"] = said if said and isinstance(said, str) else f"{file.stem}.jpg"
        return content | {key: content.get(key) for key in ("imageHeight", "imageWidth")}
    except UNREADABLE as error:
        raise SeglabError(
            f"{file} is not a Labelme JSON ({error}): move it elsewhere, or save it again in Labelme"
        ) from error


def _size_of(image: Path | bytes) -> tuple[int, int]:
    """(height, width) of an image file, or of one that lies inside a label file."""
    if isinstance(image, Path):
        return image_size(image)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "image"
        place.write_bytes(image)
        return image_size(place)


def _instances(
    shapes: list[dict], size: tuple[int, int], class_of: Mapping[str, int], file: Path
) -> tuple[list[Instance], list[Issue]]:
    """The shapes of one file, in pixels of its image of `size` (height, width), parts put together."""
    parts = defaultdict(list)
    issues: list[Issue] = []
    for number, shape in enumerate(shapes, start=1):
        group = shape.get("group_id")
        if shape["label"] in NO_CLASS:
            message = f"no class: the label {shape['label']}"
            issues.append(Issue(f"{file} shape {number}", 0, message, "not read as an instance", "note"))
        elif not shape["label"]:
            message = "no class: the shape has no label; give it one in Labelme"
            issues.append(left_out(f"{file} shape {number}", message))
        else:
            parts[shape["label"], number if group is None else f"group {group}"].append((number, shape))

    instances: list[Instance] = []
    for (label, _), members in parts.items():
        rings: list[Ring] = []
        masks: list[Rle] = []
        for number, shape in members:
            points = shape["points"]
            shape_type = shape.get("shape_type") or "polygon"
            if shape_type == "mask" and shape.get("mask") and len(points):
                mask = _mask(shape["mask"], points[0], size, file)
                if area(mask):
                    masks.append(mask)
                else:
                    issues.append(left_out(f"{file} shape {number}", "no area: a mask without a pixel in the image"))
                continue
            ring = _ring(shape_type, points)
            if ring is None:
                message = f"no area: a {shape_type} of {pluralize(len(points), 'point')}"
                issues.append(left_out(f"{file} shape {number}", message))
            else:
                rings.append(ring)
        found = put_together(class_of[label], rings, masks, size)
        if found is not None:
            instances.append(found)
    return instances, issues


def _ring(shape_type: str, points: np.ndarray) -> Ring | None:
    """The outline of a shape given by its points; None for one without an area."""
    if shape_type == "rectangle" and len(points) == 2:
        return rectangle(*points.ravel().tolist())
    if shape_type == "circle" and len(points) == 2:  # its center, and a point on it
        radius = float(np.linalg.norm(points[1] - points[0]))
        return ellipse(points[0].tolist(), (radius, radius))
    return polygon(points) if shape_type in BY_CORNERS else None


def _mask(text: str, corner: np.ndarray, size: tuple[int, int], file: Path) -> Rle:
    """A mask that a file holds as a PNG in base64, whose top-left pixel is `corner`, which may lie outside."""
    try:
        x0, y0 = (round(float(value)) for value in corner)
        return painted(x0, y0, painted_image(base64.b64decode(text)), size)
    except (*UNREADABLE, OSError) as error:
        raise SeglabError(f"{file} has a mask that cannot be read ({error}): draw it again in Labelme") from error


def write(out: Path, names: Mapping[int, str], images: Iterable[LabeledImage]) -> None:
    """Write a new folder of images with a Labelme JSON beside each, to be corrected in Labelme.

    An instance with a hole, or with an exact mask, is a mask there; every other one is a polygon, or a group of them.
    """
    out.mkdir(parents=True)
    for labeled in images:
        if labeled.file is None:
            continue
        place = out / labeled.name
        place_image(labeled.file, place)
        height, width = labeled.size
        shapes = []
        for number, found in enumerate(labeled.instances, start=1):
            shapes += _shapes(found, names[found.class_id], number, labeled.size)
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
