"""Folders, text files and images to the images of a split."""

import shutil

import pytest

from seglab.datasets.load import load_dataset
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "gbk"])
def test_a_list_may_be_in_any_encoding(tmp_path, encoding):
    path = make_dataset(tmp_path / "shelf", val="val.txt")
    name = "照片.png" if encoding == "gbk" else "größe.png"
    shutil.copy(tmp_path / "shelf/images/val/0.png", tmp_path / "shelf/images/val" / name)
    (tmp_path / "shelf/val.txt").write_text(f"images/val/{name}\n", encoding=encoding)
    assert [image.name for image in load_dataset(path).splits["val"]] == [name]


def test_a_listed_image_may_have_been_saved_in_another_format(tmp_path):
    path = make_dataset(tmp_path / "shelf", val="val.txt")
    (tmp_path / "shelf/val.txt").write_text("D:\\mine\\images\\val\\0.jpg\nimages/val/1.png\nimages/val/7.jpg\n")
    spec = load_dataset(path)
    assert [image.name for image in spec.splits["val"]] == ["0.png", "1.png", "7.jpg"]
    (issue,) = spec.issues
    assert issue.message.startswith("images with another suffix than the labels say: 1, as ") and issue.is_note
