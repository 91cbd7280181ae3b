"""Archives downloaded by name."""

import shutil

import pytest

from seglab.class_names import COCO_NAMES
from seglab.datasets import known
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError

from .shelf import counts, make_images


def test_a_known_name_offline_says_what_to_do(tmp_path):
    with pytest.raises(SeglabError, match=r"coco8-seg\.zip.*put the file at.*toybox8-seg"):
        load_dataset("coco8-seg")


def test_a_known_archive_is_unpacked_and_described(tmp_path, monkeypatch):
    make_images(tmp_path / "zip/coco8-seg/images/train", 4)
    make_images(tmp_path / "zip/coco8-seg/images/val", 4)
    archive = shutil.make_archive(tmp_path / "coco8-seg", "zip", tmp_path / "zip")
    monkeypatch.setattr(known, "fetch", lambda name: archive)
    for _ in range(2):
        spec = load_dataset("coco8-seg.yaml")
        assert counts(spec) == {"train": 4, "val": 4} and list(spec.names.values()) == COCO_NAMES
        monkeypatch.setattr(known, "fetch", None)  # the second time it is there


def test_a_damaged_folder_in_the_cache_says_so(tmp_path):
    (tmp_path / "cache/datasets/coco8-seg/images/train").mkdir(parents=True)
    with pytest.raises(SeglabError, match="lacks folders of the dataset coco8-seg: delete it"):
        load_dataset("coco8-seg")
