"""Labelme JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seglab.convert import convert
from seglab.convert.rows import same
from seglab.data.annotations import Annotations
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.errors import SeglabError
from seglab.geometry.polygons import ring_area
from seglab.geometry.rle import decode, encode, rings_to_rle

from ..sources import (
    HEIGHT,
    WIDTH,
    box,
    ground_truth,
    labelme,
    picture,
    png,
    read_back,
)


def test_labelme(tmp_path):
    mask = np.zeros((6, 8), np.uint8)
    mask[1:5, 1:7] = 1
    mask[2:4, 3:5] = 0
    shapes = [
        {"label": "cup", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon", "group_id": None},
        {"label": "cup", "points": [[30, 1], [20, 9]], "shape_type": "rectangle", "group_id": 1},
        {"label": "cup", "points": [[40, 5], [45, 9], [40, 9]], "shape_type": "polygon", "group_id": 1},
        {"label": "ball", "points": [[30.0, 25.0], [30.0, 32.0]], "shape_type": "circle", "group_id": None},
        {"label": "frame", "points": [[50, 30], [57, 35]], "shape_type": "mask", "mask": png(mask), "group_id": None},
        {"label": "dot", "points": [[3, 3]], "shape_type": "point", "group_id": None},
    ]
    content = {"version": "5", "imageHeight": HEIGHT, "imageWidth": WIDTH, "imageData": None, "shapes": shapes}
    picture(tmp_path / "in/a.jpg")
    (tmp_path / "in/a.json").write_text(json.dumps(content | {"imagePath": "a.jpg"}))
    inside = png(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (tmp_path / "in/b.json").write_text(json.dumps(content | {"imagePath": "..\\raw\\b.png", "imageData": inside}))
    (tmp_path / "in/c.json").write_text(json.dumps(content | {"imagePath": "c.jpg"}))
    report = convert(tmp_path / "in", out=tmp_path / "out")
    assert (report.images, report.images_written, report.instances, report.lost) == (3, 2, 15, 7)
    assert "a point of 1 point ->" in str(report) and "missing image" in str(report)
    found = read_back(tmp_path / "out", "train")
    assert sorted(found) == ["a.jpg", "b.png"]
    assert load_dataset(tmp_path / "out").names == {0: "ball", 1: "cup", 2: "dot", 3: "frame"}
    for objects in found.values():
        assert [each.class_id for each, _ in objects] == [1, 1, 0, 3]
        _, pair, ball, frame = objects
        polygons = ground_truth({"segmentation": [box(20, 1, 30, 9), [40, 5, 45, 9, 40, 9]]}, HEIGHT, WIDTH)
        assert same(pair[1], polygons) == 1.0
        assert sum(map(ring_area, ball[0].rings)) == pytest.approx(np.pi * 49, abs=0.1)
        expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
        expected[30:36, 50:58] = mask
        assert same(frame[1], encode(expected)) == 1.0


def test_labelme_files_in_folders_of_their_own_are_found(tmp_path):
    for name in ("one/a", "two/b"):
        picture(tmp_path / f"in/{name}.jpg")
        labelme(tmp_path / f"in/{name}.json", [{"label": "cup", "points": [[1, 1], [9, 1], [9, 9]]}])
    assert convert(tmp_path / "in", out=tmp_path / "out").instances_written == 2


def test_a_damaged_picture_or_a_mask_without_a_place_in_labelme_is_named(tmp_path):
    mask = {"label": "cup", "points": [], "shape_type": "mask", "mask": png(np.ones((2, 2), np.uint8))}
    square = {"label": "cup", "points": [[1, 1], [9, 1], [9, 9]]}
    picture(tmp_path / "in/a.jpg")
    labelme(tmp_path / "in/a.json", [mask, square])
    labelme(tmp_path / "in/b.json", [square], imageData="abcde")
    report = convert(tmp_path / "in", out=tmp_path / "out")
    assert (report.images, report.images_written, report.instances, report.lost) == (2, 1, 3, 2)
    assert "a mask of 0 points" in str(report) and "b.jpg, and no readable image in the JSON" in str(report)


@pytest.mark.parametrize("wrong", [{"mask": png(np.ones((9, 9), np.uint8))[:64]}, {"points": [[float("inf"), 1]]}])
def test_a_labelme_mask_that_cannot_be_read_is_an_error_that_names_the_file(tmp_path, wrong):
    mask = {"label": "cup", "points": [[1, 1]], "shape_type": "mask", "mask": png(np.ones((9, 9), np.uint8))}
    picture(tmp_path / "in/a.jpg")
    labelme(tmp_path / "in/a.json", [mask | wrong])
    with pytest.raises(SeglabError, match=r"a\.json has a mask that cannot be read"):
        convert(tmp_path / "in", out=tmp_path / "out")


@pytest.mark.parametrize(
    "wrong",
    [{"label": None, "points": "text"}, {"points": [[1, 2], [3]]}, {"label": "cup"}, {"points": [[1, 2]]}, None],
)
def test_a_damaged_labelme_file_is_named(tmp_path, wrong):
    picture(tmp_path / "a.png")
    content = {"imagePath": None, "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": [wrong]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(SeglabError, match=r"a\.json is not a Labelme JSON"):
        convert(tmp_path, out=tmp_path / "out")


SQUARE = [[10, 10], [40, 10], [40, 30], [10, 30]]  # 600 pixels


def masks_of(folder) -> dict[str, list[int]]:
    """Image -> pixels of each instance, as training reads them."""
    spec = load_dataset(folder)
    annotations = Annotations(spec, "train")
    found = {}
    for image in spec.images("train"):
        instances, _ = annotations.read(image, (HEIGHT, WIDTH))
        areas = [int(decode(each.rle or rings_to_rle(each.rings, HEIGHT, WIDTH)).sum()) for each in instances]
        found[image.relative_to(folder).as_posix()] = areas
    return found


def test_turned_rectangles_of_two_tools_are_outlines_and_lines_are_told(tmp_path):
    small = [[2, 2], [9, 2], [9, 9], [2, 9]]
    shapes = [
        {"label": "cup", "points": SQUARE, "shape_type": "rotation", "direction": 0.3},
        {"label": "cup", "points": small, "shape_type": "oriented_rectangle"},
        {"label": "cup", "points": [[1, 1], [9, 9]], "shape_type": "linestrip"},
    ]
    picture(tmp_path / "a.jpg")
    labelme(tmp_path / "a.json", shapes)
    assert masks_of(tmp_path) == {"a.jpg": [600, 49]}
    messages = [issue.message for issue in check(tmp_path, out=None).issues]
    assert "no area: a linestrip of 2 points" in messages


def test_ignore_and_background_are_no_classes(tmp_path):
    labels = ("cup", "__ignore__", "_background_")
    picture(tmp_path / "a.jpg")
    labelme(tmp_path / "a.json", [{"label": label, "points": SQUARE} for label in labels])
    assert load_dataset(tmp_path).names == {0: "cup"}
    assert masks_of(tmp_path) == {"a.jpg": [600]}
    assert "no class: the label __ignore__" in str(check(tmp_path, out=None))


@pytest.mark.parametrize(
    "said, image",
    [
        ("..\\img\\a.jpg", "img/a.jpg"),
        ("C:\\Users\\me\\a.jpg", "img/a.jpg"),
        ("/home/me/b/A.JPG", "deep/down/a.jpg"),
        ("old-name.jpg", "json/a.jpg"),
    ],
)
def test_an_image_is_found_where_the_label_says_or_by_its_name(tmp_path, said, image):
    picture(tmp_path / image)
    labelme(tmp_path / "json/a.json", [{"label": "cup", "points": SQUARE}], imagePath=said)
    assert masks_of(tmp_path) == {image: [600]}


def test_of_two_images_of_one_name_the_one_in_the_folder_that_is_said_is_taken(tmp_path):
    for folder in ("one", "two"):
        picture(tmp_path / f"img/{folder}/a.jpg")
    labelme(tmp_path / "json/a.json", [{"label": "cup", "points": SQUARE}], imagePath="D:\\raw\\two\\a.jpg")
    assert masks_of(tmp_path) == {"img/two/a.jpg": [600]}
    labelme(tmp_path / "json/a.json", [{"label": "cup", "points": SQUARE}], imagePath="D:\\raw\\a.jpg")
    with pytest.raises(SeglabError, match="no image that they refer to"):
        load_dataset(tmp_path)


def test_a_painted_mask_is_cut_at_the_border_and_one_outside_is_told(tmp_path):
    ones = png(np.ones((11, 21), np.uint8))
    shapes = [
        {"label": "cup", "points": [[x, y], [x + 20, y + 10]], "shape_type": "mask", "mask": ones}
        for x, y in ((-3, -2), (WIDTH - 5, HEIGHT - 4), (WIDTH + 5, 0), (-30, 0))
    ]
    picture(tmp_path / "a.jpg")
    labelme(tmp_path / "a.json", shapes)
    assert masks_of(tmp_path) == {"a.jpg": [18 * 9, 5 * 4]}
    assert str(check(tmp_path, out=None)).count("a mask without a pixel in the image") == 2


@pytest.mark.parametrize("size", [None, 0, "40"])
def test_a_size_that_the_file_does_not_say_is_the_images(tmp_path, size):
    mask = {"label": "cup", "points": [[1, 1]], "shape_type": "mask", "mask": png(np.ones((2, 3), np.uint8))}
    picture(tmp_path / "a.jpg")
    labelme(tmp_path / "a.json", [mask], imageHeight=size, imageWidth=size)
    assert masks_of(tmp_path) == {"a.jpg": [6]}


def test_copies_that_notebooks_keep_are_not_read_and_other_json_files_are_told(tmp_path):
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "unseen.jpg")
    labelme(tmp_path / "a.json", [{"label": "cup", "points": SQUARE}])
    labelme(tmp_path / ".ipynb_checkpoints/a-checkpoint.json", [{"label": "x", "points": SQUARE}], imagePath="../a.jpg")
    (tmp_path / "classes.json").write_text('["cup"]')
    (tmp_path / "settings.json").write_text('{"x": 1}')
    assert masks_of(tmp_path) == {"a.jpg": [600]}
    for report in (
        str(check(tmp_path, out=None)),
        str(convert(tmp_path, out=tmp_path.with_name(f"{tmp_path.name}-out"))),
    ):
        assert "classes.json  not a Labelme JSON" in report and "settings.json  not a Labelme JSON" in report
        assert "unseen.jpg  no label file for this image" in report


def test_files_of_one_name_in_two_folders_are_two_images(tmp_path):
    for folder in ("x", "y"):
        picture(tmp_path / f"in/{folder}/1.jpg")
        labelme(tmp_path / f"in/{folder}/1.json", [{"label": "cup", "points": SQUARE}])
    assert masks_of(tmp_path / "in") == {"x/1.jpg": [600], "y/1.jpg": [600]}
    report = convert(tmp_path / "in", out=tmp_path / "out", strict=1.0)
    assert report.images_written == 2 and report.passed
    assert sorted(path.as_posix() for path in (tmp_path / "out").rglob("*/1.txt")) == [
        (tmp_path / f"out/labels/train/{folder}/1.txt").as_posix() for folder in ("x", "y")
    ]


def test_folders_called_train_and_val_are_splits(tmp_path):
    for folder in ("train", "valid"):
        picture(tmp_path / f"{folder}/1.jpg")
        labelme(tmp_path / f"{folder}/1.json", [{"label": "cup", "points": SQUARE}])
    spec = load_dataset(tmp_path)
    assert {split: [image.parent.name for image in images] for split, images in spec.splits.items()} == {
        "train": ["train"],
        "val": ["valid"],
    }


def test_of_two_label_files_for_one_image_the_second_is_told(tmp_path):
    picture(tmp_path / "a.jpg")
    for name in ("a", "copy of a"):
        labelme(tmp_path / f"{name}.json", [{"label": "cup", "points": SQUARE}], imagePath="a.jpg")
    assert masks_of(tmp_path) == {"a.jpg": [600]}
    assert "copy of a.json  two label files for one image" in str(check(tmp_path, out=None))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_any_encoding_of_a_json_is_read(tmp_path, encoding):
    picture(tmp_path / "a.jpg")
    labelme(tmp_path / "a.json", [{"label": "XX", "points": SQUARE}])
    text = (tmp_path / "a.json").read_text().replace("XX", "Gefäß")
    (tmp_path / "a.json").write_bytes(text.encode(encoding))
    assert load_dataset(tmp_path).names == {0: "Gefäß"} and masks_of(tmp_path) == {"a.jpg": [600]}
