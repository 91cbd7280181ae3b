"""COCO 2017 by name: downloaded from its official addresses, its annotations converted to label files.

It stands above `datasets` because it converts; training on 118,000 images from label files needs no gigabytes of JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seglab.class_names import COCO_NAMES
from seglab.convert.conversion import convert_coco_labels
from seglab.datasets.downloads import fetch
from seglab.datasets.image_lists import list_images
from seglab.datasets.search import downloads_dir
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.unpack import extract_zip
from seglab.datasets.yaml_file import read_dataset_yaml
from seglab.formats.yolo import write_dataset_yaml

# Validation reads the JSON itself, with its crowds and exact masks; training reads the label files.
ANNOTATIONS = {"val": "annotations/instances_val2017.json"}


def find_coco(name: str = "coco", split: str | None = None) -> DatasetSpec:
    """COCO 2017 in the cache, put together on first use. split="val": without waiting for the 19 GB of training images.

    Errors: SeglabError when something cannot be downloaded.
    """
    root = downloads_dir() / name
    path = root / "coco.yaml"
    if split == "val" and not path.is_file():
        return _validation_only(root)
    if not path.is_file():
        _prepare(root, ("val", "train"))
        folders = {split: f"images/{split}2017" for split in ("train", "val")}
        write_dataset_yaml(path, folders, dict(enumerate(COCO_NAMES)), ANNOTATIONS)
    return read_dataset_yaml(path)


def _validation_only(root: Path) -> DatasetSpec:
    """val2017 (1 GB); the training images may come later, so no YAML is written that would claim them."""
    _prepare(root, ("val",))
    splits = {"val": tuple(list_images(root, root, ["images/val2017"]))}
    annotations = {split: root / file for split, file in ANNOTATIONS.items()}
    return DatasetSpec("coco", root, splits, dict(enumerate(COCO_NAMES)), annotations=annotations)


def _prepare(root: Path, splits: Iterable[str]) -> None:
    """Download, unpack and convert what is missing of these splits."""
    archives = {f"images/{split}2017": f"{split}2017.zip" for split in splits}
    for part, archive in {"annotations": "annotations_trainval2017.zip", **archives}.items():
        if not (root / part).is_dir():
            extract_zip(fetch(archive), root / part)
    for split in splits:
        if not (root / f"labels/{split}2017").is_dir():
            convert_coco_labels(root / f"annotations/instances_{split}2017.json", root / f"labels/{split}2017")
