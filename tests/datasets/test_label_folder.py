"""Folders of images and YOLO label files without a YAML: splits, class names, and what is no such folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from seglab.datasets.label_folder import read_label_folder
from seglab.datasets.spec import numbered_names

ROW = "0.1 0.1 0.9 0.1 0.5 0.9\n"


@pytest.fixture
def write(tmp_path):
    """(path of an image, class ids of its rows) -> image and label file, these in `labels` where it is in `images`."""

    def write_one(name, *classes):
        image = tmp_path / name
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(image)
        label = tmp_path / name.replace("images/", "labels/")
        label = label.with_suffix(".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("".join(f"{number} {ROW}" for number in classes))

    return write_one


def split_sizes(spec):
    return {split: len(images) for split, images in spec.splits.items()}


def test_labels_may_lie_beside_images_or_in_a_folder_of_their_own(write, tmp_path):
    write("images/a.png", 0)
    write("b.png", 1)
    spec = read_label_folder(tmp_path)
    assert split_sizes(spec) == {"train": 2}
    assert spec.about == "images with YOLO labels, without a YAML"


@pytest.mark.parametrize(
    "folder, split",
    [("train", "train"), ("Valid", "val"), ("validation", "val"), ("TEST", "test"), ("monday", "train")],
)
def test_a_folder_called_like_a_split_is_one(write, tmp_path, folder, split):
    write(f"images/{folder}/a.png", 0)
    assert split_sizes(read_label_folder(tmp_path)) == {split: 1}


def test_the_outermost_folder_tells_the_split(write, tmp_path):
    write("val/images/train/a.png", 0)
    assert split_sizes(read_label_folder(tmp_path)) == {"val": 1}


@pytest.mark.parametrize("place", ["classes.txt", "labels/classes.txt", "obj.names"])
def test_names_come_from_a_list_beside_the_images_or_among_the_labels(write, tmp_path, place):
    write("images/a.png", 1)
    (tmp_path / place).write_text("cup\nkite\n")
    spec = read_label_folder(tmp_path)
    assert spec.names == {0: "cup", 1: "kite"}
    assert not spec.issues


def test_names_come_from_the_notes_of_label_studio(write, tmp_path):
    write("images/a.png", 1)
    (tmp_path / "notes.json").write_text(
        json.dumps({"categories": [{"id": 1, "name": "kite"}, {"id": 0, "name": "cup"}]})
    )
    assert read_label_folder(tmp_path).names == {0: "cup", 1: "kite"}


@pytest.mark.parametrize("content", ["{}", "[1, 2]", "not JSON", '{"categories": [{"id": 7, "name": "cup"}]}'])
def test_other_files_of_that_name_give_no_names(write, tmp_path, content):
    write("images/a.png", 0)
    (tmp_path / "notes.json").write_text(content)
    assert read_label_folder(tmp_path).names == numbered_names(1)


def test_without_names_the_yaml_to_save_is_shown_and_can_be_saved(write, tmp_path):
    write("images/train/a.png", 2)
    write("images/val/b.png", 0)
    spec = read_label_folder(tmp_path)
    assert list(spec.names) == [0, 1, 2]
    (issue,) = spec.issues
    saved = issue.action.split("\n", 1)[1]
    shown = yaml.safe_load("\n".join(line[4:] for line in saved.splitlines()))
    assert shown == {"train": "images/train", "val": "images/val", "names": spec.names}


def test_labels_kept_apart_are_found_where_they_are_said_to_be(write, tmp_path):
    write("photos/a.png", 0)
    apart = tmp_path / "apart"
    apart.mkdir()
    (tmp_path / "photos/a.txt").rename(apart / "a.txt")
    assert read_label_folder(tmp_path / "photos") is None
    assert split_sizes(read_label_folder(tmp_path / "photos", labels=apart)) == {"train": 1}


def test_images_without_rows_are_no_such_folder(write, tmp_path):
    write("a.png")
    (tmp_path / "a.txt").write_text("a description of the image\n")
    assert read_label_folder(tmp_path) is None
