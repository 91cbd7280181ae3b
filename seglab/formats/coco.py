"""COCO instances JSON and results JSON: polygons, RLE compressed or not, crowd regions; and the ids in them.

One reading of an annotation serves training (`CocoFile`, an index), conversion (annotations that stream by) and
evaluation; one writer serves conversion, the toybox and the crowd regions kept beside label files.
"""

from __future__ import annotations

import functools
import json
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from seglab.class_names import COCO_NAMES
from seglab.errors import SeglabError
from seglab.files import SPLITS, real_files
from seglab.formats.format import Format, ImageEntry, LabelledImage, outline
from seglab.formats.issues import Fault, Issue, merged_issue
from seglab.formats.json_stream import stream_json
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import Ring, bounding_box, clip_rings, orient, ring_area
from seglab.geometry.rle import FAR, Rle, area, compress, packed_areas, rings_to_rle, rle_to_crop
from seglab.sample import Instance
from seglab.wording import pluralize

BORDER = 1.0  # COCO's own polygons reach this many pixels outside their images
LEFT_OUT = "annotation left out"
DECIMALS = 4  # of a pixel in polygons: half of the last is less than MARGIN keeps coordinates off the ties
MARGIN = 1e-4  # pixels between a written coordinate and the next tie of COCO's rounding to fifths
LARGEST_ID = 2**53  # from here on, JSON readers that hold numbers as float64 confuse neighbors
TAIL = 1 << 20  # bytes at the end of a file in which its categories are looked for

_UNUSED_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # of 1 to 90: categories that COCO named and never published
COCO_IDS = dict(zip(COCO_NAMES, (number for number in range(1, 91) if number not in _UNUSED_IDS)))

Id = int | str  # of an image or a category


# Identity: the one rule for ids in every COCO file that seglab writes


def category_ids(names: Mapping[int, str]) -> list[int]:
    """The category id of every class of a dataset that has no COCO JSON to say it.

    COCO's own ids (1 to 90, with gaps) where every name is one of COCO's, each once; else class id + 1. So what is
    found with COCO's names can be scored against COCO's own files, and ids depend on nothing but the names.
    """
    in_order = [names[class_id] for class_id in sorted(names)]
    if len(set(in_order)) == len(in_order) and set(in_order) <= COCO_IDS.keys():
        return [COCO_IDS[name] for name in in_order]
    return list(range(1, len(in_order) + 1))


def image_ids(images: Sequence[Path], known: Mapping[Path, Id] | None = None) -> dict[Path, Id]:
    """The image id of every image of a split; `known` are those that a COCO JSON gives.

    Without any known id: the numbers in the file names, where every name is ASCII digits and no two are the same
    number (COCO's 000000000139.jpg is 139); else 1, 2, 3, ... in the order given. With known ids, the images that
    have none count on from the largest. All ids are distinct, and all numbers, or all text as the known ones are.
    """
    images = list(dict.fromkeys(images))  # one that is listed twice is one image
    if known:
        return dict(known) | _counted_on([image for image in images if image not in known], known.values())
    numbered = [_number_in(image.stem) for image in images]
    if None not in numbered and len(set(numbered)) == len(numbered):
        return {image: number for image, number in zip(images, numbered) if number is not None}
    return {image: number for number, image in enumerate(images, start=1)}


def _counted_on(images: Iterable[Path], known: Iterable[Id]) -> dict[Path, Id]:
    """Ids for images that a COCO JSON does not list: numbers from its largest on, as text if its ids are text."""
    taken = set(known)
    as_text = any(isinstance(number, str) for number in taken)
    following = max((number for number in taken if isinstance(number, int)), default=0) + 1
    ids: dict[Path, Id] = {}
    for image in images:
        while (str(following) if as_text else following) in taken:
            following += 1
        ids[image] = str(following) if as_text else following
        following += 1
    return ids


