"""Labelme JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seglab.convert import convert
from seglab.convert.rows import same
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.geometry.polygons import ring_area
from seglab.geometry.rle import encode

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
    with pytest.raises(SeglabError, match=r"a\.json holds a mask that cannot be read"):
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
