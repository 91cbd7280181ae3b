"""COCO instances JSON: read as an index or as a stream, and the results JSON that is scored against one.

`CocoFile` is an index, for training; conversion lets annotations stream by. What an annotation says is read by
`coco_shapes`, ids by `coco_ids`, and `coco_writer` writes such files.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from seglab.errors import UNREADABLE, SeglabError
from seglab.files import SPLITS, real_files
from seglab.formats.coco_ids import ById, Id, category_ids, counted_on, image_ids, in_order, refuse_no_id
from seglab.formats.coco_shapes import (
    BORDER,
    LEFT_OUT,
    Frame,
    frame_fault,
    frame_of,
    is_crowd,
    read_annotation,
    stated_size,
)
from seglab.formats.coco_writer import annotation_entry, category_entries, image_entry, measures, write_coco
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_names import composed, match_by_base_name, match_by_stem, plain_path
from seglab.formats.image_search import search_from
from seglab.formats.issues import Fault, Issue, left_out, merged_issue, other_size
from seglab.formats.json_stream import stream_json
from seglab.formats.text_files import LATIN, json_encoding, read_json
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import bounding_box, clip_rings, orient
from seglab.geometry.rle import rings_to_rle, rle_to_crop
from seglab.sample import Instance
from seglab.sizes import Size
from seglab.wording import one_line, pluralize

TAIL = 1 << 20  # bytes at the end of a file in which its categories are looked for
ALL_CROWD = ("all annotations are iscrowd=1, as some tools write masks", "read as instances")
MANY_CROWDS = 0.1  # of the annotations: COCO's own files have a hundredth, CVAT's one for every painted mask
SOME_CROWD = (
    "neither trained on nor scored; where they are masks of single instances, set their iscrowd to 0 in the file"
)
NEEDED = {"images": ("file_name", "id"), "categories": ("id", "name")}  # what every item of a list has


# Reading a file as an index


class CocoFile:
    """One JSON, indexed by image; instances are built when asked for.

    names: class id (0 to n-1) -> category name, in the order of the sorted category ids (which have gaps in COCO), or
    the `classes` of a dataset, where the categories are all among them, by name; category_ids: class id -> category id;
    images: file name -> the first of the JSON's entries of it, sorted.
    crowds_only: the file holds nothing but the crowd regions of a dataset whose instances are elsewhere; of others,
    one whose annotations are all marked as crowds holds instances.
    Errors: SeglabError when the file is no COCO instances JSON.
    """

    def __init__(self, path: str | Path, crowds_only: bool = False, classes: Sequence[str] = ()):
        self.path = Path(path)
        content = read_json(self.path)
        if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
            raise _not_instances(path, content)
        listed = list(checked(self.path, "images", content["images"]))
        first: dict[Id, dict] = {}
        for image in listed:
            first.setdefault(image["id"], image)
        images: dict[str, dict] = {}
        self._sharing: list[tuple[PurePosixPath, dict]] = []  # names, and the entries before them that have their ids
        for image in listed:
            if file_name(first[image["id"]]) == file_name(image):
                images.setdefault(file_name(image).as_posix(), image)
            else:
                self._sharing.append((file_name(image), first[image["id"]]))
        self.images = dict(sorted(images.items()))
        self._by_name = {composed(name): image for name, image in self.images.items()}
        self._ids = ById({image["id"]: image["id"] for image in self.images.values()})
        every = content["annotations"] or []
        rows = [row for row in every if isinstance(row, dict) and not isinstance(row.get("image_id"), (dict, list))]
        self._without_image = len(every) - len(rows)
        self.annotations: dict[Id, list[dict]] = defaultdict(list)  # under the ids that the list of images has
        for row in rows:
            image_id = row.get("image_id")
            known = self._ids.get(image_id)
            self.annotations[image_id if known is None else known].append(row)  # type: ignore[index]

        used = ById(dict.fromkeys(map(_category_of, rows), True))
        categories = _distinct(self.path, content["categories"])
        categories = _without_parent(categories, lambda number: bool(used.get(number)))
        self.names = dict(enumerate(map(category_name, categories)))
        self.category_ids: list[Id] = [category["id"] for category in categories]
        self._class_of = class_of(self.category_ids)
        self._category_faults = category_faults(categories)
        if classes and list(classes) != list(self.names.values()) and _are_distinct(self.names.values(), classes):
            self._renumber(classes)
        self._crowds_only = crowds_only
        self._all_crowd = bool(rows) and not crowds_only and all(map(is_crowd, rows))

    def _renumber(self, classes: Sequence[str]) -> None:
        """Take the class ids of a dataset, in which this file's categories are found by name."""
        own = dict(zip(self.names.values(), self.category_ids))
        self._class_of = ById({number: classes.index(name) for name, number in own.items()})
        # A class that the file lacks needs an id that no other has.
        further = counted_on(own.values())
        self.category_ids = [own[name] if name in own else next(further) for name in classes]
        self.names = dict(enumerate(classes))

    def entries(self, images: Iterable[Path]) -> dict[Path, dict]:
        """The entry of every image that the JSON lists, each entry once: the first image that it fits has it.

        An image has the entry with the longest file name that its path ends with; where there is none, the one whose
        last part is the image's name, with its suffix or else without, if there is no doubt (`image_names`).
        """
        images = list(dict.fromkeys(images))
        found: dict[Path, dict] = {}
        taken = set()
        for image in images:
            entry = self._entry_by_path(image)
            if entry is not None and entry["id"] not in taken:
                taken.add(entry["id"])
                found[image] = entry
        for match in (match_by_base_name, match_by_stem):
            missed = [file_name(entry) for entry in self.images.values() if entry["id"] not in taken]
            others = [image for image in images if image not in found]
            matched = match(missed, others) if missed and others else {}
            found |= {image: self.images[name.as_posix()] for name, image in matched.items()}
            taken |= {found[image]["id"] for image in matched.values()}
        return found

    def _entry_by_path(self, image: Path) -> dict | None:
        name = composed(image.as_posix())
        while name not in self._by_name and "/" in name:
            name = name.partition("/")[2]
        return self._by_name.get(name)

    def instances(self, image: dict, size: Size, orientation: int = 1) -> tuple[list[Instance], list[Issue]]:
        """The instances of an entry, whose upright file has the `size` (height, width), and the issues found.

        orientation: of the file's EXIF; it matters where the JSON swaps width and height. Rings are in pixels of the
        upright image; crowds are included.
        """
        rows = self.annotations.get(image["id"], [])
        where = f"{self.path} image {image['file_name']}"
        stated = stated_size(image)
        frame = frame_of(stated, size, orientation)
        if frame is None and stated is not None:
            return [], [other_size(where, stated, size, len(rows))]
        assert frame is not None, "no frame without a stated size"

        instances: list[Instance] = []
        issues: list[Issue] = []
        if fault := frame_fault(frame):
            issues.append(Issue(where, 0, *fault))
        first_row: dict[tuple, dict] = {}  # shape -> the first annotation that has it
        for row in rows:
            found, faults = self._instance(row, frame)
            if found is not None:
                first = first_row.setdefault(_shape_of(found), row)
                if first is not row:
                    message = f"duplicate annotation: the same as {first.get('id', 'an earlier one')}"
                    issues.append(left_out(f"{where} annotation {row.get('id', '?')}", message))
                    continue
            if faults:
                issues.append(merged_issue(f"{where} annotation {row.get('id', '?')}", 0, faults, found is not None))
            if found is not None:
                instances.append(found)
        return instances, issues

    def unplaced(self) -> list[Issue]:
        """What concerns no image alone: annotations of images that the JSON does not list, or lists under a file name
        that another has already; and how the whole file was read."""
        issues: list[Issue] = []
        listed = {image["id"] for image in self.images.values()}
        for image_id, rows in self.annotations.items():
            if image_id not in listed:
                message = f"unknown image: {pluralize(len(rows), 'annotation')} of image id {image_id}"
                issues.append(Issue(str(self.path), 0, message, LEFT_OUT, lost=len(rows)))
        if self._without_image:
            message = f"no image_id: {pluralize(self._without_image, 'annotation')} without one"
            issues.append(Issue(str(self.path), 0, message, LEFT_OUT, lost=self._without_image))
        for name, other in self._sharing:
            message = f"one id for two images: {other['id']} is that of {file_name(other)} and of {name}"
            issues.append(Issue(str(self.path), 0, message, f"{name} left out; give each image an id of its own"))
        issues += [Issue(str(self.path), 0, *fault) for fault in self._category_faults]
        if self._all_crowd:
            issues.append(Issue(str(self.path), 0, *ALL_CROWD, "note"))
        crowds = sum(is_crowd(row) for rows in self.annotations.values() for row in rows)
        count = sum(map(len, self.annotations.values()))
        if not self._crowds_only and count * MANY_CROWDS < crowds < count:
            message = f"crowd regions besides instances: {crowds} of {count} annotations are iscrowd=1"
            issues.append(Issue(str(self.path), 0, message, SOME_CROWD, "note"))
        return issues

    def crowds(self) -> list[dict]:
        """The annotations that mark crowd regions, with the ids that the JSON's lists have, and the box and area of
        what is read."""
        if self._all_crowd:
            return []
        sizes = {image["id"]: stated_size(image) for image in self.images.values()}
        completed = []
        for image_id, rows in self.annotations.items():
            size = sizes.get(image_id)
            for row in filter(is_crowd, rows):
                found = self._instance(row, Frame(size))[0] if size else None
                if found is not None and size:
                    mask = found.rle or rings_to_rle(found.rings, *size)
                    ids = {"image_id": image_id, "category_id": self.category_ids[found.class_id]}
                    row = row | ids | measures(found, mask)
                completed.append(row)
        return completed

    def _instance(self, row: dict, frame: Frame) -> tuple[Instance | None, list[Fault]]:
        read, faults = read_annotation(row, self._class_of, frame)
        if read is None:
            return None, faults
        crowd = read.crowd and not self._all_crowd
        if read.rle is not None:
            x0, y0, crop = rle_to_crop(read.rle)
            if not crop.size:
                return None, [("an empty mask", LEFT_OUT)]
            return Instance(read.class_id, mask_to_rings(crop, x0, y0), crowd, read.rle), faults
        height, width = frame.size
        rings = list(map(orient, read.rings))
        left, top, right, bottom = bounding_box(rings)
        if min(left, top) < -BORDER or right > width + BORDER or bottom > height + BORDER:
            faults.append(("reaches outside the image", "cut at the border"))
            rings = clip_rings(rings, width, height)
        if not rings:
            return None, [*faults, ("no outline: the segmentation is empty", LEFT_OUT)]
        return Instance(read.class_id, rings, crowd), faults


