"""VGG Image Annotator (VIA 1, 2 and 3): its project file, and of VIA 1 and 2 its JSON export and its CSV.

    via_project_30Nov2026.json    or via_export_json.json, or via_export_csv.csv
    a.jpg                         the images beside it, or in images/

The class of a region is its attribute "class", "label", "name" or "type", or its only attribute. The angle of an
ellipse is in radians, clockwise as seen, as canvases of browsers have it. VIA 3 writes a shape as a list, its type
first.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seglab.data.image import image_size
from seglab.errors import UNREADABLE, SeglabError
from seglab.files import open_regular, real_files
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_names import composed
from seglab.formats.image_search import plain_names, search_from, split_of
from seglab.formats.issues import Issue, left_out
from seglab.formats.shapes import as_rectangle, circle_through, ellipse, polygon, rectangle
from seglab.formats.text_files import csv_rows, decode_text, read_json, sketch_json
from seglab.geometry.polygons import Ring
from seglab.sample import Instance
from seglab.wording import shortened

CLASS_ATTRIBUTES = ("class", "label", "name", "type", "category", "object")
ONE_CLASS = "object"  # of regions without any attribute
COLUMNS = {"filename", "region_shape_attributes", "region_attributes"}
DEGREES = 180 / np.pi
VIA3 = {"project", "attribute", "file"}  # members of its project file


@dataclass
class Region:
    """One region as the file has it. where: its place in the file, for issues."""

    where: str
    shape: dict[str, Any]
    attributes: dict[str, Any]


@dataclass
class ViaImage:
    """One image of a file and its regions."""

    file: Path
    name: str
    regions: list[Region] = field(default_factory=list)


def is_here(source: Path) -> bool:
    """Whether this is a project, JSON or CSV of VIA, or a folder with one, or with folders such as train with one."""
    return bool(_label_files(source))


def _label_files(source: Path) -> list[Path]:
    """A folder's own files, else those of the folders in it; of a project and its exports the project alone."""
    if source.is_file():
        return [source] if _type_of(source) else []
    for pattern in ("*", "*/*"):
        files = sorted(real_files(source.glob(pattern)))
        known = [file for file in files if file.is_file() and _type_of(file)]
        projects = [file for file in known if _type_of(file).startswith("project")]
        if known:
            return projects or known
    return []


def _type_of(file: Path) -> str:
    """project, project 3, json or csv, or "" for a file that is none of VIA's."""
    suffix = file.suffix.lower()
    if suffix == ".csv":
        with open_regular(file) as opened:
            header = decode_text(opened.read(1024)).splitlines()[:1]
        columns = {column.strip("# \"'") for line in header for column in line.split(",")}
        return "csv" if columns >= COLUMNS else ""
    sketch = sketch_json(file) if suffix == ".json" else None
    if not isinstance(sketch, dict):
        return ""
    if "_via_img_metadata" in sketch:
        return "project"
    if sketch.keys() >= VIA3 and all(isinstance(sketch[key], dict) for key in VIA3):
        return "project 3"
    first = next(iter(sketch.values()), None)
    return "json" if isinstance(first, dict) and first.keys() >= {"filename", "regions"} else ""


def read(source: Path, images: Path | None = None) -> ViaSource:
    """The labels of a VIA file, or of a folder with one. images: the folder of the images."""
    return ViaSource(source, images)


