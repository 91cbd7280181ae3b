"""VGG Image Annotator."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.formats.via import ViaSource, is_here
from seglab.geometry.rle import area, rings_to_rle

from ..sources import HEIGHT, WIDTH, picture

X, Y = [10, 40, 40, 10], [10, 10, 30, 30]  # 600 pixels
SQUARE = {"name": "polygon", "all_points_x": X, "all_points_y": Y}


def write(folder, shapes: list[dict], attributes: list[dict] | None = None, project: bool = False, old: bool = False):
    picture(folder / "a.jpg")
    attributes = attributes or [{"class": "cup"}] * len(shapes)
    regions = [{"shape_attributes": s, "region_attributes": a} for s, a in zip(shapes, attributes)]
    if old:
        regions = {str(number): region for number, region in enumerate(regions)}
    images = {"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": regions, "file_attributes": {}}}
    content = {"_via_settings": {}, "_via_img_metadata": images} if project else images
    (folder / "labels.json").write_text(json.dumps(content))


def read(folder) -> tuple[list[tuple[str, int]], list[str]]:
    source = ViaSource(folder, None)
    (entry,) = source.entries
    labeled = source.load(entry)
    masks = [rings_to_rle(each.rings, HEIGHT, WIDTH) for each in labeled.instances]
    classes = [source.names[each.class_id] for each in labeled.instances]
    return list(zip(classes, map(area, masks))), [issue.message for issue in labeled.issues]


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("old", [False, True])
def test_every_shape_has_the_area_that_it_shows(tmp_path, project, old):
    shapes = [
        SQUARE,
        {"name": "rect", "x": 5, "y": 5, "width": 10, "height": 4},
        {"name": "circle", "cx": 30, "cy": 20, "r": 8},
        {"name": "ellipse", "cx": 30, "cy": 20, "rx": 12, "ry": 5, "theta": np.pi / 2},
        {"name": "polyline", "all_points_x": [*X, X[0]], "all_points_y": [*Y, Y[0]]},
    ]
    write(tmp_path, shapes, project=project, old=old)
    assert is_here(tmp_path) and is_here(tmp_path / "labels.json")
    found, messages = read(tmp_path)
    areas = [pixels for _, pixels in found]
    assert areas == [600, 40, pytest.approx(np.pi * 64, abs=8), pytest.approx(np.pi * 60, abs=8), 600]
    assert messages == ["no outline: a rect"]


def test_an_ellipse_is_turned_by_radians(tmp_path):
    write(tmp_path, [{"name": "ellipse", "cx": 30, "cy": 20, "rx": 12, "ry": 5, "theta": np.pi / 2}])
    source = ViaSource(tmp_path, None)
    ring = source.load(source.entries[0]).instances[0].rings[0]
    assert np.ptp(ring, axis=0) == pytest.approx([10, 24], abs=0.1)


def test_points_open_lines_and_damaged_shapes_are_told(tmp_path):
    shapes = [
        {"name": "point", "cx": 1, "cy": 1},
        {"name": "polyline", "all_points_x": [1, 5, 9], "all_points_y": [1, 9, 1]},
        {"name": "polygon", "all_points_x": [1, 5, 9], "all_points_y": [1, 9]},
        {"name": "polygon", "all_points_x": [1, 5, "a"], "all_points_y": [1, 9, 1]},
        {"name": "circle", "cx": 1, "cy": 1, "r": 0},
        {"name": "rect"},
        {},
        SQUARE,
    ]
    write(tmp_path, shapes)
    found, messages = read(tmp_path)
    assert found == [("cup", 600)] and len(messages) == 7
    assert all(message.startswith("no area: a region of the shape") for message in messages)


@pytest.mark.parametrize(
    "attributes, names",
    [
        ([{"kind": "cup"}, {"kind": "ball"}], ["cup", "ball"]),
        ([{"color": "red", "Label": "cup"}, {"color": "blue", "Label": "ball"}], ["cup", "ball"]),
        ([{"type": {"cup": True, "ball": False}}, {"type": {"ball": True}}], ["cup", "ball"]),
        ([{}, {}], ["object", "object"]),
    ],
)
def test_the_attribute_that_names_the_class_is_found(tmp_path, attributes, names):
    write(tmp_path, [SQUARE, SQUARE], attributes)
    assert [name for name, _ in read(tmp_path)[0]] == names


def test_regions_without_a_class_are_told_and_unclear_attributes_asked_about(tmp_path):
    write(tmp_path, [SQUARE, SQUARE], [{"class": "cup"}, {"class": ""}])
    assert read(tmp_path) == ([("cup", 600)], ["no class: the region has no value for it"])
    write(tmp_path, [SQUARE], [{"color": "red", "species": "cat"}])
    with pytest.raises(SeglabError, match="attributes color, species, and none of them is called 'class'"):
        load_dataset(tmp_path)


def test_folders_of_splits_with_a_file_each(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / split, [SQUARE])
    spec = load_dataset(tmp_path)
    assert {split: len(images) for split, images in spec.splits.items()} == {"train": 1, "val": 1}


@pytest.mark.parametrize("wrong", ['{"a": {"filename": "a.jpg", "regions": [1]}}', '{"_via_img_metadata": []}'])
def test_a_damaged_file_is_named(tmp_path, wrong):
    (tmp_path / "labels.json").write_text(wrong)
    with pytest.raises(SeglabError, match=r"labels\.json is not a valid VIA file"):
        load_dataset(tmp_path)


def test_a_project_of_version_3(tmp_path):
    """Shapes are lists whose first number is their type; a choice is stored as its number among the options."""
    picture(tmp_path / "a.jpg")
    shapes = [[7, 10, 10, 40, 10, 40, 30, 10, 30], [2, 5, 5, 10, 4], [3, 30, 20, 8], [4, 30, 20, 12, 5], [1, 3, 3], []]
    rows = {f"1_{n}": {"vid": "1", "z": [], "xy": xy, "av": {"1": str(n % 2)}} for n, xy in enumerate(shapes)}
    content = {
        "project": {"pid": "__VIA_PROJECT_ID__", "vid_list": ["1"]},
        "config": {},
        "attribute": {"1": {"aname": "class", "type": 3, "options": {"0": "cup", "1": "toy"}}},
        "file": {"1": {"fid": "1", "fname": "a.jpg", "type": 2, "loc": 1, "src": ""}},
        "metadata": rows,
        "view": {"1": {"fid_list": ["1"]}},
    }
    (tmp_path / "via3.json").write_text(json.dumps(content))
    assert is_here(tmp_path)
    found, messages = read(tmp_path)
    assert [name for name, _ in found] == ["cup", "toy", "cup", "toy"]
    areas = [pixels for _, pixels in found]
    assert areas == [600, 40, pytest.approx(np.pi * 64, abs=8), pytest.approx(np.pi * 60, abs=8)]
    assert messages == ["no outline: a rect", "no area: a region of the shape 'type 1'"]
    content["metadata"]["1_0"]["vid"] = "9"
    (tmp_path / "via3.json").write_text(json.dumps(content))
    with pytest.raises(SeglabError, match=r"via3\.json is not a valid VIA file"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("xy", "pixels"),
    [
        ([8, 25, 10, 40, 20, 20, 30, 10, 12], 600),  # a rectangle, by the points of an object that lie farthest out
        ([9, 22, 20, 42, 20, 32, 30], 314),  # a circle of radius 10, by three points
        ([9, 10, 10, 20, 20, 30, 30], 0),  # three points on one line
    ],
)
def test_shapes_of_via_3_by_their_extreme_points(tmp_path, xy, pixels):
    picture(tmp_path / "a.jpg")
    content = {
        "project": {"pid": "__VIA_PROJECT_ID__", "vid_list": ["1"]},
        "config": {},
        "attribute": {"1": {"aname": "class", "options": {"0": "cat"}}},
        "file": {"1": {"fid": "1", "fname": "a.jpg", "type": 2, "loc": 1, "src": ""}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {"1_a": {"vid": "1", "flg": 0, "z": [], "xy": xy, "av": {"1": "0"}}},
    }
    (tmp_path / "via3.json").write_text(json.dumps(content))
    found, messages = read(tmp_path)
    assert sum(area for _, area in found) == pytest.approx(pixels, abs=6)
    assert any(message.startswith("no area") for message in messages) == (pixels == 0)
