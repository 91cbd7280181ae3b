"""How far two computations differ: same masks, same detections."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seglab.export import differences
from seglab.export.reference import Outputs
from seglab.inference.nms import Detections


def test_crop_iou():
    a = (2, 3, np.ones((4, 5), bool))
    assert differences.crop_iou(a, a) == 1
    assert differences.crop_iou(a, (4, 3, np.ones((4, 5), bool))) == pytest.approx(12 / 28)
    assert differences.crop_iou(a, (50, 50, np.ones((4, 5), bool))) == 0
    assert differences.crop_iou(*[(0, 0, np.zeros((4, 5), bool))] * 2) is None


def detections(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    """From rows of x0, y0, x1, y1, score, class."""
    table = torch.tensor(rows)
    count = len(rows)
    return Detections(table[:, :4], table[:, 4], table[:, 5].long(), torch.zeros(count, 32))


def test_detections_are_matched_best_overlap_first_and_once():
    one = detections((0, 0, 10, 10, 0.9, 0), (50, 50, 60, 60, 0.8, 1))
    other = detections((0, 0.4, 10, 10, 0.9, 0), (0, 0, 10, 10, 0.7, 0), (50, 50, 60, 60, 0.8, 2))
    in_one, in_other = differences.match_detections(one, other)
    assert in_one.tolist() == [0] and in_other.tolist() == [1]  # the closer one; the last is of another class
    in_one, in_other = differences.match_detections(one, one)
    assert in_one.tolist() == in_other.tolist() == [0, 1]


def test_one_wrong_number_raises_the_max_error_and_many_small_ones_the_rms_error():
    generator = torch.Generator().manual_seed(0)
    sound = Outputs(torch.rand(1, 39, 84, generator=generator), torch.rand(1, 32, 16, 16, generator=generator))
    predictions = sound.predictions.clone()
    predictions[0, 0, 17] += 8.0
    one_wrong = differences.Differences()
    one_wrong.add_numbers(sound, Outputs(predictions, sound.prototypes))
    boxes = [one_wrong.errors[f"{differences.BOXES}, {size} error (px)"] for size in ("max", "RMS")]
    assert boxes == pytest.approx([8, 8 / (4 * 84) ** 0.5], rel=1e-4)
    assert not any(error for name, error in one_wrong.errors.items() if not name.startswith(differences.BOXES))

    all_off = differences.Differences()
    all_off.add_numbers(sound, Outputs(sound.predictions, sound.prototypes * 1.01))
    largest = sound.prototypes.max()
    root_mean_square = (0.01 * sound.prototypes / largest).square().mean().sqrt().item()
    assert all_off.errors[f"{differences.PROTOTYPES}, max error (relative)"] == pytest.approx(0.01, rel=1e-3)
    assert all_off.errors[f"{differences.PROTOTYPES}, RMS error (relative)"] == pytest.approx(
        root_mean_square, rel=1e-3
    )


def test_the_largest_difference_of_all_batches_is_kept_and_nan_stays():
    sound = Outputs(torch.zeros(1, 39, 4), torch.zeros(1, 32, 4, 4))
    found = differences.Differences()
    name = f"{differences.BOXES}, max error (px)"
    for error, kept in ((1.0, 1.0), (3.0, 3.0), (2.0, 3.0)):
        found.add_numbers(sound, Outputs(sound.predictions + error, sound.prototypes))
        assert found.errors[name] == kept
    found.add_numbers(sound, Outputs(sound.predictions * float("nan"), sound.prototypes))
    assert np.isnan(found.errors[name])