class ViaSource:
    """VIA's regions; class names are the values of the attribute that names classes, in alphabetical order."""

    def __init__(self, source: Path, images: Path | None):
        folder = source.parent if source.is_file() else source
        self._search = search_from(folder, images)
        unique: dict[tuple[Path, str], ViaImage] = {}
        for file in _label_files(source):
            for listed in _images(file):  # two exports of one project list an image twice
                unique.setdefault((file.parent, listed.name), listed)
        attribute = _class_attribute(source, unique.values())
        self._label_of = {
            region.where: _label(region.attributes, attribute)
            for listed in unique.values()
            for region in listed.regions
        }
        self.names = dict(enumerate(sorted({label for label in self._label_of.values() if label})))
        self._class_of = {name: class_id for class_id, name in self.names.items()}
        self._images: dict[ImageEntry, ViaImage] = {}
        for listed in unique.values():
            image = self._search.find(listed.name, listed.file.parent)
            split = split_of(listed.file.relative_to(folder).parts[:-1])
            self._images[ImageEntry(image, split, (listed.file, Path(listed.name)))] = listed
        self.entries = list(self._images)
        self._names = plain_names([(entry.split, entry.image or entry.files[1]) for entry in self.entries])

    @property
    def issues(self) -> list[Issue]:
        return self._search.issues()

    def load(self, entry: ImageEntry) -> LabeledImage:
        listed = self._images[entry]
        name = self._names[entry.image or entry.files[1]]
        instances: list[Instance] = []
        issues: list[Issue] = []
        for region in listed.regions:
            shape = str(region.shape.get("name"))
            label = self._label_of[region.where]
            ring = _ring(region.shape)
            if ring is None:
                issues.append(left_out(region.where, f"no area: a region of the shape '{shape}'"))
            elif not label:
                issues.append(left_out(region.where, "no class: the region has no value for it"))
            else:
                instances.append(Instance(self._class_of[label], [ring]))
                issues += [as_rectangle(region.where, "rect")] if shape == "rect" else []
        fault = "" if entry.image else f"missing image: no file {listed.name}, or several, near {listed.file}"
        size = 1, 1
        if entry.image is not None:
            try:
                size = image_size(entry.image)
            except SeglabError as error:
                fault = f"unreadable image: {error}"
        if fault:
            issues.append(left_out(f"{listed.file} image {listed.name}", fault, len(instances)))
            return LabeledImage(None, name, entry.split, size, [], issues)
        return LabeledImage(entry.image, name, entry.split, size, instances, issues)


def _images(file: Path) -> list[ViaImage]:
    """The images of a file. Errors: SeglabError when it is damaged."""
    try:
        readers = {"csv": _csv_images, "project 3": _via3_images}
        return readers.get(_type_of(file), _json_images)(file)
    except (*UNREADABLE, csv.Error) as error:
        raise SeglabError(f"{file} is not a valid VIA file ({shortened(repr(error))}): save it again in VIA") from error


def _json_images(file: Path) -> list[ViaImage]:
    content = read_json(file)
    images = []
    for item in content.get("_via_img_metadata", content).values():
        regions = item["regions"]
        if isinstance(regions, dict):  # VIA 1
            regions = list(regions.values())
        where = f"{file} image {item['filename']} region"
        found = [
            Region(f"{where} {number}", dict(region["shape_attributes"]), _attributes(region.get("region_attributes")))
            for number, region in enumerate(regions, start=1)
        ]
        images.append(ViaImage(file, str(item["filename"]), found))
    return images


def _via3_images(file: Path) -> list[ViaImage]:
    """The images of a project of VIA 3: one a view, its regions among the project's metadata."""
    content = read_json(file)
    names = {key: str(item.get("aname", key)) for key, item in content["attribute"].items()}
    options = {key: item.get("options") or {} for key, item in content["attribute"].items()}
    images: dict[str, ViaImage] = {}
    for view, item in content.get("view", {}).items():
        first = content["file"][str(item["fid_list"][0])]
        images[view] = ViaImage(file, str(first.get("fname") or first["src"]))
    for number, row in enumerate(content.get("metadata", {}).values(), start=1):
        if row.get("xy"):  # others describe the whole image
            values = row.get("av") or {}
            attributes = {names[key]: options[key].get(str(value), value) for key, value in values.items()}
            listed = images[str(row["vid"])]
            where = f"{file} image {listed.name} region {number}"
            listed.regions.append(Region(where, _via3_shape(row["xy"]), attributes))
    return list(images.values())


