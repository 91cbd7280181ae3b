"""Datasets are found by name, YAML, folder and JSON, and what cannot be found is explained."""

import json

import pytest

from seglab.class_names import COCO_NAMES
from seglab.datasets.load import is_dataset_name, load_dataset
from seglab.errors import SeglabError
from seglab.files import label_path

from .shelf import counts, make_dataset


def test_embedded_default_needs_nothing():
    for source in ("toybox8-seg", "toybox8-seg.yaml"):
        spec = load_dataset(source)
        assert counts(spec) == {"train": 4, "val": 4} and len(spec.names) == 10
        assert all(label_path(image).is_file() for images in spec.splits.values() for image in images)


@pytest.mark.parametrize("how", ["yaml", "folder", "name", "name.yaml", "datasets", "cache"])
def test_ways_to_say_it(tmp_path, monkeypatch, how):
    root = tmp_path / {"datasets": "elsewhere", "cache": "cache/datasets"}.get(how, "work") / "shelf"
    path = make_dataset(root)
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path / "elsewhere"))
    source = {"yaml": path, "folder": root, "name.yaml": "shelf.yaml"}.get(how, "shelf")
    spec = load_dataset(source)
    assert counts(spec) == {"train": 3, "val": 2}
    assert spec.name == "shelf" and spec.root == root.resolve() and spec.names == {0: "cup", 1: "kite"}


def test_a_mistyped_path_starts_no_download(tmp_path):
    with pytest.raises(SeglabError, match="no dataset"):
        load_dataset(tmp_path / "typo/coco.yaml")


def test_names_that_are_known_without_a_path():
    for name in ("toybox8-seg", "toybox-seg", "toybox-seg:20", "toybox-fresh:9", "coco", "coco8-seg", "coco128-seg"):
        assert is_dataset_name(name)
    for name in ("coco:5", "coco8-seg:2", "toybox", "typo/coco", ""):
        assert not is_dataset_name(name)


def test_unknown_name_tells_where_it_looked(tmp_path):
    with pytest.raises(SeglabError) as caught:
        load_dataset("shelff")
    for part in ("shelff", str(tmp_path / "work"), str(tmp_path / "cache"), "coco8-seg", "toybox8-seg"):
        assert part in str(caught.value)


def test_real_coco8(datasets_folder, monkeypatch):
    monkeypatch.setenv("SEGLAB_DATASETS", str(datasets_folder.resolve()))
    for source in ("coco8-seg", "coco8-seg.yaml", datasets_folder / "coco8-seg.yaml"):
        spec = load_dataset(source)
        assert counts(spec) == {"train": 4, "val": 4} and list(spec.names.values()) == COCO_NAMES


def test_a_dataset_found_by_a_relative_path_is_known_by_its_absolute_one(tmp_path, monkeypatch):
    """Weights keep it, to be validated from whatever folder they are used in."""
    own = make_dataset(tmp_path / "work" / "shelf")
    content = {"images": [{"id": 1, "file_name": "0.png"}], "annotations": [], "categories": [{"id": 1, "name": "cup"}]}
    (own.parent / "images/val/instances_val.json").write_text(json.dumps(content))
    for relative in ("shelf", "shelf/shelf.yaml", "shelf/images/val/instances_val.json"):
        found = load_dataset(relative)
        assert found.yaml.is_absolute() and found.yaml.is_relative_to(tmp_path)
        monkeypatch.chdir(tmp_path)
        assert load_dataset(found.yaml).splits == found.splits
        monkeypatch.chdir(tmp_path / "work")
