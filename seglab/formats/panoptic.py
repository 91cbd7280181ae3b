"""COCO panoptic: a JSON of segments, and a PNG an image in which the color of every pixel is the id of its segment.

    annotations/panoptic_val2017.json                images, annotations with segments_info, categories
    annotations/panoptic_val2017/000000000139.png    id = red + 256 * green + 65,536 * blue
    val2017/000000000139.jpg                         the images, wherever they lie below

Categories that are no things (isthing 0, such as sky) have no instances, and are no classes.
https://cocodataset.org/#format-data
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seglab.errors import SeglabError
from seglab.files import open_regular, real_files, split_named
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_search import ImageSearch, search_from
from seglab.formats.issues import Issue, left_out
from seglab.formats.mask_pixels import read_values, regions_of
from seglab.formats.masks import with_image
from seglab.formats.text_files import read_json
from seglab.geometry.rle import crop_to_rle
from seglab.sample import Instance

FIRST_BYTES = 1 << 16  # of the annotations, in which the first one stands
CHUNK = 1 << 20  # bytes
KEY = b'"annotations"'
Json = dict[str, Any]


def is_here(source: Path) -> bool:
    """Whether this is a JSON of segments, or a folder with some, or with a folder `annotations` of them."""
    return bool(_files(source))


def _files(source: Path) -> list[Path]:
    folders = [source, source / "annotations"] if source.is_dir() else []
    inside = (file for each in folders for file in each.glob("*.json"))
    files = [source] if source.is_file() else sorted(real_files(inside))
    return [file for file in files if file.suffix.lower() == ".json" and file.is_file() and is_panoptic(file)]


def is_panoptic(file: Path) -> bool:
    """Whether the first annotation of a JSON has segments. Only so much of a large file is read."""
    text = b""
    with open_regular(file) as opened:
        while chunk := opened.read(CHUNK):
            text = text[-len(KEY) :] + chunk
            at = text.find(KEY)
            if at >= 0:
                return b'"segments_info"' in text[at:] + opened.read(FIRST_BYTES)
    return False


def read(source: Path, images: Path | None = None) -> PanopticSource:
    """The labels of a JSON of segments, or of a folder with some. images: the folder of the images."""
    return PanopticSource(source, images)


class PanopticSource:
    """JSON files of segments, a split each, as their names say; class names are those of the things in them."""

    def __init__(self, source: Path, images: Path | None):
        self._images = images
        self._searches: list[ImageSearch] = []
        self._segments: dict[Path, dict[int, Json]] = {}  # mask image -> id -> segment
        self.entries: list[ImageEntry] = []
        names: dict[Any, str] = {}
        self._stuff: dict[Any, str] = {}
        for file in _files(source):
            try:
                self._add(file, names)
            except (KeyError, TypeError, AttributeError) as error:
                raise SeglabError(f"{file} is not a valid panoptic JSON ({error!r}): export it again") from error
        self.names = dict(enumerate(dict.fromkeys(names.values())))
        number_of = {name: class_id for class_id, name in self.names.items()}
        self._class_of = {category: number_of[name] for category, name in names.items()}

    def _add(self, file: Path, names: dict[Any, str]) -> None:
        """List the images of a file, and add its things to `names`."""
        content = read_json(file)
        for category in content["categories"]:
            is_thing = bool(category.get("isthing", 1))
            (names if is_thing else self._stuff)[category["id"]] = str(category["name"])
        said = {image["id"]: str(image["file_name"]) for image in content["images"]}
        masks = file.with_suffix("") if file.with_suffix("").is_dir() else file.parent
        search = _search(file, self._images)
        self._searches.append(search)
        for row in content["annotations"]:
            mask = masks / str(row["file_name"])
            image = search.find(said[row["image_id"]]) if row["image_id"] in said else None
            if image is not None and image.is_relative_to(masks) and masks != file.parent:
                image = None  # the mask itself, where its image is missing
            self._segments[mask] = {segment["id"]: segment for segment in row["segments_info"]}
            hash(tuple(segment["category_id"] for segment in row["segments_info"]))  # a list would be no id: TypeError
            self.entries.append(ImageEntry(image, split_named(file.stem) or "train", (mask, file)))

    @property
    def issues(self) -> list[Issue]:
        notes = [note for search in self._searches for note in search.issues()]
        if self._stuff and self.entries:
            message = f"categories that are no things: {', '.join(self._stuff.values())}"
            notes.append(Issue(str(self.entries[0].files[1]), 0, message, "left out: they have no instances", "note"))
        return notes

    def load(self, entry: ImageEntry) -> LabeledImage:
        mask = entry.files[0]
        if not mask.is_file():
            issue = left_out(str(mask), "missing mask: the file is not there", len(self._segments[mask]))
            return LabeledImage(None, mask.stem, entry.split, (1, 1), [], [issue])
        values, by_color = read_values(mask)
        height, width = values.shape
        instances: list[Instance] = []
        issues: list[Issue] = []
        segments = self._segments[mask]
        for value, x0, y0, crop in regions_of(values, mask):
            segment = segments.get(_segment_id(value) if by_color else value)
            fault = _fault(segment, self._class_of, self._stuff)
            if fault:
                issues.append(left_out(f"{mask} color {value:06x}", fault))
            elif segment is not None and segment["category_id"] in self._class_of:
                rle = crop_to_rle(x0, y0, crop, height, width)
                is_crowd = bool(segment.get("iscrowd"))
                instances.append(Instance(self._class_of[segment["category_id"]], [], crowd=is_crowd, rle=rle))
        return with_image(entry, (height, width), instances, issues)


def _search(file: Path, images: Path | None) -> ImageSearch:
    """A search for the images of a JSON: in a folder called like it first, since masks have the same names."""
    if images is not None:
        return search_from(file.parent, images)
    top = file.parent.parent if file.parent.name.lower() == "annotations" else file.parent
    part = file.stem.removeprefix("panoptic_")
    places = [top / part, top / "images" / part, top / "images", top]
    return ImageSearch(places, places, file)


def _fault(segment: Json | None, class_of: Mapping[Any, int], stuff: Mapping[Any, str]) -> str:
    """Why an area of one color is of no class, or ""."""
    if segment is None:
        return "unknown segment: the JSON has none of this color"
    category = segment.get("category_id")
    is_known = category in class_of or category in stuff
    return "" if is_known else f"unknown category: id {category} is not in the JSON"


def _segment_id(color: int) -> int:
    """The id that a packed color stands for."""
    red = color >> 16
    green = color >> 8 & 255
    blue = color & 255
    return red + 256 * green + 65536 * blue


FORMAT = Format("panoptic", "COCO panoptic", is_here, read)