def _number_in(stem: str) -> int | None:
    """The number that a file name is, if it is nothing else: ASCII digits alone, as other scripts' repeat them."""
    if not (stem.isascii() and stem.isdecimal() and len(stem) <= len(str(LARGEST_ID))):
        return None
    number = int(stem)
    return number if number < LARGEST_ID else None


def file_names(images: Sequence[Path]) -> dict[Path, str]:
    """What each image of a split is called in a COCO file: its path from the folder that all of them have in common."""
    if not images:
        return {}
    try:
        folder = os.path.commonpath([image.parent for image in images])
    except ValueError:  # on several drives, or some paths absolute and some not
        return {image: image.as_posix() for image in images}
    return {image: image.relative_to(folder).as_posix() for image in images}


# Reading an annotation: one reading for training, conversion and the way back


@dataclass
class Annotation:
    """One annotation as the file has it. rings: solid, in pixels, not cut at the border; rle: its mask, or None."""

    class_id: int
    rings: list[Ring]
    rle: Rle | None
    crowd: bool


def read_annotation(
    row: dict, class_of: Mapping[Id, int], size: tuple[float, float]
) -> tuple[Annotation | None, list[Fault]]:
    """An annotation of an image of `size` (height, width) -> (what it says, or None; what is wrong with it)."""
    category = row.get("category_id")
    class_id = None
    if isinstance(category, (int, float, str)):
        class_id = class_of.get(category)  # type: ignore[arg-type]  # 3.0 is found as 3
    if class_id is None:
        return None, [(f"unknown category: id {category} is not in the JSON", LEFT_OUT)]
    shape = row.get("segmentation")
    if isinstance(shape, dict):
        try:
            if tuple(shape["size"]) != size:
                raise ValueError(f"its size is {list(shape['size'])}, but the image's is {list(size)}")
            rle = compress(shape)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            return None, [(f"a mask that cannot be read: {error}", LEFT_OUT)]
        return Annotation(class_id, [], rle, is_crowd(row)), []
    rings, faults = polygons(shape)
    if not rings:
        return None, [*faults, ("no outline: the segmentation is empty", LEFT_OUT)]
    return Annotation(class_id, rings, None, is_crowd(row)), faults


def polygons(segmentation: object) -> tuple[list[Ring], list[Fault]]:
    """The rings of a segmentation that is no RLE, turning either way, and what is wrong with it."""
    rings: list[Ring] = []
    faults: list[Fault] = []
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


def is_crowd(row: dict) -> bool:
    """What an annotation's `iscrowd` means; some tools write it as text, where "0" is true to Python."""
    said = row.get("iscrowd")
    return said.strip().lower() not in ("", "0", "0.0", "false") if isinstance(said, str) else bool(said)


# Reading a file as an index


