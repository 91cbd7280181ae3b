"""cv2.fillPoly of an outline is the mask again, whatever the mask."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seglab.geometry.outline import mask_to_outline

MASKS = arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.booleans())


def filled(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """As scripts fill it: float32 to int32, then fillPoly; drawContours with FILLED gives the same."""
    points = outline.astype(np.float32).astype(np.int32)
    by_fill = cv2.fillPoly(np.zeros(shape, np.uint8), [points], 1)
    by_contour = np.zeros(shape, np.uint8)
    cv2.drawContours(by_contour, [points.reshape(-1, 1, 2)], -1, 1, cv2.FILLED)
    assert np.array_equal(by_fill, by_contour)
    return by_fill.astype(bool)


def parts_of(mask: np.ndarray) -> list[np.ndarray]:
    """The parts of a mask that do not even touch at a corner."""
    count, numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return [numbers == number for number in range(1, count)]


@given(MASKS)
def test_a_part_is_drawn_exactly_with_all_its_holes(mask):
    for part in parts_of(mask):
        assert np.array_equal(filled(mask_to_outline(part), part.shape), part)


@given(MASKS)
def test_several_parts_are_drawn_whole_and_seams_are_single_pixels(mask):
    parts = parts_of(mask)
    if not parts:
        assert mask_to_outline(mask).shape == (0, 2)
        return
    drawn = filled(mask_to_outline(mask), mask.shape)
    assert not (mask & ~drawn).any()
    # A seam goes the shortest way, and there is one less than parts: no longer than the longest of all gaps.
    extra = int((drawn & ~mask).sum())
    if len(parts) == 1:
        assert extra == 0
    assert extra <= (len(parts) - 1) * max(mask.shape)


def test_a_square_is_its_own_corners():
    mask = np.zeros((60, 60), bool)
    mask[10:50, 5:45] = True
    outline = mask_to_outline(mask, 100, 200)
    assert {tuple(point) for point in outline.tolist()} == {(105, 210), (144, 210), (144, 249), (105, 249)}
    assert filled(mask_to_outline(mask), mask.shape).sum() == 1600


def test_a_ring_around_a_ring():
    y, x = np.mgrid[:80, :90] - 40
    distance = np.hypot(x, y)
    ring = (distance < 36) & (distance > 25)
    assert np.array_equal(filled(mask_to_outline(ring), ring.shape), ring)
    both = ring | (distance < 15)
    extra = filled(mask_to_outline(both), both.shape).astype(int) - both
    gaps = np.abs(np.argwhere(ring)[:, None] - np.argwhere(distance < 15)[None]).max(axis=2)
    assert extra.min() == 0 and extra.sum() == gaps.min() - 1  # the shortest way from one to the other


@pytest.mark.parametrize("mask", [[[1]], [[1, 1, 1]], [[1], [1]], [[1, 0], [0, 1]], [[0, 1], [1, 0]]])
def test_thin_masks(mask):
    mask = np.array(mask, bool)
    assert np.array_equal(filled(mask_to_outline(mask), mask.shape), mask)
