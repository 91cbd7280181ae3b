"""Supervisely projects."""

from __future__ import annotations

import base64
import json
import struct
import zlib

import numpy as np
import pytest

from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.formats import supervisely
from seglab.geometry.rle import area, rings_to_rle

from ..sources import HEIGHT, WIDTH, picture
from .writers import png_bytes

SQUARE = [[10, 10], [40, 10], [40, 30], [10, 30]]  # 600 pixels


def write(folder, objects: list[dict], dataset: str = "ds1", tags: tuple[str, ...] = ()) -> None:
    picture(folder / dataset / "img/a.jpg")
    size = {"height": HEIGHT, "width": WIDTH}
    content = {"size": size, "tags": [{"name": tag} for tag in tags], "objects": objects}
    (folder / dataset / "ann").mkdir(parents=True, exist_ok=True)
    (folder / dataset / "ann/a.jpg.json").write_text(json.dumps(content))
    (folder / "meta.json").write_text(json.dumps({"classes": [{"title": "zebra"}, {"title": "cup"}]}))


def shape(kind: str, exterior: list, interior: list | None = None, title: str = "cup") -> dict:
    points = {"exterior": exterior, "interior": interior or []}
    return {"classTitle": title, "geometryType": kind, "points": points}


def bitmap(data: bytes, origin: list) -> dict:
    packed = base64.b64encode(zlib.compress(data)).decode()
    return {"classTitle": "cup", "geometryType": "bitmap", "bitmap": {"data": packed, "origin": origin}}


def read(folder) -> tuple[list[tuple[str, int]], list[str]]:
    source = supervisely.read(folder)
    labeled = source.load(source.entries[0])
    masks = [each.rle or rings_to_rle(each.rings, HEIGHT, WIDTH) for each in labeled.instances]
    classes = [source.names[each.class_id] for each in labeled.instances]
    return list(zip(classes, map(area, masks))), [issue.message for issue in labeled.issues]


def test_polygons_have_holes_whatever_way_they_are_drawn(tmp_path):
    hole = [[15, 15], [20, 15], [20, 20], [15, 20]]
    write(tmp_path, [shape("polygon", SQUARE, [hole]), shape("polygon", SQUARE[::-1], [hole[::-1]], "new")])
    assert read(tmp_path) == ([("cup", 575), ("new", 575)], [])
    assert load_dataset(tmp_path).names == {0: "zebra", 1: "cup", 2: "new"}, "those of meta.json first"
    assert load_dataset(tmp_path / "ds1").names == {0: "zebra", 1: "cup", 2: "new"}, "a dataset alone too"


@pytest.mark.parametrize("alpha", [False, True])
def test_bitmaps_are_placed_at_their_origin_and_cut_at_the_border(tmp_path, alpha):
    mask = np.zeros((5, 7), np.uint8)
    mask[1:4, 1:6] = 255
    data = png_bytes(np.repeat(mask[..., None], 4, axis=2) if alpha else mask)
    write(tmp_path, [bitmap(data, [10, 20]), bitmap(data, [WIDTH - 3, 0]), bitmap(data, [WIDTH, 0])])
    assert read(tmp_path) == ([("cup", 15), ("cup", 6)], ["no area: a bitmap"])


def test_other_shapes(tmp_path):
    write(tmp_path, [shape("rectangle", [[10, 10], [40, 30]]), shape("line", SQUARE), shape("point", [[1, 1]])])
    assert read(tmp_path) == ([("cup", 600)], ["no outline: a rectangle", "no area: a line", "no area: a point"])


def test_what_is_damaged_is_told_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisely, "MAX_PNG", 1 << 16)
    bomb = bitmap(b"\0" * (1 << 20), [0, 0])
    wrong = [
        bomb,
        bitmap(b"no image", [0, 0]),
        bomb | {"bitmap": {"data": "?", "origin": [0, 0]}},
        bomb | {"bitmap": {}},
    ]
    write(tmp_path, [*wrong, shape("polygon", [[1, 1], [2]]), shape("polygon", SQUARE)])
    found, messages = read(tmp_path)
    assert found == [("cup", 600)] and len(messages) == 5
    assert all(message.startswith("damaged") for message in messages) and "unpacks to more than" in messages[0]


@pytest.mark.parametrize("content", [{"size": {}, "objects": []}, {"size": {"height": 1, "width": 1}, "objects": [{}]}])
def test_a_damaged_label_file_is_named(tmp_path, content):
    write(tmp_path, [])
    (tmp_path / "ds1/ann/a.jpg.json").write_text(json.dumps(content))
    with pytest.raises(SeglabError, match=r"a\.jpg\.json"):
        load_dataset(tmp_path)


def test_datasets_and_tags_called_train_and_val_are_splits(tmp_path):
    for dataset in ("train", "val"):
        write(tmp_path / "one", [shape("polygon", SQUARE)], dataset)
        write(tmp_path / "two", [shape("polygon", SQUARE)], f"ds {dataset}", (dataset,))
    for project in ("one", "two"):
        spec = load_dataset(tmp_path / project)
        assert {split: len(images) for split, images in spec.splits.items()} == {"train": 1, "val": 1}


@pytest.mark.parametrize("side", [9_000, 20_000])
def test_a_bitmap_larger_than_any_image_is_damage(side):
    """A few kilobytes of PNG that would be a hundred megabytes; beyond its own limit, Pillow raises an error of its
    own."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(side))), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        png += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    bitmap = {"data": base64.b64encode(zlib.compress(png)).decode(), "origin": [0, 0]}
    item = {"classTitle": "a", "geometryType": "bitmap", "bitmap": bitmap}
    found, why = supervisely._instance(item, {"a": 0}, (64, 64))
    assert found is None and why.startswith("damaged bitmap: ")
