"""Every form that tools write a shape in gives the mask that COCO's own form gives."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from seglab.formats.coco_ids import ById
from seglab.formats.coco_shapes import (
    LEFT_OUT,
    Frame,
    draw_rows,
    frame_fault,
    frame_of,
    is_crowd,
    read_annotation,
    stated_size,
)
from seglab.formats.issues import PART_LEFT_OUT
from seglab.geometry.polygons import orient
from seglab.geometry.rle import decode, rings_to_rle

HEIGHT, WIDTH = SIZE = (48, 64)
CLASSES = ById({1: 0})
UPRIGHT = Frame(SIZE)


def rle(mask: np.ndarray) -> dict:
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": packed["counts"].decode()}


def plain_rle(mask: np.ndarray) -> dict:
    flat = np.concatenate(([0], mask.ravel(order="F").astype(int)))
    edges = np.flatnonzero(np.diff(flat))
    return {"size": list(mask.shape), "counts": np.diff(edges, prepend=0, append=mask.size).tolist()}


def expected_mask(polygons: list[list[float]]) -> np.ndarray:
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *SIZE))).astype(bool)


def mask_of(segmentation: object, frame: Frame = UPRIGHT) -> tuple[np.ndarray | None, list]:
    found, faults = read_annotation({"category_id": 1, "segmentation": segmentation}, CLASSES, frame)
    if found is None:
        return None, faults
    return decode(found.rle or rings_to_rle(list(map(orient, found.rings)), *frame.size)), faults


def points_of(polygon: list[float]) -> list[list[float]]:
    return [polygon[place : place + 2] for place in range(0, len(polygon), 2)]


FORMS = {
    "as COCO": lambda polygon: [polygon],
    "flat": lambda polygon: polygon,
    "flat text": lambda polygon: [str(number) for number in polygon],
    "text": lambda polygon: [[str(number) for number in polygon]],
    "points": points_of,
    "points in a list": lambda polygon: [points_of(polygon)],
    "points as dicts": lambda polygon: [{"x": x, "y": y} for x, y in points_of(polygon)],
    "lists of dicts": lambda polygon: [[{"x": x, "y": y} for x, y in points_of(polygon)]],
    "all x and all y": lambda polygon: {"x": polygon[::2], "y": polygon[1::2]},
    "JSON in a text": lambda polygon: json.dumps([polygon]),
    "RLE": lambda polygon: rle(expected_mask([polygon])),
    "RLE in a list": lambda polygon: [rle(expected_mask([polygon]))],
    "plain RLE in a list": lambda polygon: [plain_rle(expected_mask([polygon]))],
}
halves = st.integers(0, 2 * HEIGHT).map(lambda number: number / 2)
polygons = st.lists(st.tuples(halves, halves), min_size=3, max_size=6).map(
    lambda points: [v for xy in points for v in xy]
)


def has_area(polygon):
    """Whether not all corners lie on one line."""
    corners = np.reshape(polygon, (-1, 2))
    return np.linalg.matrix_rank(corners - corners[0]) == 2


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40)
@given(polygons)
def test_every_form_is_the_same_mask(form, polygon):
    segmentation = FORMS[form](polygon)
    mask, faults = mask_of(segmentation)
    if has_area(polygon):
        assert not faults and np.array_equal(mask, expected_mask([polygon]))
    masks, areas = draw_rows([{"image_id": 1, "segmentation": segmentation}], SIZE)
    assert np.array_equal(decode(masks[0]), expected_mask([polygon])) and areas[0] == expected_mask([polygon]).sum()


@settings(max_examples=40)
@given(polygons, polygons)
def test_masks_and_polygons_in_one_list_are_one_instance(one, other):
    both = expected_mask([one, other])
    parts = [rle(expected_mask([one])), other]
    masks, areas = draw_rows([{"image_id": 1, "segmentation": parts}], SIZE)
    assert np.array_equal(decode(masks[0]), both) and areas[0] == both.sum()
    mask, faults = mask_of(parts)
    drawable = has_area(other)
    assert np.array_equal(mask, both if drawable else expected_mask([one])) and bool(faults) != drawable


SQUARE = [10, 10, 40, 10, 40, 30, 10, 30]


@pytest.mark.parametrize(
    ("part", "what"),
    [
        ([1, 2, 3, 4], "too few points, 2 where"),
        ([1, 1, 5, 1, 9, 1], "no area"),
        ([1, 1, 5, 1, 9, float("nan")], "not finite"),
        (None, "too few points, 0"),
        ({"size": [3, 3], "counts": [9]}, "has the size [3, 3], but the image [48, 64]"),
        ({"size": [48, 64], "counts": "b'abc'"}, "write counts.decode()"),
        ({"size": [48, 64], "counts": [1, 2]}, "it is damaged"),
        ({"counts": [1, 2]}, "'size'"),
    ],
)
def test_a_part_that_cannot_be_read_is_told_as_a_part(part, what):
    mask, [(message, action)] = mask_of([SQUARE, part])
    assert mask.sum() == 600 and what in message and action == PART_LEFT_OUT
    mask, faults = mask_of([part])
    assert mask is None and what in faults[0][0] and faults[-1][1] == LEFT_OUT


def test_a_box_alone_is_told():
    for shape in ({}, {"segmentation": []}, {"segmentation": None}):
        found, [(message, _)] = read_annotation(
            {"category_id": "1", "bbox": [1, 2, 3, 4], **shape}, CLASSES, Frame(SIZE)
        )
        assert found is None and "a box alone is not a mask" in message


@pytest.mark.parametrize("said", [1, True, "1", "true", 1.0])
def test_crowds_in_words(said):
    assert is_crowd({"iscrowd": said}) and not is_crowd({"iscrowd": "False"}) and not is_crowd({})


def test_sizes_in_words():
    for height, width in ((48, 64), ("48", "64"), (48.0, "64.0")):
        assert stated_size({"height": height, "width": width}) == (48, 64)
    for side in (0, "0", None, "", "a", -1, float("nan"), float("inf"), 4.5, [48], "0x30"):
        assert stated_size({"height": side, "width": 64}) is None
    assert stated_size({}) is None


@pytest.mark.parametrize("orientation", range(5, 9))
def test_shapes_drawn_on_the_pixels_as_stored_turn_with_the_image(orientation):
    frame = frame_of((WIDTH, HEIGHT), SIZE, orientation)
    assert frame == Frame(SIZE, orientation) and frame.drawn_size == (WIDTH, HEIGHT)
    what, done = frame_fault(frame)
    assert "EXIF" in what and f"says {HEIGHT} x {WIDTH}" in what and f"image to {WIDTH} x {HEIGHT}" in what and done
    stored = np.zeros((WIDTH, HEIGHT), bool)
    stored[5:50, 3:20] = True
    polygon, _ = mask_of([[3, 5, 20, 5, 20, 50, 3, 50]], frame)
    mask, _ = mask_of(rle(stored), frame)
    assert mask.shape == SIZE and mask.sum() == stored.sum() and np.array_equal(mask, polygon)


def test_swapped_sizes_without_exif_need_shapes_that_fit():
    frame = frame_of((WIDTH, HEIGHT), SIZE, 1)
    assert frame == Frame(SIZE, swapped=True) and "no EXIF" in frame_fault(frame)[0]
    assert mask_of([SQUARE], frame)[0].sum() == 600
    mask, [(message, _)] = mask_of([[10, 10, 40, 10, 40, 60, 10, 60]], frame)
    assert mask is None and "outside the image" in message


def test_a_size_of_another_image_is_no_frame():
    assert frame_of((1, 2), SIZE, 6) is None and frame_of(None, SIZE, 6) == frame_of(SIZE, SIZE, 6) == Frame(SIZE)
    assert frame_fault(Frame(SIZE)) is None