class CocoFile:
    """One JSON, indexed by image; instances are built when asked for.

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
                f"{path} is not a COCO instances JSON ({type(error).__name__}: {error}): "
                "it needs images, annotations and categories"
            ) from error
        if len({isinstance(image_id, str) for image_id in self._listed}) > 1:
            raise SeglabError(f"{path}: some ids of its images are numbers and some are text: use one type for all")

    def entry(self, image: Path) -> dict | None:
        """What the JSON says of an image file: the entry with the longest file name that its path ends with."""
        name = _composed(image.as_posix())
        while name not in self._by_name and "/" in name:
            name = name.partition("/")[2]
        return self._by_name.get(name)

    def entries(self, images: Iterable[Path]) -> dict[Path, dict]:
        """The entry of every image that the JSON lists, each entry once: the first image that it fits has it."""
        found: dict[Path, dict] = {}
        taken = set()
        for image in images:
            entry = self.entry(image)
            if entry is not None and entry["id"] not in taken:
                taken.add(entry["id"])
                found[image] = entry
        return found

    def instances(self, image: dict, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        """The instances of an entry, whose file has the `size` (height, width), and the issues found on the way.

        Rings are in pixels of the image; crowds are included.
        """
        instances, issues = [], []
        for annotation in self.annotations.get(image["id"], ()):
            found, faults = self._instance(annotation, *size)
            where = f"{self.path} image {image['file_name']} annotation {annotation.get('id', '?')}"
            if faults:
                issues.append(merged_issue(where, 0, faults, found is not None))
            if found is not None:
                instances.append(found)
        return instances, issues

    def unplaced(self) -> list[Issue]:
        """Annotations of images that the JSON does not list, or lists under a file name that another has already."""
        return [
            Issue(
                str(self.path),
                0,
                f"unknown image: {pluralize(len(rows), 'annotation')} of image id {image_id}",
                LEFT_OUT,
                lost=len(rows),
            )
            for image_id, rows in self.annotations.items()
            if image_id not in self._listed
        ]

    def crowds(self) -> list[dict]:
        """The annotations that mark crowd regions, as the file has them, with the box and area of what is read."""
        sizes = {image["id"]: (image.get("height"), image.get("width")) for image in self.images.values()}
        completed = []
        for image_id, rows in self.annotations.items():
            height, width = sizes.get(image_id, (None, None))
            for row in filter(is_crowd, rows):
                found = self._instance(row, height, width)[0] if height and width else None
                if found is not None:
                    mask = found.rle or rings_to_rle(found.rings, height, width)
                    row = row | _measures(found, mask)
                completed.append(row)
        return completed

    def _instance(self, row: dict, height: int, width: int) -> tuple[Instance | None, list[Fault]]:
        read, faults = read_annotation(row, self._class_of, (height, width))
        if read is None:
            return None, faults
        if read.rle is not None:
            x0, y0, crop = rle_to_crop(read.rle)
            if not crop.size:
                return None, [("an empty mask", LEFT_OUT)]
            return Instance(read.class_id, mask_to_rings(crop, x0, y0), read.crowd, read.rle), faults
        rings = list(map(orient, read.rings))
        left, top, right, bottom = bounding_box(rings)
        if min(left, top) < -BORDER or right > width + BORDER or bottom > height + BORDER:
            faults.append(("reaches outside the image", "cut at the border"))
            rings = clip_rings(rings, width, height)
        if not rings:
            return None, [*faults, ("no outline: the segmentation is empty", LEFT_OUT)]
        return Instance(read.class_id, rings, read.crowd), faults


def file_name(image: dict) -> PurePosixPath:
    """The path of an image entry; halves of surrogate pairs, which JSON can hold, are in no file's name."""
    return PurePosixPath(str(image["file_name"]).replace("\\", "/").encode(errors="replace").decode())


def _composed(name: str) -> str:
    """A name in one spelling: Mac disks may say u and two dots where a JSON says ü."""
    return unicodedata.normalize("NFC", name)


