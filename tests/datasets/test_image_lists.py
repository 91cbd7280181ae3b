"""Folders, text files and images to the images of a split."""

import pytest

from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.files import label_path

from .shelf import counts, make_dataset, make_images


def test_entries_may_be_lists_and_text_files(tmp_path):
    root = tmp_path / "shelf"
    path = make_dataset(root, train=["images/train", "images/val"], val="val.txt", test="images/val/0.png")
    (root / "val.txt").write_text("./images/val/1.png\n\nimages/train/0.png\n")
    spec = load_dataset(path)
    assert counts(spec) == {"train": 5, "val": 2, "test": 1}
    assert {label_path(image) for image in spec.splits["val"]} == {
        spec.root / "labels/train/0.txt",
        spec.root / "labels/val/1.txt",
    }


def test_linked_folders_are_looked_through_once(tmp_path):
    path = make_dataset(tmp_path / "shelf")
    make_images(tmp_path / "elsewhere", 2)
    (tmp_path / "shelf/images/train/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/round").symlink_to(tmp_path / "shelf/images/train")
    assert counts(load_dataset(path)) == {"train": 5, "val": 2}


def test_a_list_in_another_encoding_is_named(tmp_path):
    path = make_dataset(tmp_path / "shelf", val="val.txt")
    (tmp_path / "shelf/val.txt").write_text("images/val/ü.png", encoding="latin-1")
    with pytest.raises(SeglabError, match=r"val\.txt is not a list of images in UTF-8"):
        load_dataset(path)
