"""CVAT's own XML: "CVAT for images 1.1" with the shapes of every image, and "CVAT for video 1.1" with tracks.

    export/annotations.xml        polygons, boxes, ellipses and masks of images/a.jpg, with CVAT's labels
    export/images/a.jpg           in folders of their own, where the task has subsets

Shapes of one label and one group are parts of one instance. In a mask, runs go along the rows of its rectangle, zeros
first: https://docs.cvat.ai/docs/other/xml_format.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from seglab.errors import SeglabError
from seglab.files import files_of_suffix
from seglab.formats.format import Format, ImageEntry, LabeledImage, outline
from seglab.formats.image_names import composed
from seglab.formats.image_search import image_files, plain_names, search_from, split_of
from seglab.formats.issues import Issue, left_out
from seglab.formats.shapes import MAX_PAINTED, as_rectangle, ellipse, painted, polygon, put_together, rectangle, turned
from seglab.formats.text_files import read_xml
from seglab.formats.yolo import place_image
from seglab.geometry.polygons import Ring, ring_area
from seglab.geometry.rle import Rle, area, rings_to_rle, rle_to_crop
from seglab.sample import Instance

Element = ElementTree.Element
SHAPES = ("polygon", "box", "ellipse", "mask", "polyline", "points", "cuboid", "skeleton")
ALIKE = {"xtl", "xbr", "ytl", "ybr", "cx", "cy", "rx", "ry"}
ROOT_BYTES = 4096  # of a file's start, in which its outermost element stands


@dataclass(frozen=True)
class Frame:
    """One image of an XML. name: as CVAT calls it; size: (height, width)."""

    name: str
    subset: str
    size: tuple[int, int]
    shapes: tuple[Element, ...]


def is_here(source: Path) -> bool:
    """Whether this is an annotations.xml of CVAT, or a folder with some."""
    return any(map(_is_cvat, files_of_suffix(source, ".xml")))


def _is_cvat(file: Path) -> bool:
    """Whether the outermost element is CVAT's; <annotation> without s, of VOC's boxes, is not."""
    start = file.read_bytes()[:ROOT_BYTES].replace(b"\0", b"")
    return re.search(rb"<annotations[\s>]", start) is not None


def read(source: Path, images: Path | None = None) -> CvatSource:
    """The labels of an annotations.xml, or of a folder with some. images: the folder of the images."""
    return CvatSource(source, images)


class CvatSource:
    """CVAT's XML files; class names in the order of the task's labels, then others that shapes have."""

    def __init__(self, source: Path, images: Path | None):
        self._search = search_from(source, images)
        self._frames: dict[ImageEntry, Frame] = {}
        self._issues: list[Issue] = []
        names: dict[str, None] = {}
        for file in filter(_is_cvat, files_of_suffix(source, ".xml")):
            root = read_xml(file)
            labels = [composed(label.findtext("name", "")).strip() for label in root.findall("./meta//labels/label")]
            names |= dict.fromkeys(filter(None, labels))
            for frame in _frames(root, file, images):
                names |= dict.fromkeys(label for shape in frame.shapes if (label := _label(shape)))
                image = self._search.find(frame.name, file.parent)
                split = split_of([frame.subset, *Path(frame.name).parts[:-1]])
                self._frames[ImageEntry(image, split, (file, Path(frame.name)))] = frame
        # A task that is exported without its unlabeled images lists them as well: they are images without instances.
        self.entries = list(self._frames)
        self.names = dict(enumerate(names))
        self._class_of = {name: class_id for class_id, name in self.names.items()}
        self._names = plain_names([(entry.split, entry.image or entry.files[1]) for entry in self.entries])

    @property
    def issues(self) -> list[Issue]:
        return [*self._issues, *self._search.issues()]

    def load(self, entry: ImageEntry) -> LabeledImage:
        frame = self._frames[entry]
        file, name = entry.files
        instances, issues = _instances(frame, self._class_of, f"{file} image {name.as_posix()}")
        title = self._names[entry.image or name]
        if entry.image is None:
            message = f"missing image: no file {name.name}, or several, below {file.parent}"
            issues.append(left_out(f"{file} image {name.as_posix()}", message, len(instances)))
            instances = []
        return LabeledImage(entry.image, title, entry.split, frame.size, instances, issues)


# Images, and frames of a video


def _frames(root: Element, file: Path, images: Path | None) -> list[Frame]:
    """The images of a file. Errors: SeglabError for sizes that are no numbers."""
    try:
        frames = []
        for image in root.iter("image"):
            size = int(image.get("height", "")), int(image.get("width", ""))
            shapes = tuple(shape for shape in image if shape.tag in SHAPES)
            frames.append(Frame(image.get("name", ""), image.get("subset", ""), size, shapes))
        return frames or _video_frames(root, images or file.parent)
    except ValueError as error:
        raise SeglabError(
            f"{file} has an image whose size is not a number ({error}): export it again from CVAT"
        ) from error


def _video_frames(root: Element, folder: Path) -> list[Frame]:
    """The frames of a video's tracks, those without a shape too, as far as their images are in a folder."""
    size = root.find("./meta//original_size")
    if size is None:
        return []
    height, width = int(size.findtext("height", "")), int(size.findtext("width", ""))
    shapes: dict[int, list[Element]] = defaultdict(list)
    for track in root.iter("track"):
        for shape in track:
            if shape.tag in SHAPES and shape.get("outside") != "1":
                shape.set("label", track.get("label", ""))
                if track.get("group_id"):
                    shape.set("group_id", track.get("group_id", ""))
                shapes[int(shape.get("frame", ""))].append(shape)
    numbered = {}
    for image in image_files(folder):
        digits = re.search(r"(\d+)\D*$", image.stem)
        if digits:
            numbered[int(digits[1])] = image
    frames = sorted(shapes.keys() | numbered.keys())
    names = {number: str(numbered.get(number, f"frame_{number:06}.PNG")) for number in frames}
    return [Frame(names[number], "", (height, width), tuple(shapes[number])) for number in frames]


