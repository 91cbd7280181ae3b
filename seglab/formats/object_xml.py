"""XML files of objects with polygons, one an image: Roboflow's Pascal VOC of outlines, and LabelMe's of the web.

    a.jpg, a.xml     <object><name>cat</name><polygon><x1>10</x1><y1>12</y1><x2>40</x2>...     Roboflow
    a.jpg, a.xml     <object><name>cat</name><polygon><pt><x>10</x><y>12</y></pt>...           LabelMe 3.0, as of CVAT

Several polygons of one object are parts of it. An object with a box alone has no outline, and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from seglab.data.image import image_size
from seglab.errors import SeglabError
from seglab.files import files_of_suffix
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_names import composed
from seglab.formats.image_search import plain_names, search_from, split_of
from seglab.formats.issues import Issue, left_out
from seglab.formats.shapes import polygon, put_together
from seglab.formats.text_files import read_xml
from seglab.sample import Instance

Element = ElementTree.Element
MAX_TRIED = 100  # files that are looked into for having a polygon
SIZES = (("size/height", "size/width"), ("imagesize/nrows", "imagesize/ncols"))
_NUMBERED = re.compile(r"[xy]\d+")


def is_here(source: Path) -> bool:
    """Whether this is such a file, or a folder with some."""
    return any(map(_has_polygon, files_of_suffix(source, ".xml")[:MAX_TRIED]))


def _has_polygon(file: Path) -> bool:
    """Whether a file is of one image's objects, one of which has a polygon."""
    text = file.read_bytes().replace(b"\0", b"")
    return re.search(rb"<annotation[\s>]", text) is not None and b"<polygon>" in text


def read(source: Path, images: Path | None = None) -> ObjectXmlSource:
    """The labels of an XML file, or of a folder with some. images: the folder of the images."""
    return ObjectXmlSource(source, images)


class ObjectXmlSource:
    """XML files of objects; class names are the names in them, in alphabetical order."""

    def __init__(self, source: Path, images: Path | None):
        folder = source.parent if source.is_file() else source
        self._search = search_from(source, images)
        self._issues: list[Issue] = []
        self.entries: list[ImageEntry] = []
        names: set[str] = set()
        for file in files_of_suffix(source, ".xml"):
            root = read_xml(file)
            if root.tag != "annotation":
                self._issues.append(Issue(str(file), 0, "an XML of something else", "not read", "note"))
                continue
            names |= {_name(found) for found in _objects(root)}
            said = root.findtext("filename", "").strip()
            image = (self._search.find(said, file.parent) if said else None) or self._search.find_stem(file.stem)
            self.entries.append(ImageEntry(image, split_of(file.relative_to(folder).parts[:-1]), (file,)))
        self.names = dict(enumerate(sorted(names.difference([""]))))
        self._class_of = {name: class_id for class_id, name in self.names.items()}
        self._names = plain_names([(entry.split, entry.image or entry.files[0]) for entry in self.entries])

    @property
    def issues(self) -> list[Issue]:
        return [*self._issues, *self._search.issues()]

    def load(self, entry: ImageEntry) -> LabeledImage:
        (file,) = entry.files
        root = read_xml(file)
        size = _stated_size(root)
        fault = "" if entry.image else f"missing image: no {root.findtext('filename', file.stem).strip()}"
        if size is None and entry.image is not None:
            try:
                size = image_size(entry.image)
            except SeglabError as error:
                fault = f"unreadable image: {error}"
        size = size or (1, 1)
        instances, issues = _instances(root, size, self._class_of, file)
        if fault:
            issues.append(left_out(str(file), fault, len(instances)))
            instances = []
        image = None if fault else entry.image
        return LabeledImage(image, self._names[entry.image or file], entry.split, size, instances, issues)


def _objects(root: Element) -> list[Element]:
    """The objects of a file but those that LabelMe keeps as deleted."""
    return [found for found in root.findall("object") if found.findtext("deleted", "0").strip() != "1"]


def _name(found: Element) -> str:
    return composed(found.findtext("name", "")).strip()


def _stated_size(root: Element) -> tuple[int, int] | None:
    """(height, width) that a file says; None where it says none."""
    for paths in SIZES:
        sides = [root.findtext(path, "").strip() for path in paths]
        if all(side.isdecimal() and int(side) > 0 for side in sides):
            return int(sides[0]), int(sides[1])
    return None


def _instances(
    root: Element, size: tuple[int, int], class_of: Mapping[str, int], file: Path
) -> tuple[list[Instance], list[Issue]]:
    """The objects of one image."""
    instances: list[Instance] = []
    issues: list[Issue] = []
    for number, found in enumerate(_objects(root), start=1):
        where = f"{file} object {number}"
        if not _name(found):
            issues.append(left_out(where, "no class: the object has no name; give it one"))
            continue
        if found.find("polygon") is None:
            issues.append(left_out(where, "no outline: a box alone is not a mask; draw outlines in your labeling tool"))
            continue
        try:
            rings = [polygon(_points(outline)) for outline in found.findall("polygon")]
        except ValueError as error:
            issues.append(left_out(where, f"damaged polygon: {error}"))
            continue
        whole = put_together(class_of[_name(found)], [ring for ring in rings if ring is not None], [], size)
        if whole is None:
            issues.append(left_out(where, "no area: a polygon of fewer than three points"))
        else:
            instances.append(whole)
    return instances, issues


def _points(outline: Element) -> np.ndarray:
    """(n, 2) the vertices of a polygon. Errors: ValueError for text that is no number, or half a point."""
    listed = outline.findall("pt")
    if listed:
        numbers = [point.findtext(axis, "") for point in listed for axis in ("x", "y")]
    else:
        by_name = {each.tag: each.text or "" for each in outline if _NUMBERED.fullmatch(each.tag)}
        order = sorted(by_name, key=lambda tag: (int(tag[1:]), tag[0]))
        if order[0::2] != [f"x{tag[1:]}" for tag in order[1::2]]:
            raise ValueError("its points are not pairs of numbers")
        numbers = [by_name[tag] for tag in order]
    points = np.array([float(number) for number in numbers], dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is not a number")
    return points


FORMAT = Format("object_xml", "XML files of polygons", is_here, read)
