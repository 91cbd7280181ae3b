"""Rows of label files: the same mask under every reading, whatever the source."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from seglab.convert import rows as rows_module
from seglab.convert.conversion import convert_coco_labels
from seglab.convert.rows import Outline, faithful_row, plain_row, plain_rows, same, text_of
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import orient, ring_area, split_row
from seglab.geometry.raster import fill
from seglab.geometry.rle import encode, rings_to_rle

from ..sources import (
    HEIGHT,
    SIZE,
    WIDTH,
    box,
    write_coco,
)

seeds = st.integers(0, 2**32 - 1)


def random_parts(rng: np.random.Generator) -> list[np.ndarray]:
    parts = []
    for _ in range(rng.integers(1, 4)):
        reach = rng.choice([0, 0, 5])  # some leave the image
        ring = rng.uniform(-reach, (WIDTH + reach, HEIGHT + reach), (rng.integers(3, 10), 2))
        if rng.random() < 0.5:  # a small convex one
            angle = np.sort(rng.uniform(0, 2 * np.pi, len(ring)))
            ring = np.stack((np.cos(angle), np.sin(angle)), axis=1) * rng.uniform(1, 8) + ring[0].clip(9, 30)
        ring = np.round(ring, rng.choice([0, 1, 2]))
        if rng.random() < 0.3:
            ring = np.concatenate((ring, ring[: rng.integers(1, 3)]))  # repeats its first vertices
        parts.append(ring)
    return parts


@settings(max_examples=100)
@given(seeds)
@example(1975)  # a sliver that draws no pixel reaches out of the image: cut at the border, it would draw one
def test_any_polygons_become_one_row_with_the_same_mask(seed):
    rng = np.random.default_rng(seed)
    outlines = [Outline(random_parts(rng), (WIDTH, HEIGHT)) for _ in range(6)]
    plain = plain_rows(outlines)
    assert plain == [plain_row(outline) for outline in outlines], "the fast path gives what the plain one gives"
    for outline, quick in zip(outlines, plain):
        parts = outline.rings
        mask = coco.merge(coco.frPyObjects([part.ravel() for part in parts], HEIGHT, WIDTH))
        careful = faithful_row(parts, None, WIDTH, HEIGHT)
        assert careful is not None or coco.area(mask) == 0
        for text in filter(None, (quick, careful and careful.text)):
            row = np.array(text.split(), dtype=float).reshape(-1, 2)
            assert row.min() >= 0 and row.max() <= 1
            drawn = row * (WIDTH, HEIGHT)
            assert same(mask, coco.frPyObjects([drawn.ravel()], HEIGHT, WIDTH)[0]) == 1.0
            assert same(mask, rings_to_rle(split_row(drawn), HEIGHT, WIDTH)) == 1.0
        if careful:
            assert (careful.own, careful.other) == (1.0, 1.0)


@settings(max_examples=40)
@given(seeds)
def test_any_mask_becomes_one_row_with_the_same_mask(seed):
    rng = np.random.default_rng(seed)
    mask = cv2.blur(rng.random((HEIGHT, WIDTH)), (7, 7)) > rng.uniform(0.4, 0.6)
    mask[0, 0] = True
    row = faithful_row([], encode(mask), WIDTH, HEIGHT)
    assert (row.own, row.other) == (1.0, 1.0)
    rings = split_row(np.array(row.text.split(), dtype=float).reshape(-1, 2) * (WIDTH, HEIGHT))
    np.testing.assert_array_equal(fill(rings, HEIGHT, WIDTH), mask)


def test_rings_of_traced_masks_are_what_the_reader_gets(tmp_path):
    """The halves of the round trip meet: a traced mask written and read has the rings of the trace."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[3:9, 4:30] = True
    mask[5:7, 10:20] = False
    traced = mask_to_rings(mask)
    row = faithful_row([], encode(mask), WIDTH, HEIGHT)
    back = split_row(np.array(row.text.split(), dtype=float).reshape(-1, 2) * (WIDTH, HEIGHT))
    assert sorted(ring_area(orient(ring)) for ring in traced) == pytest.approx(
        sorted(ring_area(orient(ring)) for ring in back), abs=1e-3
    )


def test_rows_that_wait_on_disk_come_back_in_their_order(tmp_path, monkeypatch):
    source = tmp_path / "a.json"
    images = [{"id": number, "file_name": f"{number}.jpg", **SIZE} for number in range(40)]
    rows = [
        {"image_id": n * 7 % 40, "category_id": 1, "segmentation": [box(1, 1, 2 + n % 50, 9)], "iscrowd": "0"}
        for n in range(3000)
    ]
    write_coco(source, images, rows)
    convert_coco_labels(source, tmp_path / "kept")
    monkeypatch.setattr(rows_module, "WAITING", 20_000)
    monkeypatch.setattr(rows_module, "BUCKETS", 3)
    report = convert_coco_labels(source, tmp_path / "spilled")
    assert report.instances_written == 3000 and not report.crowds, "text that means no crowd"
    for number in range(40):
        name = f"{number}.txt"
        assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "spilled" / name).read_bytes()
    assert len(list((tmp_path / "spilled").iterdir())) == 40


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=40).filter(lambda numbers: len(numbers) % 2 == 0))
def test_all_numbers_at_once_are_written_as_one_by_one(numbers):
    points = np.array(numbers).reshape(-1, 2)
    assert text_of(points) == "".join(f" {number / 1e9:.9f}" for number in numbers)
