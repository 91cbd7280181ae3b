"""A dataset's YAML file: where the images of each split are, and what the classes are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seglab.class_names import MAX_CLASSES
from seglab.datasets.finders import finder_of
from seglab.datasets.image_lists import is_absolute, list_images, place_of
from seglab.datasets.search import search_places
from seglab.datasets.spec import DatasetSpec, numbered_names
from seglab.errors import SeglabError
from seglab.files import SPLITS, expand_home, split_of_folder
from seglab.formats.issues import Issue
from seglab.formats.text_files import read_yaml as read_any_yaml
from seglab.wording import shortened

Content = dict[str, Any]  # the content of a YAML file
EXAMPLE = "as in\ntrain: images/train\nval: images/val\nnames: [cat, dog]"
MAX_PATH = 4096  # characters, as systems have it


def read_dataset_yaml(path: Path) -> DatasetSpec:
    """Read a dataset YAML: `path` (optional), `train`, `val`, `test`, `names` or `nc`, `annotations`, `crowds`.

    Only what it says is read: a `download` script in it is never run. Where the images are not on this machine but the
    YAML names a known dataset, that one is found by its name and may be downloaded.
    Errors: SeglabError naming the file.
    """
    content = read_yaml(path)
    if not is_dataset(content):
        raise SeglabError(
            f"{path} is not a dataset YAML: it needs 'train' and 'val' (folders of images) and 'names', {EXAMPLE}"
        )
    names = class_names(path, content)
    refuse_no_path(path, "path", content.get("path") or ".")
    issues = _doubts(path, content, names)
    entries = _entries(path, content)
    if _says_parent_folder(path, entries):
        entries = {split: [item.removeprefix("../") for item in items] for split, items in entries.items()}
    root = _find_root(path, content, [item for items in entries.values() for item in items])
    if content.get("path") and not _said_path(content).exists() and root == path.parent.resolve():
        message = f"path is not on this machine: '{content['path']}'"
        issues.append(Issue(str(path), 0, message, "the YAML's own folder is used", "note"))

    issues += _moved(path, entries, root)
    splits: dict[str, tuple[Path, ...]] = {}
    faults: dict[str, str] = {}
    for split, items in entries.items():
        try:
            splits[split] = tuple(list_images(path, root, items, issues))
        except SeglabError as error:
            faults[split] = str(error)  # whoever asks for this split is told, and nobody else

    annotations = _json_files(path, content, "annotations", root)
    crowds = _json_files(path, content, "crowds", root)
    return DatasetSpec(
        path.stem,
        root,
        splits,
        names,
        path.absolute(),
        annotations,
        crowds,
        faults,
        issues=tuple(issues),
        about="YOLO dataset",
    )


def read_yaml(path: Path) -> Content:
    """The content of a YAML file, {} where it is no mapping. Errors: SeglabError for a damaged file."""
    content = read_any_yaml(path)
    if not isinstance(content, dict):
        return {}
    if isinstance(content.get("names"), (list, dict)):
        content["names"] = _names_as_written(content["names"], read_any_yaml(path, as_written=True)["names"])
    for key in list(content):
        split = split_of_folder(key) if isinstance(key, str) else None  # Validation, as CVAT calls a subset, is val
        if split and not content.get(split):
            content[split] = content[key]
    return content


def _names_as_written(names: list | dict, as_written: Any) -> list | dict:
    """The same names, every one spelled as in the file: `no` is a name, where YAML 1.1 reads False, and 007 another."""
    if isinstance(names, list):
        return list(as_written)
    return dict(zip(names, as_written.values()))


def is_dataset(content: Content) -> bool:
    """Whether a YAML's content describes a dataset: it says where images are."""
    return bool(content.get("train") or content.get("val"))


def class_names(path: Path, content: Content) -> dict[int, str]:
    """Class id -> name, from a YAML's `names` or, where only their number is known, from `nc`. Errors: SeglabError."""
    names = content.get("names", content.get("nc"))
    if isinstance(names, str) and names.isdecimal():
        names = int(names)
    count = len(names) if isinstance(names, (list, dict)) else names
    if isinstance(count, int) and count > MAX_CLASSES:
        raise SeglabError(f"{path}: it names {count:,} classes, more than {MAX_CLASSES:,}: correct 'names' or 'nc'")
    if isinstance(names, int) and not isinstance(names, bool) and names > 0:
        names = numbered_names(names)
    if isinstance(names, list):
        names = dict(enumerate(names))
    if isinstance(names, dict) and all(_is_class_id(key) for key in names):
        names = {int(key): name for key, name in names.items()}
    if not isinstance(names, dict) or not names or sorted(names, key=str) != sorted(range(len(names)), key=str):
        advice = ""
        if isinstance(names, dict) and names:
            listed = shortened(", ".join(map(str, names.values())))
            advice = f"; write names: [{listed}] if labels count from 0"
        raise SeglabError(f"{path}: 'names' must be a list, or a mapping from 0, 1, 2, ... to the class names{advice}")
    return {class_id: str(names[class_id]) for class_id in range(len(names))}


