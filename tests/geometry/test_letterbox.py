"""The letterbox: round trips, agreement of points with pixels, and its borders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.errors import SeglabError
from seglab.geometry.letterbox import PADDING_GRAY, Letterbox, letterbox, smallest_letterbox
from seglab.model.head import STRIDES
from seglab.sizes import STRIDE, as_size

sides = st.integers(1, 3000)
shapes = st.tuples(sides, sides)
coordinates = st.floats(-100, 4000, allow_nan=False)


@st.composite
def letterboxes(draw) -> Letterbox:
    shape = draw(shapes)
    if draw(st.booleans()):
        return smallest_letterbox(shape, draw(st.integers(32, 1280)))
    return letterbox(shape, draw(st.tuples(st.integers(32, 1280), st.integers(32, 1280))))


@settings(deadline=None)
@given(letterboxes(), st.lists(st.tuples(coordinates, coordinates), max_size=6))
def test_points_round_trip_in_numpy_and_torch(frame, points):
    points = np.array(points, dtype=np.float64).reshape(-1, 2)
    there = frame.points_to_letterbox(points)
    np.testing.assert_allclose(frame.points_to_image(there), points, atol=1e-6)
    np.testing.assert_allclose(frame.points_to_letterbox(torch.from_numpy(points)).numpy(), there, atol=1e-9)


@settings(deadline=None)
@given(letterboxes())
def test_the_image_fits_and_is_centerd(frame):
    for limit, side, before in zip(frame.size, frame.resized, frame.pad):
        after = limit - side - before
        assert 1 <= side <= limit
        assert 0 <= after - before <= 1
    corners = np.array([[0.0, 0.0], frame.image_size[::-1]])
    expected = np.array([frame.pad, np.add(frame.pad, frame.resized)])[:, ::-1]
    np.testing.assert_allclose(frame.points_to_letterbox(corners), expected, atol=1e-9)


@settings(deadline=None)
@given(letterboxes(), st.lists(st.tuples(*[coordinates] * 4), min_size=1, max_size=6))
def test_boxes_to_image_maps_corners_and_clips(frame, rows):
    boxes = np.array(rows)
    height, width = frame.image_size
    found = frame.boxes_to_image(boxes)
    expected = np.clip(frame.points_to_image(boxes.reshape(-1, 2)), 0, [width, height]).reshape(-1, 4)
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(frame.boxes_to_image(torch.from_numpy(boxes)).numpy(), found)
    assert frame.boxes_to_image(torch.zeros(0, 4)).shape == (0, 4)


@settings(deadline=None)
@given(shapes, st.integers(32, 1280))
def test_smallest_letterbox_pads_less_than_a_stride(shape, longest):
    frame = smallest_letterbox(shape, longest)
    assert all(side % 32 == 0 for side in frame.size)
    assert all(limit - side < 32 + 1 for limit, side in zip(frame.size, frame.resized))
    assert max(frame.resized) in (longest - 1, longest, longest + 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 250), st.integers(20, 250), st.sampled_from([64, 96, 160, 320]))
def test_pixels_lie_where_points_say(height, width, size):
    """Each image holds its own column (row) numbers, so a letterboxed pixel tells which place it shows."""
    frame = letterbox((height, width), (size, size))
    y, x = np.mgrid[:height, :width]
    boxed = frame.apply(np.stack((x, y, x), axis=-1).astype(np.uint8)).astype(float)
    rows, columns = np.mgrid[:size, :size]
    place = frame.points_to_image(np.stack((columns + 0.5, rows + 0.5), axis=-1).astype(float)) - 0.5
    inside = (place >= 0).all(axis=-1) & (place <= [width - 1, height - 1]).all(axis=-1)
    assert np.abs(boxed[..., :2] - place)[inside].max() <= 1.0
    top, left = frame.pad
    outside = np.ones((size, size), dtype=bool)
    outside[top : top + frame.resized[0], left : left + frame.resized[1]] = False
    assert (boxed[outside] == PADDING_GRAY).all()


def test_known_cases():
    assert smallest_letterbox((427, 640), 640) == Letterbox((427, 640), (448, 640), (427, 640), (10, 0))
    assert letterbox((480, 640), (640, 640)) == Letterbox((480, 640), (640, 640), (480, 640), (80, 0))
    assert letterbox((100, 50), (640, 640)).resized == (640, 320)
    image = np.full((480, 640, 3), 7, dtype=np.uint8)
    assert smallest_letterbox((480, 640), 640).apply(image) is image


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="at least 1 pixel"):
        letterbox((0, 10), (64, 64))
    with pytest.raises(ValueError, match="height, width"):
        letterbox((10, 10), (64, 64)).apply(np.zeros((10, 11, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("said", "size"), [(64, (64, 64)), ([64], (64, 64)), ((48, 64), (48, 64)), ([480, 640], (480, 640))]
)
def test_a_size_is_one_side_or_two(said, size):
    assert as_size(said) == size


@pytest.mark.parametrize("said", [0, -32, (64, 0), (1, 2, 3), (), (64.0, 64), "64"])
def test_what_is_no_size_is_refused(said):
    with pytest.raises(SeglabError, match="side must be one side or"):
        as_size(said, "side")


def test_the_stride_is_that_of_the_networks_coarsest_grid():
    assert max(STRIDES) == STRIDE
