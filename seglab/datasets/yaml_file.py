"""A dataset's YAML file: where the images of each split are, and what the classes are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from seglab.datasets.finders import finder_of
from seglab.datasets.image_lists import list_images
from seglab.datasets.search import search_places
from seglab.datasets.spec import DatasetSpec, numbered_names
from seglab.errors import SeglabError
from seglab.files import SPLITS

Content = dict[str, Any]  # the content of a YAML file


def read_dataset_yaml(path: Path) -> DatasetSpec:
    """Read a dataset YAML: `path` (optional), `train`, `val`, `test`, `names` or `nc`, `annotations`, `crowds`.

    Only what it says is read: a `download` script in it is never run. Where the images are not on this machine but the
    YAML names a known dataset, that one is found by its name and may be downloaded.
    Errors: SeglabError naming the file.
    """
    content = _read(path)
    names = _class_names(path, content)
    entries = _entries(content)
    if _says_parent_folder(path, entries):
        entries = {split: [item.removeprefix("../") for item in items] for split, items in entries.items()}
    root = _find_root(path, content, _first_entry(entries))

    splits: dict[str, tuple[Path, ...]] = {}
    faults: dict[str, str] = {}
    for split, items in entries.items():
        try:
            splits[split] = tuple(list_images(path, root, items))
        except SeglabError as error:
            if split != "test":
                raise
            faults[split] = str(error)  # training asks for train and val alone

    annotations = _json_files(path, content, "annotations", root)
    crowds = _json_files(path, content, "crowds", root)
    return DatasetSpec(path.stem, root, splits, names, path.absolute(), annotations, crowds, faults)


def _read(path: Path) -> Content:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        why = "it quotes a path with \\, write C:/data" if "escape" in str(error) else str(error).splitlines()[0]
        raise SeglabError(f"{path} is not a valid YAML file: {why}") from error
    if not isinstance(content, dict) or not (content.get("train") or content.get("val")):
        raise SeglabError(f"{path} is not a dataset YAML: it needs 'train' and 'val' (folders of images) and 'names'")
    return content


def _class_names(path: Path, content: Content) -> dict[int, str]:
    """Class id -> name, from `names` or, where only their number is known, from `nc`."""
    names = content.get("names", content.get("nc"))
    if isinstance(names, int) and names > 0:
        names = numbered_names(names)
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or sorted(names, key=str) != sorted(range(len(names)), key=str):
        raise SeglabError(f"{path}: 'names' must be a list, or a mapping from 0, 1, 2, ... to the class names")
    return {class_id: str(names[class_id]) for class_id in range(len(names))}


def _entries(content: Content) -> dict[str, list[str]]:
    """Split -> what the YAML names for it, always a list."""
    entries = {}
    for split in SPLITS:
        if said := content.get(split):
            entries[split] = [str(item) for item in (said if isinstance(said, list) else [said])]
    return entries


def _first_entry(entries: dict[str, list[str]]) -> str:
    """The entry that tells where all of them are: validation data is what everybody has."""
    return (entries.get("val") or entries["train"])[0]


def _says_parent_folder(path: Path, entries: dict[str, list[str]]) -> bool:
    """Whether the entries say ../train/images of folders beside the YAML, as Roboflow's do."""
    first = _first_entry(entries)
    return not (path.parent / first).exists() and (path.parent / first.removeprefix("../")).exists()


def _find_root(path: Path, content: Content, entry: str) -> Path:
    """The folder that the entries of a YAML are relative to: the first candidate that has `entry`.

    Candidates are the YAML's `path` beside the YAML itself, that path in all search places, and a folder of the path's
    last name there, since many YAMLs carry the paths of the machine they were written on.
    """
    folder = Path(str(content.get("path") or "."))
    candidates = [path.parent / folder]
    candidates += [place / folder for place in search_places()]
    candidates += [place / folder.name for place in search_places() if folder.name]
    for candidate in candidates:
        if (candidate / entry).exists():
            return candidate.resolve()

    name = folder.name or path.stem
    finder = finder_of(name)
    if finder is not None and not finder.generated:
        root = finder.find(name, None).root
        if (root / entry).exists():
            return root

    searched = ", ".join(dict.fromkeys(map(str, candidates)))
    raise SeglabError(
        f"{path}: no '{entry}' under its path '{folder}'; searched {searched}; correct 'path', or set SEGLAB_DATASETS"
    )


def _json_files(path: Path, content: Content, key: str, root: Path) -> dict[str, Path]:
    """Split -> COCO JSON, as the YAML's `key` says."""
    files = content.get(key) or {}
    if not isinstance(files, dict):
        raise SeglabError(f"{path}: '{key}' must be a mapping from train, val or test to a COCO JSON, or left out")
    return {split: root / file for split, file in files.items()}
