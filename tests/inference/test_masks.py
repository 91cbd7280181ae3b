"""Masks computed in windows equal the full frame's, pixel for pixel, and lie where the letterbox says."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.config import PredictConfig, ValidateConfig
from seglab.data.mask_targets import hard_masks, soft_masks
from seglab.errors import SeglabError
from seglab.geometry.letterbox import letterbox, smallest_letterbox
from seglab.inference.masks import INSET, assemble, interpolation, windows
from seglab.inference.nms import Detections


def detections_of(boxes: torch.Tensor, coefficients: torch.Tensor) -> Detections:
    return Detections(boxes, torch.ones(len(boxes)), torch.zeros(len(boxes), dtype=torch.long), coefficients)


def full_frame(prototypes, coefficients, boxes, frame, mask_targets="soft"):
    """The plain way: every pixel center of the image goes through the letterbox into the prototype grid.

    Inside a box are the pixels whose centers lie in it, for weights of hard targets at least three quarters of a
    letterbox pixel from its left and top; but a box that begins at the image's border keeps the pixels there.
    """
    height, width = frame.image_size
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64) + 0.5, torch.arange(width, dtype=torch.float64) + 0.5, indexing="ij"
    )
    points = frame.points_to_letterbox(torch.stack((x, y), dim=-1))
    share = points / torch.tensor(frame.size[::-1], dtype=torch.float64)  # of the letterbox, and so of the prototypes
    logits = torch.einsum("nc,chw->nhw", coefficients.double(), prototypes.double())
    logits = F.grid_sample(logits[None], share[None] * 2 - 1, padding_mode="border", align_corners=False)[0]
    corners = frame.boxes_to_image(boxes)  # rounded as the library's own, so that no center changes sides
    left, top, right, bottom = corners.T[..., None, None]
    if mask_targets == "hard":
        left = left + torch.minimum(left, torch.tensor(0.75 / frame.scale[0]))
        top = top + torch.minimum(top, torch.tensor(0.75 / frame.scale[1]))
    inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return logits, inside


sides = st.integers(1, 160)


@settings(max_examples=60, deadline=None)
@given(
    sides, sides, st.sampled_from([32, 64, 96, 160]), st.booleans(), st.sampled_from(list(INSET)), st.integers(0, 2**31)
)
def test_windows_equal_the_full_frame(height, width, size, square, targets, seed):
    frame = letterbox((height, width), (size, size)) if square else smallest_letterbox((height, width), size)
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(7, 2, 2, generator=generator) * torch.tensor(frame.size[::-1]) * 1.4 - 0.2 * size
    boxes = torch.cat((corners.amin(dim=1), corners.amax(dim=1)), dim=1)
    prototypes = torch.randn(32, frame.size[0] // 4, frame.size[1] // 4, generator=generator)
    coefficients = torch.randn(7, 32, generator=generator)
    logits, inside = full_frame(prototypes, coefficients, boxes, frame, targets)

    crops = assemble(prototypes, detections_of(boxes, coefficients), frame, targets)

    assert len(crops) == 7
    decided = logits.abs() > 1e-4  # where rounding in the last digit of float32 cannot turn the sign
    for (x0, y0, crop), logit, window, certain in zip(crops, logits, inside, decided):
        painted = np.zeros((height, width), dtype=bool)
        painted[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
        expected = ((logit > 0) & window).numpy()
        assert crop.dtype == bool and crop.size == window.sum()
        assert (painted == expected)[certain.numpy()].all()


@pytest.mark.parametrize(("draw", "reach"), [(hard_masks, 1.0), (soft_masks, 0.0)])
def test_why_hard_targets_need_another_window(draw, reach):
    """Read back, they reach a pixel beyond the outline on all sides, and no cell counted at the left or top says so."""
    rng = np.random.default_rng(0)
    beyond, outermost = [], []
    for _ in range(300):
        first, last = rng.uniform(20, 60, 2), rng.uniform(90, 140, 2)
        (x0, y0), (x1, y1) = first, last
        (mask,) = draw([[np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])]], 160, 160)
        for row, low, high in ((mask[18].astype(float), x0, x1), (mask[:, 18].astype(float), y0, y1)):
            fine = np.interp(np.arange(160 * 16) / 64 - 0.5, np.arange(40), row) > 0.5  # 16 places a pixel
            inside = np.flatnonzero(fine) / 16
            beyond.append((low - inside[0], inside[-1] - high))
            counting = np.arange(40)[(np.arange(40) >= low / 4) & (np.arange(40) < high / 4)]  # as the mask loss counts
            outermost.append((row[counting[0]], row[counting[-1]]))
    np.testing.assert_allclose(np.mean(beyond, axis=0), reach, atol=0.15)
    left_top, right_bottom = np.mean(outermost, axis=0)
    assert left_top > 0.95 and right_bottom < 0.8  # background is met on one side only


edges = st.floats(0, 1000, width=32)


@settings(deadline=None)
@given(edges, edges, st.floats(0.05, 4), st.floats(0.05, 4))
def test_hard_targets_move_the_left_and_top_alone_and_by_input_pixels(left, top, scale_x, scale_y):
    box = np.array([[left, top, 1200, 1300]])
    ((x0, y0, *soft_end),) = windows(box, (scale_x, scale_y), "soft").tolist()
    ((x1, y1, *hard_end),) = windows(box, (scale_x, scale_y), "hard").tolist()
    assert soft_end == hard_end == [1200, 1300]
    for edge, scale, soft, hard in ((left, scale_x, x0, x1), (top, scale_y, y0, y1)):
        assert soft - 0.5 < edge <= soft + 0.5  # the center of the first pixel is the first within
        inset = min(edge, 0.75 / scale)
        assert hard - 0.5 < edge + inset + 1e-9 and edge + inset <= hard + 0.5 + 1e-9
        assert soft <= hard <= soft + 1 + 0.75 / scale


def test_an_object_at_the_border_of_the_image_keeps_its_first_pixels():
    """In a photo five times as wide as the input an inset would leave four columns bare."""
    frame = smallest_letterbox((1600, 3200), 640)
    boxes = torch.tensor([[0.0, 0, 100, 100], [-3, -2, 100, 100], [200, 100, 300, 200]])
    crops = assemble(
        torch.ones(32, *(side // 4 for side in frame.size)), detections_of(boxes, torch.ones(3, 32)), frame, "hard"
    )
    assert [(x0, y0) for x0, y0, _ in crops] == [(0, 0), (0, 0), (1004, 504)]
    assert all(crop.all() for _, _, crop in crops)


def test_other_targets_are_refused():
    with pytest.raises(SeglabError, match="mask_targets='firm' must be one of 'soft', 'hard'"):
        PredictConfig(mask_targets="firm")
    with pytest.raises(SeglabError, match="mask_targets='firm'"):
        ValidateConfig(mask_targets="firm")


def test_equals_torch_interpolation_where_the_letterbox_does_nothing():
    frame = smallest_letterbox((64, 96), 96)
    prototypes, coefficients = torch.randn(32, 16, 24), torch.randn(3, 32)
    boxes = torch.tensor([[0.0, 0, 96, 64], [10, 20, 50, 40], [33, 3, 96, 9]])
    logits = torch.einsum("nc,chw->nhw", coefficients, prototypes)
    expected = F.interpolate(logits[None], (64, 96), mode="bilinear", align_corners=False)[0]
    for (x0, y0, crop), whole in zip(assemble(prototypes, detections_of(boxes, coefficients), frame), expected):
        part = whole[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]].numpy()
        sure = np.abs(part) > 1e-4
        assert (crop == (part > 0))[sure].all()


def test_a_disc_comes_back_where_it_was():
    """A shape drawn in the letterboxed prototypes is found at its place in a large image, to a fraction of a cell."""
    frame = smallest_letterbox((1500, 2000), 640)
    x, y = np.meshgrid(np.arange(160) * 4 + 2.0, np.arange(120) * 4 + 2.0)
    logit = 50 - np.hypot(x - 200, y - 150)  # a cone: its zero is a circle of radius 50 letterbox pixels
    prototypes = torch.zeros(32, 120, 160)
    prototypes[0] = torch.from_numpy(logit)
    one = torch.eye(32)[:1]
    ((x0, y0, crop),) = assemble(prototypes, detections_of(torch.tensor([[0.0, 0, 640, 480]]), one), frame)
    assert (x0, y0, crop.shape) == (0, 0, (1500, 2000))
    scale = 2000 / 640
    ground_truth = (
        np.hypot(*np.meshgrid((np.arange(2000) + 0.5) / scale - 200, (np.arange(1500) + 0.5) / scale - 150)) < 50
    )
    assert (crop & ground_truth).sum() / (crop | ground_truth).sum() > 0.995
    rows, columns = np.nonzero(crop)
    assert rows.mean() + 0.5 == pytest.approx(150 * scale, abs=0.05)
    assert columns.mean() + 0.5 == pytest.approx(200 * scale, abs=0.05)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 60), st.floats(0.01, 3), st.floats(-5, 20))
def test_interpolation_weights_are_shares_of_two_neighbors(pixels, cells, scale, offset):
    first, weights = interpolation(pixels, cells, scale, offset)
    assert weights.shape == (pixels, cells) and (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    assert (np.diff(first) >= 0).all()
    for pixel in range(pixels):
        outside = np.delete(weights[pixel], [first[pixel], min(first[pixel] + 1, cells - 1)])
        assert not outside.any()


@pytest.mark.parametrize("targets", list(INSET))
def test_boxes_without_a_pixel_center_give_empty_crops(targets):
    frame = smallest_letterbox((64, 64), 64)
    boxes = torch.tensor([[5.6, 5.6, 6.4, 6.4], [-9, -9, -3, -3], [70, 3, 80, 9], [9, 9, 4, 4]])
    crops = assemble(torch.ones(32, 16, 16), detections_of(boxes, torch.ones(4, 32)), frame, targets)
    for x0, y0, crop in crops:  # an empty window lies in the image too
        assert 0 <= x0 <= 64 - crop.shape[1] and 0 <= y0 <= 64 - crop.shape[0]
    assert [crop.size for _, _, crop in crops] == [0, 0, 0, 0]
    assert assemble(torch.ones(32, 16, 16), detections_of(boxes[:0], torch.ones(0, 32)), frame) == []


def test_three_hundred_objects_on_a_large_photo_fit_in_memory():
    """The full frame would take 2.5 GB as bits and 10 GB as floats."""
    frame = smallest_letterbox((2160, 3840), 640)
    generator = torch.Generator().manual_seed(0)
    centers = torch.rand(300, 2, generator=generator) * torch.tensor([640, 360])
    sizes = 5 + torch.rand(300, 2, generator=generator) * 150
    boxes = torch.cat((centers - sizes / 2, centers + sizes / 2), dim=1)
    prototypes = torch.randn(32, frame.size[0] // 4, 160)
    tracemalloc.start()
    crops = assemble(prototypes, detections_of(boxes, torch.randn(300, 32)), frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(crop.nbytes for _, _, crop in crops) < peak < 150e6


def test_half_precision():
    frame = smallest_letterbox((60, 64), 64)
    prototypes, boxes = torch.randn(32, 16, 16), torch.tensor([[3.0, 3, 60, 60]])
    prototypes = prototypes.bfloat16()
    coefficients = torch.randn(1, 32).bfloat16()
    exact = assemble(prototypes.float(), detections_of(boxes, coefficients.float()), frame)
    coarse = assemble(prototypes, detections_of(boxes, coefficients), frame)
    assert np.array_equal(exact[0][2], coarse[0][2])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_masks():
    frame = smallest_letterbox((480, 640), 640)
    prototypes, coefficients = torch.randn(32, 120, 160), torch.randn(20, 32)
    corners = torch.rand(20, 2, 2) * torch.tensor([640, 480])
    boxes = torch.cat((corners.amin(dim=1), corners.amax(dim=1)), dim=1)
    here = assemble(prototypes, detections_of(boxes, coefficients), frame)
    there = assemble(prototypes.cuda(), Detections(*(t.cuda() for t in detections_of(boxes, coefficients))), frame)
    for a, b in zip(here, there):
        assert a[:2] == b[:2] and (a[2] != b[2]).mean() < 1e-4