def _via3_shape(numbers: list[float]) -> dict[str, Any]:
    """A shape as VIA 2 has it, of VIA 3's type and coordinates; of a type that has no area the name alone."""
    kind, *values = numbers
    if kind == 2 and len(values) == 4:
        return {"name": "rect", **dict(zip(("x", "y", "width", "height"), values))}
    if kind == 3 and len(values) == 3:
        return {"name": "circle", **dict(zip(("cx", "cy", "r"), values))}
    if kind == 4 and len(values) >= 4:
        return {"name": "ellipse", **dict(zip(("cx", "cy", "rx", "ry", "theta"), values))}
    points = np.array(values).reshape(-1, 2) if len(values) % 2 == 0 else np.empty((0, 2))
    if kind == 8 and len(points) >= 3:  # drawn by the points that lie farthest out
        (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return {"name": "rect", "x": left, "y": top, "width": right - left, "height": bottom - top}
    if kind == 9 and len(points) == 3 and (circle := circle_through(points)):
        return {"name": "circle", **dict(zip(("cx", "cy", "r"), circle))}
    name = {6: "polyline", 7: "polygon"}.get(int(kind), f"type {kind}")
    return {"name": name, "all_points_x": values[0::2], "all_points_y": values[1::2]}


def _attributes(said: Any) -> dict[str, Any]:
    """The attributes of a region, by name. Errors: ValueError where they are no such thing."""
    if not isinstance(said or {}, dict):
        raise ValueError(f"region_attributes is {said!r}")
    return dict(said or {})


def _csv_images(file: Path) -> list[ViaImage]:
    """Every row is a region, or an image without any."""
    images: dict[str, ViaImage] = {}
    for line, row in enumerate(csv_rows(file, comment="#"), start=2):
        listed = images.setdefault(row["filename"], ViaImage(file, row["filename"]))
        shape = json.loads(row["region_shape_attributes"] or "{}")
        if shape:
            attributes = _attributes(json.loads(row["region_attributes"] or "{}"))
            listed.regions.append(Region(f"{file}:{line}", dict(shape), attributes))
    return list(images.values())


def _class_attribute(source: Path, images: Any) -> str:
    """The attribute that names classes, or "" where no region has any.

    Errors: SeglabError where there are several and none of them is called as classes are.
    """
    counts = Counter(key for listed in images for region in listed.regions for key in region.attributes)
    usual = [key for name in CLASS_ATTRIBUTES for key in counts if key.lower() == name]
    if usual or len(counts) <= 1:
        return next(iter([*usual, *counts]), "")
    raise SeglabError(
        f"{source} has regions with the attributes {', '.join(sorted(counts))}, and none of them is called 'class': "
        "rename the attribute that holds the class, in VIA or in the file"
    )


def _label(attributes: Mapping[str, Any], attribute: str) -> str:
    """The class of a region. A checkbox or its relatives hold {value: true}."""
    if not attribute:
        return ONE_CLASS
    value = attributes.get(attribute, "")
    if isinstance(value, dict):
        value = next((name for name, is_set in value.items() if is_set), "")
    return composed(str(value)).strip()


def _ring(shape: Mapping[str, Any]) -> Ring | None:
    """The outline of a region; None for one without an area, or with coordinates that are no numbers."""
    name = shape.get("name")
    try:
        if name == "rect":
            left, top = float(shape["x"]), float(shape["y"])
            return rectangle(left, top, left + float(shape["width"]), top + float(shape["height"]))
        if name in ("circle", "ellipse"):
            radii = (shape["r"], shape["r"]) if name == "circle" else (shape["rx"], shape["ry"])
            center = float(shape["cx"]), float(shape["cy"])
            degrees = float(shape.get("theta") or 0) * DEGREES
            return ellipse(center, [float(radius) for radius in radii], degrees)
        if name not in ("polygon", "polyline"):
            return None
        points = np.array([shape["all_points_x"], shape["all_points_y"]], dtype=np.float64).T
    except UNREADABLE:
        return None
    is_closed = len(points) > 3 and (points[0] == points[-1]).all()
    # A line encloses nothing, unless it comes back to where it began.
    return polygon(points) if name == "polygon" or is_closed else None


FORMAT = Format("via", "VGG Image Annotator labels", is_here, read)