def _is_class_id(key: object) -> bool:
    """Whether a key counts classes, as a number or as its text ("0": cat)."""
    if isinstance(key, str):
        return key.isascii() and key.isdecimal()
    return isinstance(key, int) and not isinstance(key, bool)


def _doubts(path: Path, content: Content, names: dict[int, str]) -> list[Issue]:
    """What a YAML says that does not fit together."""
    count = content.get("nc")
    issues = []
    if isinstance(count, int) and count != len(names):
        message = f"nc is not the number of names: it says {count}, and there are {len(names)}"
        issues.append(Issue(str(path), 0, message, "the names are used; correct nc, or the names"))
    twice = sorted(name for name, times in Counter(names.values()).items() if times > 1)
    if twice:
        message = f"a class name stands there twice: {shortened(', '.join(twice))}"
        issues.append(Issue(str(path), 0, message, "kept as two classes; rename one, or merge their labels"))
    return issues


def _entries(path: Path, content: Content) -> dict[str, list[str]]:
    """Split -> what the YAML names for it, always a list."""
    entries = {}
    for split in SPLITS:
        said = content.get(split)
        if said:
            items = said if isinstance(said, list) else [said]
            if not all(isinstance(item, (str, int, float)) for item in items):
                raise SeglabError(
                    f"{path}: '{split}' must be a folder, a list of images, or several of them: {EXAMPLE}"
                )
            entries[split] = [str(item) for item in items]
            for entry in entries[split]:
                refuse_no_path(path, split, entry)
    return entries


def _moved(path: Path, entries: dict[str, list[str]], root: Path) -> list[Issue]:
    """A note for every entry with the path of another machine, on what is read for it."""
    issues = []
    for entry in dict.fromkeys(entry for items in entries.values() for entry in items):
        place = place_of(root, entry)
        if is_absolute(entry) and place.exists() and not Path(entry).exists():
            action = f"{place.relative_to(root).as_posix()} beside the YAML is used"
            issues.append(Issue(str(path), 0, f"not on this machine: '{entry}'", action, "note"))
    return issues


def _says_parent_folder(path: Path, entries: dict[str, list[str]]) -> bool:
    """Whether the entries say ../train/images of folders beside the YAML, as Roboflow's do: not all may be exported."""
    every = [entry for items in entries.values() for entry in items]
    as_said = sum(place_of(path.parent, entry).exists() for entry in every)
    beside = sum(place_of(path.parent, entry.removeprefix("../")).exists() for entry in every)
    return not as_said and beside > 0


def _said_path(content: Content) -> Path:
    """The YAML's `path`, as this system writes paths; of the home folder too."""
    return expand_home(str(content.get("path") or ".").replace("\\", "/"))


def _find_root(path: Path, content: Content, entries: Sequence[str]) -> Path:
    """The folder that the entries of a YAML are relative to: the candidate that has the most of them, the first such.

    Candidates are the YAML's `path` beside the YAML itself, that path in all search places, and a folder of the path's
    last name there, since many YAMLs carry the paths of the machine they were written on; then the YAML's own folder.
    """
    folder = _said_path(content)
    candidates = [path.parent / folder]
    candidates += [place / folder for place in search_places()]
    candidates += [place / folder.name for place in search_places() if folder.name]
    candidates += [path.parent, path.resolve().parent]  # the file behind a link to a YAML
    counts = [sum(place_of(candidate, entry).exists() for entry in entries) for candidate in candidates]
    if any(counts):
        return candidates[counts.index(max(counts))].resolve()

    name = folder.name or path.stem
    finder = finder_of(name)
    if finder is not None and not finder.generated:
        root = finder.find(name, None).root
        if any((root / entry).exists() for entry in entries):
            return root

    searched = ", ".join(dict.fromkeys(map(str, candidates)))
    listed = ", ".join(f"'{entry}'" for entry in dict.fromkeys(entries))
    raise SeglabError(
        f"{path}: no {listed} under its path '{folder}'; searched {searched}; "
        f"correct 'path' (leave it out if they are next to the YAML), or set SEGLAB_DATASETS"
    )


def _json_files(path: Path, content: Content, key: str, root: Path) -> dict[str, Path]:
    """Split -> COCO JSON, as the YAML's `key` says."""
    files = content.get(key) or {}
    if not isinstance(files, dict):
        raise SeglabError(f"{path}: '{key}' must be a mapping from train, val or test to a COCO JSON, or left out")
    for split, file in files.items():
        refuse_no_path(path, f"{key}: {split}", file)
    return {str(split): root / file for split, file in files.items()}


def refuse_no_path(path: Path, key: str, value: object) -> None:
    """Errors: SeglabError where what a YAML says for `key` cannot be a path."""
    if not isinstance(value, str) or "\0" in value or len(value) > MAX_PATH:
        raise SeglabError(f"{path}: '{key}' must be a path, not {shortened(repr(value))}: {EXAMPLE}")
