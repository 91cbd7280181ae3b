"""COCO instances JSON as a dataset: one file with its siblings, or the files of a folder, a split each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path, PurePath

from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.files import SPLITS, is_system_folder, real_files, split_named, split_of_folder
from seglab.formats.coco_ids import Id, category_ids, in_order
from seglab.formats.image_search import ImageSearch
from seglab.formats.issues import Issue
from seglab.formats.text_files import sketch_json

MAX_NAMES_TRIED = 100  # images of a JSON: in the folder that has all of these, all of them are expected
MAX_FILES_TRIED = 20  # JSON files of a folder that are looked into for being COCO's
TOLD_BY_NAME = ("instances", "_annotations", "result")  # what tools call such a file


def read_dataset_json(path: Path, images: Path | None = None) -> DatasetSpec:
    """The dataset of a COCO JSON, whose split is told by its name or its folder's ("train" where neither tells one).

    A sibling that is called the same but for the split (`..._val2017.json`, `..._train2017.json`, or the same name in
    `valid/` and `train/`) is another split. images: the folder of its images, where it is not in a usual place.
    Siblings may differ in categories: classes are joined by name. Errors: SeglabError when there is no such file, or
    none of its images can be found.
    """
    if not path.is_file():
        raise SeglabError(f"no file {path}: give the path of a COCO instances JSON")
    own = split_of_json(path)
    files = _siblings(path, own)
    return _dataset(files, own, path.stem, path.parent, path.absolute(), images)


def read_coco_folder(folder: Path, images: Path | None = None) -> DatasetSpec | None:
    """The dataset of a folder with COCO JSON files in it, in `annotations/`, or in a folder a split; None without any.

    Errors: SeglabError where several files tell one split, or their images cannot be found.
    """
    files = coco_files(folder)
    return _dataset(files, None, folder.resolve().name, folder, None, images) if files else None


def coco_files(folder: Path) -> dict[str, Path]:
    """Split -> COCO JSON, for the files of a folder, found but not read; {} where there is none.

    Errors: SeglabError where several files tell one split.
    """
    by_split: dict[str, list[Path]] = defaultdict(list)
    for file in _coco_files(folder):
        by_split[split_of_json(file)].append(file)
    return {split: _only_one(folder, split, by_split[split]) for split in SPLITS if split in by_split}


def _dataset(
    files: Mapping[str, Path], asked: str | None, name: str, root: Path, path: Path | None, images: Path | None
) -> DatasetSpec:
    """The dataset of one JSON a split. asked: the split whose images have to be found; None: those of all."""
    from seglab.formats.coco import read_coco  # with pycocotools: only where there is a JSON

    readers = {split: read_coco(file) for split, file in files.items()}
    lists = {files[split]: list(zip(reader.category_ids, reader.names.values())) for split, reader in readers.items()}
    categories, issues = join_categories(lists)
    names = {class_id: name for class_id, (_, name) in enumerate(categories)}

    splits: dict[str, tuple[Path, ...]] = {}
    faults: dict[str, str] = {}
    for split, file in files.items():
        listed = list(readers[split].images)
        try:
            places = find_images(file, partial(tuple, listed), images)
        except SeglabError as error:
            if asked in (None, split):
                raise
            faults[split] = str(error)  # a sibling that nobody may ask for
        else:
            splits[split] = tuple(places.find(name) or places.near[0] / name for name in listed)
            issues += places.issues()
    about = f"COCO JSON ({', '.join(file.name for file in files.values())})"
    return DatasetSpec(
        name, root.resolve(), splits, names, path, dict(files), faults=faults, about=about, issues=tuple(issues)
    )


Category = tuple[Id, str]  # id and name


def join_categories(lists: Mapping[Path, Sequence[Category]]) -> tuple[list[Category], list[Issue]]:
    """The categories of several JSON files as one list, and a note where they are not the same in all.

    Their ids count where all files mean the same by them, else equal names are one class and get new ids.
    Errors: SeglabError where names have to tell and one file has a name twice.
    """
    first, *others = lists.values()
    if all(other == first for other in others):
        return list(first), []
    every = [category for own in lists.values() for category in own]
    names = list(dict.fromkeys(name for _, name in every))
    lacking = [name for name in names if not all(name in dict(own).values() for own in lists.values())]
    about = f"only in some: {', '.join(lacking)}" if lacking else "the same names under other ids"
    message = f"categories differ between the files: {about}"
    note = Issue(", ".join(file.name for file in lists), 0, message, "joined by name", "note")
    name_of = dict(every)
    if len(name_of) == len(names) == len(set(every)):
        return [(number, name_of[number]) for number in in_order(name_of)], [note]
    for file, own in lists.items():
        if len({name for _, name in own}) < len(own):
            raise SeglabError(
                f"{file} has two categories with the same name, and the files next to it have other categories, so "
                "they cannot be joined by name: give each category a unique name"
            )
    return list(zip(category_ids(dict(enumerate(names))), names)), [note]


# Which files, and which split each is


def is_instances_json(path: Path) -> bool:
    """Whether a JSON is one of COCO instances, by its content: it lists images, or annotations of some.

    Errors: SeglabError for a damaged file.
    """
    from seglab.formats.json_stream import stream_json
    from seglab.formats.panoptic import is_panoptic

    if isinstance(sketch_json(path), list) or is_panoptic(path):
        return False
    for key, item in stream_json(path):
        if key == "images":
            return isinstance(item, dict) and ("file_name" in item or "coco_url" in item)
        if key == "annotations":
            return isinstance(item, dict) and "image_id" in item
        if key == "shapes":  # Labelme
            return False
    return False


def _coco_files(folder: Path) -> list[Path]:
    """The COCO JSON files directly in a folder, else in its `annotations`, else in its other folders."""
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir() and not is_system_folder(path.name))
    annotations = [path for path in subfolders if path.name.lower() == "annotations"]
    for places in ([folder], annotations, subfolders):
        found = [file for place in places for file in _coco_files_in(place)]
        if found:
            return found
    return []


def _coco_files_in(folder: Path) -> list[Path]:
    files = sorted(file for file in real_files(folder.iterdir()) if file.suffix.lower() == ".json" and file.is_file())
    found = []
    for file in files[:MAX_FILES_TRIED]:
        try:
            if is_instances_json(file):
                found.append(file)
        except SeglabError:
            if file.name.startswith(TOLD_BY_NAME):  # it was to be one
                raise
    return found


def _only_one(folder: Path, split: str, files: list[Path]) -> Path:
    """The file of instances among those of one split. Errors: SeglabError where that remains open."""
    from seglab.formats.coco import coco_categories

    if len(files) > 1:
        files = [file for file in files if file.name.startswith("instances")] or files
    if len(files) > 1:  # captions have no categories
        files = [file for file in files if coco_categories(file)] or files
    if len(files) > 1:
        several = ",".join(map(str, files))
        raise SeglabError(
            f"{folder} has {len(files)} COCO JSON files for its split '{split}': give the path of one of them, "
            f"or train on all of them with data={several}"
        )
    return files[0]


def split_of_json(path: Path) -> str:
    """The split that a JSON's name tells, else its folder's; "train" where neither does."""
    return split_named(path.stem) or split_of_folder(path.resolve().parent.name) or "train"


def _siblings(path: Path, own: str) -> dict[str, Path]:
    """Split -> JSON file, for the JSON itself and those beside it that exist, in alphabetical order of the splits."""
    files = {own: path}
    if own in path.stem:
        files |= {split: path.with_name(path.name.replace(own, split)) for split in SPLITS if split != own}
    elif split_of_folder(path.resolve().parent.name):
        for folder in path.resolve().parent.parent.iterdir():
            split = split_of_folder(folder.name)
            if split and split != own:
                files[split] = folder / path.name
    return {split: file for split, file in sorted(files.items()) if file.is_file()}


# Where its images are


def find_images(path: Path, names: Callable[[], Iterable[str | PurePath]], images: Path | None = None) -> ImageSearch:
    """Where the images of a COCO JSON lie: in the usual place that has most of them, else under their own file names.

    Tools write paths of their own machines (/data/upload/4/a.jpg, images\\1/a.jpg): what no place has is looked for by
    its last part, where only one image below the JSON's folder has that name. names: -> those that the JSON lists, of
    which the first are tried; images: a folder that is looked in instead.
    Errors: SeglabError naming the usual places, where none is found.
    """
    first = [str(name).replace("\\", "/") for name in islice(names(), MAX_NAMES_TRIED)]
    places = _places_in(images, path) if images else _usual_places(path)
    best = places[0]
    most = 0
    for place in places:
        count = sum((place / name).is_file() for name in first)
        if count > most:
            best = place
            most = count
    found = _search(path, best, images, names)
    if not most and not any(found.find(name) for name in first):
        advice = f"put them in one of these folders, or convert: seglab convert source={path} images=FOLDER out=NEW"
        if images:
            advice = "give the folder that has them"
        raise SeglabError(f"{path}: none of its images are in {', '.join(map(str, places))}: {advice}")
    return _search(path, best, images, names)


def _search(
    path: Path, folder: Path, images: Path | None, names: Callable[[], Iterable[str | PurePath]]
) -> ImageSearch:
    """A search for the images of a JSON, most of which lie in `folder`."""
    return ImageSearch([folder], [images or _top_folder(path)], path, names, split_of_json(path))


def _places_in(images: Path, path: Path) -> list[Path]:
    """A folder that the user names, and those in it that are called like the JSON, or like its split."""
    split = split_of_json(path)
    places = [images / path.stem.removeprefix("instances_")]
    if images.is_dir():
        places += [folder for folder in sorted(images.iterdir()) if split_of_folder(folder.name) == split]
    return [images, *(place for place in places if place.is_dir())]


def _usual_places(path: Path) -> list[Path]:
    part = path.stem.removeprefix("instances_")
    here, above = path.resolve().parent, path.resolve().parent.parent
    return [here, here / "images", here / part, above / "images" / part, above / part, above / "images", above]


def _top_folder(path: Path) -> Path:
    """The folder below which the images of a JSON are looked for."""
    here = path.resolve().parent
    return here.parent if here.name.lower() == "annotations" else here