def read_coco(path: str | Path) -> CocoFile:
    """The index of a COCO JSON; the same one again as long as the file does not change."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: give the path of a COCO instances JSON")
    return _read(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _read(path: Path, modified: int) -> CocoFile:
    return CocoFile(path)


# Reading a file as a stream


def coco_categories(path: Path) -> list[dict]:
    """The categories of a COCO JSON, from the file's last TAIL bytes where they stand there, as in COCO's own files.

    Errors: SeglabError when there are none, or one lacks its id or name.
    """
    categories = _categories_at_the_end(path) or _list(path, "categories")
    return list(_checked(path, "categories", ("id", "name"), categories))


def coco_images(path: Path) -> Iterator[dict]:
    """Yield the images of a COCO JSON; where they come first, as in COCO's own files, the annotations stay unread.

    Errors: SeglabError when there are none, or one lacks its id or file name.
    """
    return _checked(path, "images", ("file_name", "id"), _list(path, "images"))


def _list(path: Path, name: str) -> Iterator[Any]:
    """Yield the items of one list of a JSON; what comes behind it stays unread."""
    found = False
    for key, item in stream_json(path):
        if key == name:
            found = True
            yield item
        elif found:
            break


def _checked(path: Path, key: str, needed: tuple[str, str], items: Iterable[Any]) -> Iterator[dict]:
    is_text = set()
    for item in items:
        if not isinstance(item, dict) or not item.keys() >= set(needed):
            raise SeglabError(f"{path}: its {key} need {' and '.join(needed)}: add them, or write the JSON again")
        if isinstance(item["id"], (dict, list)):
            raise SeglabError(f"{path}: the id {item['id']} among its {key} must be a number or text")
        is_text.add(isinstance(item["id"], str))
        if len(is_text) > 1:
            raise SeglabError(f"{path}: some ids of its {key} are numbers and some are text: use one type for all")
        yield item
    if not is_text:
        raise SeglabError(f"{path} is not a COCO instances JSON: it has no {key}; give one with images and categories")


def _categories_at_the_end(path: Path) -> list[dict]:
    """The categories, if they are a member of the outermost object within the last TAIL bytes; else nothing."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        text = file.read().decode("utf-8", errors="ignore")
    name = text.rfind('"categories"')
    if name < 0:
        return []
    try:
        # Read as the end of an object: only the outermost one closes with the file.
        return json.loads("{" + text[name:])["categories"]
    except (ValueError, KeyError):
        return []


# Reading the two files of an evaluation


def read_ground_truth(path: str | Path) -> dict:
    """The content of a COCO instances JSON. Errors: FileNotFoundError; SeglabError for a file of another form."""
    content = _read_json(path)
    if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
        raise SeglabError(f"{path} is not a COCO instances file: it needs images, annotations and categories")
    if not content["categories"]:
        raise SeglabError(f"{path} has no categories, so there is nothing to average over: add them")
    return content


def read_results(path: str | Path) -> list:
    """The rows of a COCO results JSON. Errors: FileNotFoundError; SeglabError for a file of another form."""
    content = _read_json(path)
    if not isinstance(content, list):
        raise SeglabError(f"{path} is not a COCO results file: it must be a list of detections")
    return content


def _read_json(path: str | Path) -> Any:
    if not Path(path).is_file():
        raise FileNotFoundError(f"no file {path}: give the path of a COCO JSON")
    try:
        return json.loads(Path(path).read_bytes())
    except ValueError as error:
        raise SeglabError(f"{path} is not a JSON file ({error}): write it again") from error


def draw_rows(rows: list[dict], size: tuple[int, int]) -> tuple[list[dict], np.ndarray]:
    """Masks and areas (N,) of rows of a COCO file of one image of `size` (height, width), polygons and boxes drawn.

    Errors: ValueError and TypeError for a shape that cannot be drawn, and for an RLE that is damaged.
    """
    masks: list[Rle] = []
    areas = np.zeros(len(rows))
    strings: dict[int, str] = {}  # packed counts, whose areas are taken all at once
    for place, row in enumerate(rows):
        shape = row.get("segmentation")
        if shape == []:
            raise SeglabError(f"an instance of image {row['image_id']} has an empty segmentation: give it an outline")
        if shape is None:
            x, y, w, h = row["bbox"]
            shape = [[x, y, x, y + h, x + w, y + h, x + w, y]]
        if isinstance(shape, list):
            _refuse_undrawable(shape)
            shape = coco_mask.merge(coco_mask.frPyObjects(shape, *size))
        elif tuple(shape["size"]) != size:
            raise ValueError(f"its mask has the size {shape['size']}, but the image {list(size)}")
        elif isinstance(shape["counts"], str):
            strings[place] = shape["counts"]
        else:
            shape = compress(shape)
        if place not in strings:
            areas[place] = coco_mask.area(shape)
        masks.append(shape)
    areas[list(strings)] = packed_areas(list(strings.values()), size[0] * size[1])
    return masks, areas


