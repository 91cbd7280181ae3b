"""Label Studio's JSON."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.errors import SeglabError
from seglab.formats.label_studio import is_here, read, unpack_brush

from ..sources import HEIGHT, WIDTH, picture
from .writers import pack_brush, pixels_of

ABOUT = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}


def percent(x: float, y: float) -> list[float]:
    return [100 * x / WIDTH, 100 * y / HEIGHT]


SQUARE = [percent(10, 10), percent(40, 10), percent(40, 30), percent(10, 30)]  # 600 pixels


def region(tool: str, value: dict, label: str = "cup", **more) -> dict:
    return ABOUT | {"type": f"{tool}labels", "value": value | {f"{tool}labels": [label]}} | more


POLYGON = region("polygon", {"points": SQUARE, "closed": True})


def task(result: list[dict], image: str = "/data/upload/1/1a2b3c4d-a.jpg", **more) -> dict:
    return {"id": 7, "data": {"image": image}, "annotations": [{"result": result, "was_cancelled": False}]} | more


def write(folder, tasks: list[dict]) -> None:
    picture(folder / "images/a.jpg")
    (folder / "export.json").write_text(json.dumps(tasks))


def pixels(folder) -> tuple[list[tuple[str, int]], list[str]]:
    return pixels_of(read(folder))


def test_polygons_rectangles_ellipses_and_brushes(tmp_path):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[3:9, 5:15] = 255
    brush = list(pack_brush(np.repeat(mask.ravel(), 4)))
    x, y = percent(20, 10)
    w, h = percent(10, 20)
    write(
        tmp_path,
        [
            task(
                [
                    POLYGON,
                    region("brush", {"format": "rle", "rle": brush}, "ball"),
                    region("rectangle", {"x": x, "y": y, "width": w, "height": h, "rotation": 0}),
                    region("ellipse", {"x": x, "y": y, "radiusX": w, "radiusY": h / 4, "rotation": 0}),
                ]
            )
        ],
    )
    found, messages = pixels(tmp_path)
    assert found[:3] == [("cup", 600), ("ball", 60), ("cup", 200)]
    assert found[3][1] == pytest.approx(np.pi * 50, abs=8)
    assert messages == ["no outline: a rectangle"]


@pytest.mark.parametrize("degrees, box", [(0, (20, 10, 30, 15)), (90, (15, 10, 20, 20)), (180, (10, 5, 20, 10))])
def test_a_rectangle_is_turned_about_its_top_left_corner(tmp_path, degrees, box):
    x, y = percent(20, 10)
    w, h = percent(10, 5)
    write(tmp_path, [task([region("rectangle", {"x": x, "y": y, "width": w, "height": h, "rotation": degrees})])])
    source = read(tmp_path)
    ring = source.load(source.entries[0]).instances[0].rings[0]
    assert [*ring.min(axis=0), *ring.max(axis=0)] == pytest.approx(box)


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/4/1a2b3c4d-a.jpg",
        "/data/upload/4/a.jpg",
        "/data/local-files/?d=photos%5Cdeep%5Ca.jpg",
        "/data/local-files/?d=photos/a.jpg",
        "https://example.org/bucket/a.jpg?token=1",
        "s3://bucket/a.jpg",
        "C:\\me\\a.jpg",
        "a.jpg",
    ],
)
def test_the_image_of_a_task_is_found_by_its_name(tmp_path, image):
    write(tmp_path, [task([POLYGON], image)])
    assert pixels(tmp_path) == ([("cup", 600)], [])
    assert load_dataset(tmp_path).images("train") == (tmp_path / "images/a.jpg",)
    assert load_dataset(tmp_path / "export.json").images("train") == (tmp_path / "images/a.jpg",)


def test_of_several_annotations_the_last_is_read_and_said_so(tmp_path):
    result = region("polygon", {"points": SQUARE}, "old")
    annotations = [
        {"result": [result]},
        {"result": [POLYGON]},
        {"result": [result], "was_cancelled": True},
    ]
    waiting = {"id": 8, "data": {"image": "b.jpg"}, "annotations": []}
    write(tmp_path, [task([], annotations=annotations), waiting])
    assert pixels(tmp_path) == ([("cup", 600)], [])
    report = str(check(tmp_path, out=None))
    assert "task 7  several annotations of one task: 2 -> the last is read" in report
    assert "task 8  no annotation" in report


def test_shape_and_label_of_two_tools_are_one_region(tmp_path):
    shape = ABOUT | {"id": "x", "type": "polygon", "value": {"points": SQUARE}}
    label = ABOUT | {"id": "x", "type": "labels", "value": {"points": SQUARE, "labels": ["cup"]}}
    choice = {"id": "y", "type": "choices", "value": {"choices": ["good"]}}
    write(tmp_path, [task([shape, label, choice])])
    assert pixels(tmp_path) == ([("cup", 600)], [])


def test_the_short_form(tmp_path):
    short = ABOUT | {"points": SQUARE, "polygonlabels": ["cup"]}
    write(tmp_path, [{"image": "/data/upload/1/1a2b3c4d-a.jpg", "id": 1, "label": [short], "annotator": 1}])
    assert pixels(tmp_path) == ([("cup", 600)], [])


@pytest.mark.parametrize("separator", [",", "\t"])
def test_tables_of_tasks(tmp_path, separator):
    """A painted mask has more characters than a cell may have by default."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[3:9, 5:15] = 255
    brush = list(pack_brush(np.repeat(mask.ravel(), 4))) + [0] * 100_000
    regions = [
        ABOUT | {"points": SQUARE, "polygonlabels": ["cup"]},
        ABOUT | {"format": "rle", "rle": brush, "brushlabels": ["toy"]},
    ]
    picture(tmp_path / "images/a.jpg")
    with open(tmp_path / "export.csv", "w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(["image", "id", "label", "annotator", "annotation_id", "created_at"])
        writer.writerow(["/data/upload/1/1a2b3c4d-a.jpg", 1, json.dumps(regions), 1, 1, "2026-11-30T10:00:00Z"])
    assert is_here(tmp_path)
    assert pixels(tmp_path) == ([("cup", 600), ("toy", 60)], [])
    write(tmp_path, [task([POLYGON])])  # the same project as JSON: read once
    assert pixels(tmp_path) == ([("cup", 600)], [])


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "export.csv").write_text("image,annotator,annotation_id,label\na.jpg,1,1,[{\n")
    with pytest.raises(SeglabError, match=r"export\.csv is not a valid table of tasks"):
        load_dataset(tmp_path)