def _shape_of(instance: Instance) -> tuple:
    """What two annotations of one instance have in common."""
    outlines = tuple(ring.tobytes() for ring in instance.rings)
    return instance.class_id, instance.crowd, outlines


def file_name(image: dict) -> PurePosixPath:
    """The path of an image entry."""
    return plain_path(str(image["file_name"]))


def read_coco(path: str | Path, crowds_only: bool = False, classes: Sequence[str] = ()) -> CocoFile:
    """The index of a COCO JSON; the same one again as long as the file does not change."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: give the path of a COCO instances JSON")
    return _read(path, path.stat().st_mtime_ns, crowds_only, tuple(classes))


@lru_cache(maxsize=4)
def _read(path: Path, modified: int, crowds_only: bool, classes: tuple[str, ...]) -> CocoFile:
    return CocoFile(path, crowds_only, classes)


def _not_instances(path: str | Path, content: object) -> SeglabError:
    """The error on a JSON that lacks something that COCO instances files have."""
    present = content if isinstance(content, dict) else {}
    lacks = [key for key in ("images", "annotations", "categories") if key not in present]
    return SeglabError(
        f"{path} is not a COCO instances JSON (it lacks {' and '.join(lacks)}): it needs images, annotations and "
        "categories; export it again with its annotations"
    )


# Categories and images: what is checked of every file, however it is read


def checked(path: Path, key: str, items: Iterable[Any]) -> Iterator[dict]:
    """The items of one list of a COCO JSON. Errors: SeglabError for one that lacks what it needs, and for no item."""
    needed = NEEDED[key]
    count = 0
    listed = items if isinstance(items, Iterable) else [items]
    for item in listed if items is not None else ():
        if key == "images" and isinstance(item, dict) and "file_name" not in item and "coco_url" in item:
            item = item | {"file_name": item["coco_url"]}  # as LVIS names images
        if not isinstance(item, dict) or not item.keys() >= set(needed):
            lacks = [name for name in needed if not isinstance(item, dict) or name not in item]
            raise SeglabError(
                f"{path} is not a COCO instances JSON (one of its {key} lacks {' and '.join(lacks)}): its {key} need "
                f"{' and '.join(needed)}; add them, or export again"
            )
        refuse_no_id(path, key, item["id"])
        count += 1
        yield item
    if not count:
        raise SeglabError(f"{path} is not a COCO instances JSON: it has no {key}; give one with images and categories")


def _distinct(path: Path, items: Iterable[Any]) -> list[dict]:
    """The categories of a file in the order of their ids, one that is listed twice once.

    Errors: as `checked`, and SeglabError where two categories have the same id.
    """
    by_id: dict[Id, dict] = {}
    for category in checked(path, "categories", items):
        known = by_id.setdefault(category["id"], category)
        if category_name(known) != category_name(category):
            raise SeglabError(
                f"{path}: the categories '{known['name']}' and '{category['name']}' have the same id {category['id']}: "
                "give each a unique id"
            )
    return [by_id[number] for number in in_order(by_id)]


def _without_parent(categories: list[dict], is_used: Callable[[Id], bool]) -> list[dict]:
    """Without the category of id 0 that Roboflow lists as the parent of all others, if it has no instances."""
    first, *others = categories
    is_parent = first["id"] in (0, "0") and all(each.get("supercategory") == first["name"] for each in others)
    return others if others and is_parent and not is_used(first["id"]) else categories


def class_of(ids: Sequence[Id]) -> ById[int]:
    """Category id -> class id: the place of the category among those of the file, sorted by id."""
    return ById({number: class_id for class_id, number in enumerate(ids)})


def category_name(category: dict) -> str:
    """What a category is called; by its id where its name is null or empty."""
    name = "" if category["name"] is None else composed(one_line(str(category["name"]))).strip()
    return name or f"category {category['id']}"


def category_faults(categories: Sequence[dict]) -> list[Fault]:
    """What is odd about categories: one name under several ids, or no name."""
    faults: list[Fault] = []
    ids: dict[str, list[Id]] = defaultdict(list)
    for category in categories:
        ids[category_name(category)].append(category["id"])
    several = [f"'{name}' has the ids {', '.join(map(str, own))}" for name, own in ids.items() if len(own) > 1]
    if several:
        message = f"categories of the same name: {'; '.join(several)}; give each a unique name, or all of them one id"
        faults.append((message, "kept as separate classes"))
    nameless = [str(category["id"]) for category in categories if not str(category["name"] or "").strip()]
    if nameless:
        message = f"categories without a name: of the ids {', '.join(nameless)}"
        faults.append((message, "called by their ids; write their names into the file"))
    return faults


def _are_distinct(names: Iterable[str], classes: Sequence[str]) -> bool:
    """Whether every name is that of one class, and each of another."""
    own = list(names)
    return len(set(own)) == len(own) and len(set(classes)) == len(classes) and set(own) <= set(classes)


def _category_of(row: dict) -> Any:
    category = row.get("category_id")
    return None if isinstance(category, (dict, list)) else category


# Reading a file as a stream


def coco_categories(path: Path) -> list[dict]:
    """The categories of a COCO JSON in the order of their ids, without an empty parent of all (see `_without_parent`).

    They are looked for in the file's last TAIL bytes first, where they stand in COCO's own files.
    Errors: SeglabError when there are none, when one lacks its id or name, or two have one id.
    """
    categories = _distinct(path, _categories_at_the_end(path) or _list(path, "categories"))
    return _without_parent(categories, lambda number: _has_instances(path, number))


def _has_instances(path: Path, category: Id) -> bool:
    wanted = ById({category: True})
    return any(isinstance(row, dict) and wanted.get(row.get("category_id")) for row in _list(path, "annotations"))


def coco_images(path: Path) -> Iterator[dict]:
    """Yield the images of a COCO JSON; where they come first, as in COCO's own files, the annotations stay unread.

    Errors: SeglabError when there are none, or one lacks its id or file name.
    """
    return checked(path, "images", _list(path, "images"))


def marks_all_as_crowds(path: Path) -> bool:
    """Whether a file has annotations and all are iscrowd=1; of most files one annotation is looked at.

    Errors: SeglabError when it is no list of annotations, not even an empty one.
    """
    rows = _list(path, "annotations")
    first = next(rows, None)
    if first is None and "annotations" not in (content := read_json(path)):
        raise _not_instances(path, content)
    return isinstance(first, dict) and is_crowd(first) and all(isinstance(row, dict) and is_crowd(row) for row in rows)


def _list(path: Path, name: str) -> Iterator[Any]:
    """Yield the items of one list of a JSON; what comes behind it stays unread."""
    found = False
    for key, item in stream_json(path):
        if key == name:
            found = True
            yield item
        elif found:
            break


def _categories_at_the_end(path: Path) -> list[dict]:
    """The categories, if they are a member of the outermost object within the last TAIL bytes; else nothing."""
    if not json_encoding(path).startswith("utf-8"):
        return []
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        text = file.read().decode("utf-8", errors=LATIN)
    name = text.rfind('"categories"')
    if name < 0:
        return []
    try:
        # Read as the end of an object: only the outermost one closes with the file.
        return json.loads("{" + text[name:])["categories"]
    except UNREADABLE:
        return []


# Reading the two files of an evaluation


def read_ground_truth(path: str | Path) -> dict:
    """The content of a COCO instances JSON. Errors: FileNotFoundError; SeglabError for a file of another form."""
    content = read_json(path)
    if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
        raise SeglabError(f"{path} is not a COCO instances file: it needs images, annotations and categories")
    if not content["categories"]:
        raise SeglabError(f"{path} has no categories, so there is nothing to average over: add them")
    return content


def read_results(path: str | Path) -> list:
    """The rows of a COCO results JSON. Errors: FileNotFoundError; SeglabError for a file of another form."""
    content = read_json(path)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        raise SeglabError(
            f"{path} is not a COCO results file: it must be a list of detections, and this one is the object around "
            "such a list; save only the list under 'annotations'"
        )
    if not isinstance(content, list):
        raise SeglabError(f"{path} is not a COCO results file: it must be a list of detections")
    return content


# The format


def json_files(source: Path) -> list[Path]:
    """The COCO instances files of a source: itself, or those directly in the folder, told from others by content."""
    if source.is_file():
        return [source] if source.suffix.lower() == ".json" else []
    files = sorted(real_files(source.glob("*.json")))
    named = [file for file in files if file.name.startswith("instances_")]  # as COCO's own, beside captions_...
    return named or ([file for file in files if holds_instances(file)] if len(files) > 1 else files)


def holds_instances(file: Path) -> bool:
    """Whether a JSON is one of COCO's with annotations that have a category, which captions and results lack."""
    has_lists = False
    try:
        for key, item in stream_json(file):
            if key == "annotations":
                return isinstance(item, dict) and "category_id" in item
            has_lists = has_lists or key in ("images", "categories")
    except SeglabError:
        return False  # a list, as results are
    return has_lists


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
            finder = search_from(file, images)
            for name, image in coco.images.items():
                entry = ImageEntry(finder.find(name), split_of(file), (file, Path(name)))
                self.entries.append(entry)
                self._image[entry] = image

    def load(self, entry: ImageEntry) -> LabeledImage:
        file = entry.files[0]
        image = self._image[entry]
        name = file_name(image).as_posix()
        size = stated_size(image)
        if size is None:
            rows = self._files[file].annotations.get(image["id"], [])
            issue = left_out(f"{file} image {name}", "no size: the JSON states no width and height", len(rows))
            return LabeledImage(None, name, entry.split, (0, 0), [], [issue])
        instances, issues = self._files[file].instances(image, size)
        return LabeledImage(entry.image, name, entry.split, size, instances, issues)


def read(source: Path, images: Path | None = None) -> CocoSource:
    """The labels of a COCO JSON or a folder of them. images: the folder that file names are relative to."""
    return CocoSource(json_files(source), images)


def write(out: Path, names: Mapping[int, str], images: Iterable[LabeledImage]) -> None:
    """Write one COCO JSON of all images, under the ids of `category_ids` and `image_ids`."""
    labeled = [image for image in images if image.file is not None]
    places = [Path(image.name) for image in labeled]
    ids = image_ids(places)
    categories = category_ids(names)
    entries = [image_entry(ids[place], image.name, image.size) for place, image in zip(places, labeled)]

    def annotations() -> Iterator[dict]:
        number = 0
        for place, image in zip(places, labeled):
            for found in image.instances:
                number += 1
                yield annotation_entry(number, ids[place], categories[found.class_id], found, image.size)

    write_coco(out, entries, annotations(), category_entries(categories, names.values()))


FORMAT = Format("coco", "COCO instances JSON", is_here, read, write)
