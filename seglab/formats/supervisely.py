"""Supervisely projects: one JSON per image with polygons (their holes too), bitmaps and rectangles.

    project/meta.json             the classes
    project/ds1/ann/a.jpg.json    the labels of project/ds1/img/a.jpg; datasets called train and val are splits

https://developer.supervisely.com/getting-started/supervisely-annotation-format/objects
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seglab.errors import UNREADABLE, SeglabError
from seglab.files import files_of_suffix
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_names import composed
from seglab.formats.image_search import plain_names, search_from, split_of
from seglab.formats.issues import Issue, left_out
from seglab.formats.shapes import as_rectangle, ellipse, painted, painted_image, polygon, put_together, rectangle
from seglab.formats.text_files import read_json, sketch_json
from seglab.geometry.polygons import Ring, orient
from seglab.geometry.rle import Rle, area
from seglab.sample import Instance
from seglab.wording import shortened

MAX_PNG = 1 << 28  # bytes of an unpacked bitmap, which is a PNG itself


def is_here(source: Path) -> bool:
    """Whether this is a folder of a project, or of one of its datasets."""
    return source.is_dir() and any(map(_is_label_file, files_of_suffix(source, ".json")))


def _is_label_file(file: Path) -> bool:
    sketch = sketch_json(file)
    return isinstance(sketch, dict) and isinstance(sketch.get("size"), dict) and isinstance(sketch.get("objects"), list)


def read(source: Path, images: Path | None = None) -> SuperviselySource:
    """The labels of a project or dataset. images: the folder of the images, where they are not in `img`."""
    return SuperviselySource(source, images)


class SuperviselySource:
    """A project's label files; class names in the order of meta.json, then others that objects have."""

    def __init__(self, source: Path, images: Path | None):
        self._search = search_from(source, images)
        names: dict[str, None] = dict.fromkeys(_classes(source))
        self.entries: list[ImageEntry] = []
        for file in filter(_is_label_file, files_of_suffix(source, ".json")):
            content = _content(file)
            names |= dict.fromkeys(item["classTitle"] for item in content["objects"] if item["classTitle"])
            folder = file.parent.with_name("img") if images is None else None
            # a.jpg.json belongs to a.jpg; projects of old exports have a.json.
            said = file.stem if Path(file.stem).suffix else f"{file.stem}.jpg"
            image = self._search.find(said, folder)
            tagged = content.get("tags")
            tags = [str(tag.get("name")) for tag in tagged if isinstance(tag, dict)] if isinstance(tagged, list) else []
            split = split_of([*tags, *reversed(file.relative_to(source).parts[:-1])])
            self.entries.append(ImageEntry(image, split, (file,)))
        self.names = dict(enumerate(names))
        self._class_of = {name: class_id for class_id, name in self.names.items()}
        self._names = plain_names([(entry.split, entry.image or entry.files[0]) for entry in self.entries])

    @property
    def issues(self) -> list[Issue]:
        return self._search.issues()

    def load(self, entry: ImageEntry) -> LabeledImage:
        (file,) = entry.files
        content = _content(file)
        size = int(content["size"]["height"]), int(content["size"]["width"])
        instances: list[Instance] = []
        issues: list[Issue] = []
        for number, item in enumerate(content["objects"], start=1):
            where = f"{file} object {number}"
            found, fault = _instance(item, self._class_of, size)
            if found is None:
                issues.append(left_out(where, fault))
            else:
                instances.append(found)
                issues += [as_rectangle(where, "rectangle")] if item.get("geometryType") == "rectangle" else []
        name = self._names[entry.image or file]
        if entry.image is None:
            message = f"missing image: no {file.parent.with_name('img') / file.stem}"
            issues.append(left_out(str(file), message, len(instances)))
            instances = []
        return LabeledImage(entry.image, name, entry.split, size, instances, issues)


def _classes(source: Path) -> list[str]:
    """The titles of the classes in meta.json, which lies in the project's folder, above one of its datasets."""
    for folder in (source, *list(source.resolve().parents)[:2]):
        content = read_json(folder / "meta.json") if (folder / "meta.json").is_file() else None
        if isinstance(content, dict) and isinstance(content.get("classes"), list):
            return [
                composed(str(item["title"]))
                for item in content["classes"]
                if isinstance(item, dict) and "title" in item
            ]
    return []


def _content(file: Path) -> dict[str, Any]:
    """What a label file says. Errors: SeglabError when it is of another form."""
    content = read_json(file)
    try:
        sizes = [int(content["size"][side]) for side in ("height", "width")]
        titles = [item["classTitle"] for item in content["objects"]]
        for item in content["objects"]:
            item["classTitle"] = composed(item["classTitle"]) if isinstance(item["classTitle"], str) else None
    except UNREADABLE as error:
        raise SeglabError(
            f"{file} is not a valid Supervisely label file ({shortened(repr(error))}): export it again"
        ) from error
    if min(sizes) <= 0 or not all(isinstance(title, str) for title in titles):
        raise SeglabError(f"{file} has an image without size or an object without classTitle: export it again")
    return content


def _instance(item: dict, class_of: Mapping[str, int], size: tuple[int, int]) -> tuple[Instance | None, str]:
    """An object of a label file, or None and why it is none."""
    if not item["classTitle"]:
        return None, "no class: the object's classTitle is empty; give it one"
    shape = item.get("geometryType") or ("bitmap" if item.get("bitmap") else "polygon")
    rings: list[Ring] = []
    masks: list[Rle] = []
    try:
        if shape == "bitmap":
            mask = _bitmap(item["bitmap"], size)
            masks += [mask] if area(mask) else []
        else:
            rings = _rings(shape, item.get("points") or {}, item)
    except (*UNREADABLE, OSError, zlib.error) as error:
        return None, f"damaged {shape}: {error}"
    found = put_together(class_of[item["classTitle"]], rings, masks, size)
    return found, "" if found else f"no area: a {shape}"


def _rings(shape: str, points: Mapping[str, Any], item: Mapping[str, Any]) -> list[Ring]:
    """The outline of an object and its holes; none where it has no area."""
    exterior = np.array(points.get("exterior") or [], dtype=np.float64).reshape(-1, 2)
    if shape == "rectangle" and len(exterior) == 2:
        outline = rectangle(*exterior.ravel().tolist())
    elif shape == "polygon":
        outline = polygon(exterior)
    elif shape == "ellipse":
        outline = ellipse([float(value) for value in item["center"]], [float(value) for value in item["radii"]])
    else:
        return []
    holes = [polygon(np.array(hole, dtype=np.float64).reshape(-1, 2)) for hole in points.get("interior") or []]
    if outline is None:
        return []
    return [outline, *(orient(hole, solid=False) for hole in holes if hole is not None)]


def _bitmap(bitmap: Mapping[str, Any], size: tuple[int, int]) -> Rle:
    """A mask: a PNG, packed by zlib, in base64, whose top-left pixel is `origin`. Errors: ValueError, zlib.error."""
    unpack = zlib.decompressobj()
    data = unpack.decompress(base64.b64decode(bitmap["data"]), MAX_PNG)
    if unpack.unconsumed_tail:
        raise ValueError(f"its bitmap unpacks to more than {MAX_PNG} bytes")
    left, top = (int(value) for value in bitmap["origin"])
    return painted(left, top, painted_image(data), size)


FORMAT = Format("supervisely", "Supervisely project", is_here, read)
