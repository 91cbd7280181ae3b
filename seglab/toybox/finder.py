"""The toybox by name: "toybox-seg:2000" and "toybox-fresh:2000"."""

from __future__ import annotations

from pathlib import Path

from seglab.datasets.search import downloads_dir
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.yaml_file import read_dataset_yaml
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir
from seglab.toybox.dataset import fresh_scene, generate_dataset

DEFAULT_SCENES = 1000  # what a name without a number means


def find_toybox(name: str, split: str | None = None) -> DatasetSpec:
    """ "toybox-seg" or "toybox-seg:2000": that many generated scenes in the cache, made on first use, in all splits."""
    count = _scenes(name)
    folder = downloads_dir() / f"toybox-seg-{count}"
    if not folder.is_dir():
        generate_dataset(out=folder, count=count)
    return read_dataset_yaml(folder / f"{folder.name}.yaml")


def find_fresh_toybox(name: str, split: str | None = None) -> DatasetSpec:
    """ "toybox-fresh" or "toybox-fresh:2000": so many new scenes an epoch, none of them written."""
    bundled = read_dataset_yaml(bundled_data_dir() / "toybox8-seg/toybox8-seg.yaml")
    root = Path(name)  # a resumed run asks for that name
    splits = {"train": tuple(root / f"{number:06d}" for number in range(_scenes(name))), "val": bundled.images("val")}
    return DatasetSpec("toybox-fresh", root, splits, bundled.names, draw=fresh_scene)


def _scenes(name: str) -> int:
    """The number of scenes that a name asks for. Errors: SeglabError when it is no number of at least 2."""
    base, _, count = name.partition(":")
    count = count or str(DEFAULT_SCENES)
    if not count.isdecimal() or int(count) < 2:
        raise SeglabError(f"'{name}': give a number of scenes, at least 2, after the colon, e.g. {base}:2000")
    return int(count)
