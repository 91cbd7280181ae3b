"""`check` finds what was planted."""

import shutil
from types import SimpleNamespace

import cv2
import numpy as np

from seglab.datasets.load import load_dataset
from seglab.diagnosis import check as check_module
from seglab.diagnosis.check import check
from seglab.sample import Instance, Sample


def test_what_was_planted_is_found(make_shelf, tmp_path):
    spec = make_shelf()
    images, labels = spec.root / "images", spec.root / "labels"
    shutil.copy(images / "train/2.png", images / "val/copy.png")  # leaks, under another name
    shutil.copy(labels / "train/2.txt", labels / "val/copy.txt")
    (labels / "train/0.txt").write_text("0 -0.5 0.1 0.5 0.1 0.5 0.5\n9 0.1 0.1 0.2 0.2 0.1 0.2\n")
    (labels / "train/1.txt").unlink()
    (images / "val/3.png").write_bytes(b"broken")
    data = bytearray((images / "val/4.png").read_bytes())
    data[len(data) // 2] ^= 255  # whole, but its middle is damaged
    (images / "val/4.png").write_bytes(data)
    report = check(spec.root, tmp_path / "out")
    train, val = report.splits["train"], report.splits["val"]
    assert (train.images, train.unlabeled, train.instances.total()) == (6, 1, 9)
    assert val.images == 6 and report.duplicates == [("train", "images/train/2.png", "val", "images/val/copy.png")]
    assert (train.shortest, train.longest) == (40, 200) and sum(train.sizes) == 9
    text = str(report)
    for part in (
        "cup",
        "kite",
        "outside",
        "class id",
        "val/3.png",
        "val/4.png",
        "no label file",
        "across splits",
        "out",
    ):
        assert part in text
    sheet = cv2.imread(str(report.sheet))
    assert sheet is not None and min(sheet.shape[:2]) > 300


def test_a_split_without_a_readable_image_is_an_issue(make_shelf):
    spec = make_shelf(1)
    spec.splits["val"][0].write_text("")
    report = check(spec.root, out=None)
    assert report.splits["train"].images == 1 and report.splits["val"].images == 0
    assert "val/0.png" in str(report) and "none of the 1 images of val" in str(report)
    spec.splits["val"][0].unlink()
    assert "no images in its split 'val'" in str(check(spec.root, out=None))


def test_many_issues_are_listed_in_a_file_or_all_shown(make_shelf, tmp_path):
    spec = make_shelf(1)
    (spec.root / "labels/train/0.txt").write_text("".join(f"0 {n}\n" for n in range(30)))
    report = check(spec.root, tmp_path / "out")
    assert len(report.issues) == 31 and report.issues[-1].message == "no instance in split train"
    assert report.listing == tmp_path / "out" / "shelf-issues.csv"
    assert str(report.listing) in str(report) and "0.txt:30" not in str(report)
    assert "0.txt,30,too few points" in report.listing.read_text()
    assert "0.txt:30" in str(check(spec.root, out=None))


def test_a_clean_dataset_has_no_issues(make_shelf):
    report = check(make_shelf().root, out=None)
    assert not report.issues and not report.duplicates and report.sheet is None
    assert "no issues found" in str(report) and len(load_dataset(report.spec.yaml).names) == 2


def test_a_leak_alone_is_not_called_no_issue(make_shelf):
    root = make_shelf().root
    shutil.copy(root / "images/train/2.png", root / "images/val/copy.png")
    shutil.copy(root / "labels/train/2.txt", root / "labels/val/copy.txt")
    report = check(root, out=None)
    assert not report.issues and "across splits" in str(report)
    assert "no other issues found" in str(report) and "no issues found" not in str(report)


def test_an_image_of_very_many_instances_is_drawn_with_the_first_of_them(monkeypatch):
    """Each takes a pass over the image: a label file of a million rows would keep the report busy for hours."""
    drawn = []
    monkeypatch.setattr(check_module, "draw_instances", lambda image, classes, **_: drawn.append(classes) or image)
    ring = np.array([[1.0, 1], [5, 1], [5, 5]])
    sample = Sample(np.zeros((8, 8, 3), np.uint8), [Instance(0, [ring])] * 1000)
    check_module._draw(sample, SimpleNamespace(names={0: "a"}))
    assert drawn == [[0] * check_module.MAX_OUTLINES]