# Shapes


def _instances(frame: Frame, class_of: Mapping[str, int], where: str) -> tuple[list[Instance], list[Issue]]:
    """The shapes of one image, those of one label and group put together, in the order of the file."""
    parts: dict[tuple[str, str], list[tuple[str, Element]]] = defaultdict(list)
    for number, shape in enumerate(frame.shapes, start=1):
        group = shape.get("group_id", "0")
        key = f"shape {number}" if group == "0" else f"group {group}"
        parts[_label(shape), key].append((f"{where} shape {number}", shape))

    instances: list[Instance] = []
    issues: list[Issue] = []
    for (label, _), members in parts.items():
        rings: list[Ring] = []
        masks: list[Rle] = []
        if not label:
            issues += [left_out(place, "no class: the shape has no label; give it one in CVAT") for place, _ in members]
            continue
        for place, shape in members:
            try:
                found = _mask(shape, frame.size) if shape.tag == "mask" else _ring(shape)
            except (ValueError, OverflowError) as error:
                issues.append(left_out(place, f"damaged {shape.tag}: {error}"))
                continue
            if found is None:
                issues.append(left_out(place, f"no area: a {shape.tag}"))
            elif isinstance(found, dict):
                masks.append(found)
            else:
                rings.append(found)
            if found is not None and shape.tag == "box":
                issues.append(as_rectangle(place, "box"))
        whole = put_together(class_of[label], rings, masks, frame.size)
        if whole is not None:
            instances.append(whole)
    return instances, issues


