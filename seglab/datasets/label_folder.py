"""A folder of images and YOLO label files that comes without a dataset YAML: what its folders and files say."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from seglab.datasets.image_lists import list_images, read_list
from seglab.datasets.spec import DatasetSpec, numbered_names
from seglab.datasets.yaml_file import class_names, read_yaml
from seglab.errors import UNREADABLE
from seglab.files import IMAGE_SUFFIXES, SPLITS, real_files, split_of_folder
from seglab.formats.image_search import image_files
from seglab.formats.issues import Issue
from seglab.formats.label_files import has_rows, label_files
from seglab.formats.text_files import read_text, row_words

CLASS_LISTS = ("classes.txt", "obj.names", "names.txt", "labels.txt", "_darknet.labels")  # one class name a line
YAMLS = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
NOTES = "notes.json"  # Label Studio's list of classes
MAX_TRIED = 50  # label files that are looked into for being some


def read_label_folder(folder: Path, labels: Path | None = None) -> DatasetSpec | None:
    """The dataset of a folder with images and rows of YOLO labels; None where no image has a file of such rows.

    Lists of images that are called like splits (train.txt, val.txt) say what is in them; else a folder that is called
    so (train, valid, test, in any case) says which one its images are. Class names come from classes.txt and its like,
    or a YAML beside; where there is none, classes are called by their numbers, and the YAML to write is shown.
    labels: where the label files are, if they are kept apart.
    """
    folder = folder.resolve()
    lists = _split_lists(folder)
    if lists:
        return _of_lists(folder, lists, labels)
    by_split: dict[str, list[Path]] = defaultdict(list)
    for image in image_files(folder):
        by_split[_split_of(image, folder)].append(image)
    splits = {split: tuple(by_split[split]) for split in SPLITS if split in by_split}
    return _with_labels(folder, splits, labels, [])


def read_image_list(path: Path) -> DatasetSpec | None:
    """The dataset of a text file that lists images, with the lists beside it that are of other splits.

    None for a text of anything else. A list that is called like no split is what to train on.
    """
    if not _lists_images(path):
        return None
    folder = path.resolve().parent
    lists = _split_lists(folder)
    if path.resolve() not in lists.values():
        lists = {"train": path.resolve()}
    return _of_lists(folder, lists, None)


def _of_lists(folder: Path, lists: dict[str, Path], labels: Path | None) -> DatasetSpec | None:
    issues: list[Issue] = []
    splits = {split: tuple(list_images(file, folder, [str(file)], issues)) for split, file in lists.items()}
    return _with_labels(folder, splits, labels, issues)


def _split_lists(folder: Path) -> dict[str, Path]:
    """Split -> the text file of a folder that lists its images: train.txt, val.txt and their like."""
    found: dict[str, Path] = {}
    for file in sorted(real_files(folder.glob("*.txt"))):
        split = split_of_folder(file.stem)
        if split and split not in found and _lists_images(file):
            found[split] = file
    return {split: found[split] for split in SPLITS if split in found}


def _lists_images(file: Path) -> bool:
    """Whether the first row of a text file is the name of an image."""
    first = next(iter(read_list(file)), "")
    return Path(first.replace("\\", "/")).suffix.lower() in IMAGE_SUFFIXES


def _with_labels(
    folder: Path, splits: dict[str, tuple[Path, ...]], labels: Path | None, issues: list[Issue]
) -> DatasetSpec | None:
    """The dataset of images of known splits; None where no image has a file of rows."""
    images = [image for each in splits.values() for image in each]
    existing = _existing(images, folder, labels)
    if not existing and labels is None:
        labels = folder  # not in a usual place: by their names alone, as if the user had named the folder
        existing = _existing(images, folder, labels)
        issues += _by_name_alone(folder, existing)
    if not existing:
        return None

    names = _names_beside(folder, labels)
    about = "images with YOLO labels, without a YAML"
    if names is None:
        names = numbered_names(_largest_class(existing) + 1)
        message = "no class names were found"
        action = f"called by their numbers; to name them, save {folder / 'data.yaml'} with the names filled in:\n    "
        issues.append(Issue(str(folder), 0, message, action + _yaml_to_save(folder, splits, names)))
    return DatasetSpec(folder.name, folder, splits, names, label_folder=labels, about=about, issues=tuple(issues))


def _existing(images: Sequence[Path], folder: Path, labels: Path | None) -> list[Path]:
    """The label files of images that are there; [] where none of the first has rows."""
    files = dict.fromkeys(label_files(images, folder, labels).values())
    existing = [file for file in files if file.is_file()]
    return existing if any(map(has_rows, existing[:MAX_TRIED])) else []


def _by_name_alone(folder: Path, found: Sequence[Path]) -> list[Issue]:
    """The note on label files that lie in no usual place."""
    if not found:
        return []
    message = f"label files not where the images say: {len(found)}, as {found[0]}"
    return [Issue(str(folder), 0, message, "found by their file names alone", "note")]


def _split_of(image: Path, folder: Path) -> str:
    """The split that the folders above an image tell, the outermost first; train where none does."""
    for part in image.relative_to(folder).parts[:-1]:
        split = split_of_folder(part)
        if split:
            return split
    return split_of_folder(folder.name) or "train"


def _names_beside(folder: Path, labels: Path | None) -> dict[int, str] | None:
    """Class id -> name, from a list of class names or a YAML in the dataset's folder, among its labels, or above it."""
    places = [folder, folder / "labels", folder.parent]
    if labels is not None:
        places[:0] = [labels, *labels.parents[:2]]
    for place in places:
        for file in [*(place / name for name in CLASS_LISTS), *sorted(place.glob("*.names"))]:
            if file.is_file() and not has_rows(file):
                return dict(enumerate(read_list(file)))
        for file in (place / name for name in YAMLS):
            if file.is_file() and (content := read_yaml(file)).get("names"):
                return class_names(file, content)
        if (place / NOTES).is_file():
            names = _names_in_notes(place / NOTES)
            if names:
                return names
    return None


def _names_in_notes(file: Path) -> dict[int, str] | None:
    """The classes of Label Studio's notes.json; None where it is another file of that name."""
    try:
        content = json.loads(read_text(file))
        names = {int(category["id"]): str(category["name"]) for category in content["categories"]}
    except UNREADABLE:
        return None
    return names if sorted(names) == list(range(len(names))) else None


def _largest_class(files: Iterable[Path]) -> int:
    """The largest class id of any row of some label files; 0 where there is none."""
    largest = 0
    for file in files:
        for row in read_text(file).splitlines():
            first = row_words(row)[:1]
            if first and first[0].isdecimal():
                largest = max(largest, int(first[0]))
    return largest


def _yaml_to_save(folder: Path, splits: dict[str, tuple[Path, ...]], names: dict[int, str]) -> str:
    """The YAML that gives the classes their names, ready to be saved and filled in."""
    lines = []
    for split, images in splits.items():
        common = Path(os.path.commonpath([image.parent for image in images]))
        lines.append(f"{split}: {common.relative_to(folder).as_posix()}")
    lines.append("names:")
    lines += [f"  {class_id}: {name}" for class_id, name in names.items()]
    return "\n    ".join(lines)