def test_what_cannot_be_an_instance_is_told(tmp_path):
    damaged = [
        region("brush", {"format": "rle", "rle": [1, 2, 3]}),
        region("brush", {"format": "rle", "rle": [300]}),
        region("polygon", {"points": [[1, 2], [3]]}),
        region("keypoint", {"x": 1, "y": 1}),
        ABOUT | {"type": "polygon", "value": {"points": SQUARE}},
        POLYGON | {"original_width": WIDTH + 1},
        region("bitmask", {"imageDataURL": "data:image/png;base64,AAAA"}),
    ]
    write(tmp_path, [task([*damaged, POLYGON])])
    found, messages = pixels(tmp_path)
    assert found == [("cup", 600)] and len(messages) == len(damaged)
    assert sum("another size" in message for message in messages) == 1


def test_lists_that_are_no_tasks(tmp_path):
    for content in ([], ["cup"], [{"image_id": 1, "category_id": 1, "segmentation": []}], [{"data": {}}]):
        (tmp_path / "a.json").write_text(json.dumps(content))
        assert not is_here(tmp_path / "a.json")
    write(tmp_path, [task([POLYGON]), 3])
    with pytest.raises(SeglabError, match=r"export\.json is not a list of tasks"):
        load_dataset(tmp_path)


@given(st.lists(st.tuples(st.sampled_from([0, 1, 200, 255]), st.integers(1, 600)), max_size=12), st.integers(0, 20))
def test_any_brush_is_unpacked(runs, literal):
    values = np.concatenate([np.zeros(0, np.uint8), *(np.full(count, value, np.uint8) for value, count in runs)])
    assert np.array_equal(unpack_brush(pack_brush(values, literal), len(values)), values)


def test_a_brush_with_a_literal_run_of_many_values_is_unpacked():
    values = np.arange(100, dtype=np.uint8)
    bits = f"{100:032b}{7:05b}" + "0111" * 4 + f"000{99:08b}" + "".join(f"{value:08b}" for value in values)
    bits += "0" * (-len(bits) % 8)
    assert np.array_equal(unpack_brush(int(bits, 2).to_bytes(len(bits) // 8, "big"), 100), values)


@pytest.mark.parametrize("cut", [0, 3, 8, 12])
def test_a_brush_that_ends_too_early_is_told(cut):
    packed = pack_brush(np.repeat(np.array([0, 255, 0], np.uint8), 50))
    with pytest.raises(ValueError, match="brush"):
        unpack_brush(packed[:cut], 150)


def test_a_brush_of_more_values_than_any_image_makes_no_room_for_them():
    count = 2**32 - 4
    data = count.to_bytes(4, "big") + bytes([7 << 3]) + bytes(20)
    with pytest.raises(ValueError, match="more than any image"):
        unpack_brush(data, count)


@pytest.mark.parametrize("rotation", [float("nan"), float("inf"), "nan", 1e400])
def test_an_angle_that_is_none_is_damage(tmp_path, rotation):
    value = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": rotation, "rectanglelabels": ["a"]}
    result = {"type": "rectanglelabels", "original_width": WIDTH, "original_height": HEIGHT, "value": value}
    task = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": [result]}]}
    picture(tmp_path / "a.png")
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    source = read(tmp_path)
    labeled = source.load(source.entries[0])
    assert not labeled.instances and "damaged region" in labeled.issues[0].message