def _ring(shape: Element) -> Ring | None:
    """The outline of a shape; None for one without an area. Errors: ValueError for text that is no number."""
    numbers = {key: float(value) for key, value in shape.items() if key in ALIKE}
    degrees = float(shape.get("rotation", "0"))
    if shape.tag == "polygon":
        points = [point.split(",") for point in shape.get("points", "").split(";") if point.strip()]
        if any(len(point) != 2 for point in points):
            raise ValueError("its points are not pairs of numbers")
        return polygon(np.array(points, dtype=np.float64).reshape(-1, 2))
    if shape.tag == "box" and numbers.keys() >= {"xtl", "ytl", "xbr", "ybr"}:
        corners = rectangle(*(numbers[key] for key in ("xtl", "ytl", "xbr", "ybr")))
        center = (numbers["xtl"] + numbers["xbr"]) / 2, (numbers["ytl"] + numbers["ybr"]) / 2
        return corners if corners is None else turned(corners, center, degrees)
    if shape.tag == "ellipse" and numbers.keys() >= {"cx", "cy", "rx", "ry"}:
        return ellipse((numbers["cx"], numbers["cy"]), (numbers["rx"], numbers["ry"]), degrees)
    return None


def _mask(shape: Element, size: tuple[int, int]) -> Rle | None:
    """The mask of a shape; None for one without a pixel in the image. Errors: ValueError for one that is damaged."""
    left, top, width, height = (int(float(shape.get(key, ""))) for key in ("left", "top", "width", "height"))
    counts = np.array([int(count) for count in shape.get("rle", "").split(",")], dtype=np.int64)
    pixels = int(size[0] * size[1])
    most = min(4 * pixels, MAX_PAINTED)
    if width <= 0 or height <= 0 or width * height > most or (counts < 0).any() or (counts > most).any():
        raise ValueError(f"{width} x {height} pixels is not a valid size")
    if counts.sum() != width * height:
        raise ValueError(f"its runs add up to {counts.sum()} pixels, not {width} x {height}")
    values = np.arange(len(counts)) % 2 == 1
    crop = np.repeat(values, counts).reshape(height, width)
    rle = painted(left, top, crop, size)
    return rle if area(rle) else None


# Writing


def write(out: Path, names: Mapping[int, str], images: Iterable[LabeledImage]) -> None:
    """Write a new folder of images with one annotations.xml, to be uploaded as "CVAT 1.1" into a task of the images.

    An instance with a hole, or with an exact mask, is a mask there; every other one is a polygon, or a group of them.
    """
    out.mkdir(parents=True)
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), "labels")
    for name in names.values():
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "attributes")
    number = 0
    for labeled in images:
        if labeled.file is None:
            continue
        place_image(labeled.file, out / labeled.name)
        height, width = labeled.size
        about = {"id": str(number), "name": labeled.name, "subset": labeled.split}
        image = ElementTree.SubElement(root, "image", about, width=str(width), height=str(height))
        for group, found in enumerate(labeled.instances, start=1):
            _add_shapes(image, found, names[found.class_id], group, labeled.size)
        number += 1
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(out / "annotations.xml", encoding="utf-8", xml_declaration=True)


def _label(shape: Element) -> str:
    return composed(shape.get("label", ""))


def _add_shapes(image: Element, found: Instance, label: str, number: int, size: tuple[int, int]) -> None:
    """The shapes that an instance is to CVAT; several have its number as their group."""
    rings = outline(found)
    about = {"label": label, "source": "auto", "occluded": "0", "z_order": "0"}
    if found.rle is not None or min(map(ring_area, rings)) < 0:
        x0, y0, crop = rle_to_crop(found.rle or rings_to_rle(rings, *size))
        counts = _runs(crop)
        place = {"left": x0, "top": y0, "width": crop.shape[1], "height": crop.shape[0]}
        about |= {"rle": ", ".join(map(str, counts))} | {key: str(value) for key, value in place.items()}
        ElementTree.SubElement(image, "mask", about)
        return
    if len(rings) > 1:
        about["group_id"] = str(number)
    for ring in rings:
        points = ";".join(f"{x!r},{y!r}" for x, y in ring.tolist())
        ElementTree.SubElement(image, "polygon", about, points=points)


def _runs(crop: np.ndarray) -> list[int]:
    """The lengths of the runs along the rows of a (h, w) bool mask, zeros first."""
    values = np.concatenate(([False], crop.ravel()))
    changes = np.flatnonzero(values[1:] != values[:-1])
    return np.diff(changes, prepend=0, append=crop.size).tolist()


FORMAT = Format("cvat", "CVAT XML", is_here, read, write)
