"""A split that is kept as a file: which images of a dataset are trained on, and which are held out.

# seglab-split.yaml, in the dataset's folder; mine-split.yaml beside mine.yaml or mine.json
source: .             what is split, relative to this file
holdout: 0.2          what was asked for
test: 0.0
seed: 0
val: [a.jpg, ...]     images, relative to the dataset's folder; all others are trained on
test_images: [...]
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from seglab.datasets.spec import DatasetSpec
from seglab.datasets.yaml_file import read_yaml
from seglab.errors import UNREADABLE, SeglabError
from seglab.files import atomic_write
from seglab.formats.issues import Issue

NAME = "seglab-split.yaml"
HEADER = "# Which images are held out from training; written by seglab, read whenever this dataset is loaded.\n"


@dataclass(frozen=True)
class Split:
    """Which images are held out. holdout, test: the fractions that were asked for; val, tested: image files."""

    holdout: float
    test: float
    seed: int
    val: frozenset[Path]
    tested: frozenset[Path]


def split_file_of(spec: DatasetSpec) -> Path:
    """Where the split of a dataset is kept: in its folder, or beside the file that it is named by."""
    if spec.yaml is not None and spec.yaml.is_file():
        return split_file_beside(spec.yaml)
    return spec.root / NAME


def kept_split_of(spec: DatasetSpec) -> Path | None:
    """The file that keeps the split of a dataset; None where there is none, or where the dataset has its own val.

    One that was kept before a YAML was written into the folder still holds.
    """
    train, val = spec.splits.get("train"), spec.splits.get("val")
    if spec.parts or spec.draw or (train and val and set(train) != set(val)):
        return None
    places = [split_file_of(spec), spec.root / NAME]
    return next((path for path in places if path.is_file()), None)


def split_file_beside(file: Path) -> Path:
    """Where the split of a dataset is kept that a YAML or JSON names."""
    return file.with_name(f"{file.stem}-split.yaml")


def is_split_file(path: Path) -> bool:
    """Whether a YAML is a kept split."""
    return path.name.endswith("-split.yaml") and "source" in read_yaml(path)


def read_split(path: Path, spec: DatasetSpec) -> Split:
    """The split that a file keeps of a dataset. Errors: SeglabError for a file that is damaged."""
    content = read_yaml(path)
    try:
        for names in (content["val"], content.get("test_images") or []):
            if not isinstance(names, list):
                raise TypeError(f"{names!r:.60} is not a list of images")
        val = frozenset(spec.root / name for name in content["val"])
        tested = frozenset(spec.root / name for name in content.get("test_images") or ())
        return Split(float(content["holdout"]), float(content["test"]), int(content["seed"]), val, tested)
    except UNREADABLE as error:
        raise SeglabError(
            f"{path} is not a valid split file ({type(error).__name__}: {error}): delete it, and split again with "
            f"`seglab split data={spec.source} holdout=0.2`"
        ) from error


def write_split(path: Path, spec: DatasetSpec, split: Split) -> Path:
    """Keep a split. Errors: SeglabError where the folder cannot be written to."""
    content: dict[str, Any] = {
        "source": os.path.relpath(spec.yaml or spec.root, path.resolve().parent).replace(os.sep, "/"),
        "holdout": split.holdout,
        "test": split.test,
        "seed": split.seed,
        "val": _relative(split.val, spec.root),
        "test_images": _relative(split.tested, spec.root),
    }
    text = HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    try:
        return atomic_write(path, text.encode())
    except OSError as error:
        raise SeglabError(
            f"the split cannot be written to {path} ({error.strerror}): write it elsewhere with "
            f"`seglab split data={spec.source} holdout={split.holdout} out=my-split.yaml`, then use data=my-split.yaml"
        ) from error


def _relative(images: frozenset[Path], root: Path) -> list[str]:
    return sorted(os.path.relpath(_key(image), root).replace(os.sep, "/") for image in images)


def apply_split(spec: DatasetSpec, split: Split, path: Path) -> DatasetSpec:
    """The dataset with the images of a split, kept in `path`, held out; those that it does not name are trained on."""
    everywhere = _normal(image for images in spec.splits.values() for image in images)
    pool = [image for name in ("train", "val") for image in spec.splits.get(name, ())] or list(everywhere.values())
    kept = dict.fromkeys(pool)
    wanted_val, wanted_test = set(_normal(split.val)), set(_normal(split.tested))
    splits: dict[str, tuple[Path, ...]] = {"train": (), "val": ()}
    splits["val"] = tuple(image for image in kept if _key(image) in wanted_val)
    tested = tuple(image for image in kept if _key(image) in wanted_test)
    held_out = {*splits["val"], *tested}
    splits["train"] = tuple(image for image in kept if image not in held_out)
    if tested or spec.splits.get("test"):
        splits["test"] = tuple(dict.fromkeys((*spec.splits.get("test", ()), *tested)))
    gone = len(wanted_val | wanted_test) - len(held_out)
    issues = list(spec.issues)
    if gone:
        message = f"the split names images that are not in the dataset: {gone}"
        issues.append(Issue(str(path), 0, message, "left out; delete the file to split again"))
    filled = {name: images for name, images in splits.items() if images}
    return replace(
        spec,
        splits=filled,
        annotations=spread(spec.annotations, filled),
        crowds=spread(spec.crowds, filled),
        issues=tuple(issues),
    )


def spread(files: Mapping[str, Path], splits: Iterable[str]) -> dict[str, Path]:
    """Split -> COCO JSON, where one file has the images of several splits."""
    if not files:
        return {}
    common = files.get("train") or next(iter(files.values()))
    return {split: files.get(split, common) for split in splits}


def _key(image: Path) -> str:
    """The path of an image, wherever it was said to be relative to, and through whatever links to its folder."""
    return os.path.join(_real(os.path.abspath(image.parent)), image.name)


@lru_cache(maxsize=1024)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def _normal(images: Any) -> dict[str, Path]:
    """Paths by what they are without `..` in them."""
    return {_key(image): image for image in images}