def _refuse_undrawable(parts: list[list[float]]) -> None:
    """Errors: ValueError or TypeError for polygons that COCO's rasterizer refuses, or would walk along for hours."""
    numbers = np.concatenate(parts)
    if numbers.ndim != 1 or min(map(len, parts)) < 4 or not (np.abs(numbers) <= FAR).all():
        raise ValueError(f"an outline is a list of at least 3 points x, y within {FAR:,} pixels")


def same_file(one: str, other: str) -> bool:
    """Whether two file names of COCO files mean one image: one may have more folders in front than the other."""
    parts, others = (PurePosixPath(_composed(name.replace("\\", "/"))).parts for name in (one, other))
    shared = min(len(parts), len(others))
    return parts[-shared:] == others[-shared:] if shared else not parts and not others


# Writing


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
        **_measures(found, mask),
        "iscrowd": int(found.crowd),
    }


def _measures(found: Instance, mask: Rle) -> dict:
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


# The format


def json_files(source: Path) -> list[Path]:
    """The COCO JSON files of a source: itself, or those directly in the folder, `instances_...` alone if there are."""
    if source.is_file():
        return [source] if source.suffix.lower() == ".json" else []
    files = sorted(real_files(source.glob("*.json")))
    return [file for file in files if file.name.startswith("instances_")] or files


def is_here(source: Path) -> bool:
    """Whether this is a COCO instances JSON, or a folder with some."""
    for file in json_files(source):
        for key, _ in stream_json(file):
            if key in ("images", "annotations", "categories"):
                return True
            if key == "shapes":  # Labelme
                return False
    return False


def split_of(file: Path) -> str:
    """The split that the name of a COCO JSON says: instances_val2017.json -> val; train where it says none."""
    return next((split for split in SPLITS if split in file.stem), "train")


class CocoSource:
    """The labels of one or several COCO JSON files."""

    issues: tuple[Issue, ...] = ()

    def __init__(self, files: Sequence[Path], images: Path | None):
        self._files = {file: read_coco(file) for file in files}
        self.names = next(iter(self._files.values())).names
        if any(coco.names != self.names for coco in self._files.values()):
            raise SeglabError(f"{', '.join(map(str, files))} have different categories: use one of them at a time")
        self.entries: list[ImageEntry] = []
        self._image: dict[ImageEntry, dict] = {}
        for file, coco in self._files.items():
            folder = images or file.parent
            for name, image in coco.images.items():
                place = folder / name
                entry = ImageEntry(place if place.is_file() else None, split_of(file), (file, Path(name)))
                self.entries.append(entry)
                self._image[entry] = image

    def load(self, entry: ImageEntry) -> LabelledImage:
        file, image = entry.files[0], self._image[entry]
        size = image["height"], image["width"]
        instances, issues = self._files[file].instances(image, size)
        return LabelledImage(entry.image, file_name(image).as_posix(), entry.split, size, instances, issues)


def read(source: Path, images: Path | None = None) -> CocoSource:
    """The labels of a COCO JSON or a folder of them. images: the folder that file names are relative to."""
    return CocoSource(json_files(source), images)


def write(out: Path, names: Mapping[int, str], images: Iterable[LabelledImage]) -> None:
    """Write one COCO JSON of all images, under the ids of `category_ids` and `image_ids`."""
    labelled = [image for image in images if image.file is not None]
    places = [Path(image.name) for image in labelled]
    ids = image_ids(places)
    categories = category_ids(names)
    entries = [image_entry(ids[place], image.name, image.size) for place, image in zip(places, labelled)]

    def annotations() -> Iterator[dict]:
        number = 0
        for place, image in zip(places, labelled):
            for found in image.instances:
                number += 1
                yield annotation_entry(number, ids[place], categories[found.class_id], found, image.size)

    write_coco(out, entries, annotations(), category_entries(categories, names.values()))


FORMAT = Format("coco", "COCO instances JSON", is_here, read, write)
