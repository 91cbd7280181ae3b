"""What was found beside what should be: hits, false ones and missed ones."""

from __future__ import annotations

import numpy as np
import torch

from seglab.evaluation.comparison import COLORS, compare, draw_comparison
from seglab.inference.instances import Boxes, Masks
from seglab.sample import Instance

NAMES = {0: "cup", 1: "kite"}
SIZE = (60, 80)


def square(left, top, side=20):
    return np.array([[left, top], [left + side, top], [left + side, top + side], [left, top + side]], float)


def found(*rows):
    """(left, top, class, score) of squares -> boxes and masks."""
    boxes = torch.tensor([[x, y, x + 20, y + 20, score, class_id] for x, y, class_id, score in rows])
    return Boxes(boxes, SIZE), Masks([(x, y, np.ones((20, 20), bool)) for x, y, _, _ in rows], SIZE)


def test_every_instance_is_taken_once_by_its_class():
    instances = [Instance(0, [square(5, 5)]), Instance(1, [square(40, 5)]), Instance(0, [square(5, 35)])]
    boxes, masks = found((5, 5, 0, 0.9), (6, 5, 0, 0.8), (40, 5, 0, 0.7), (40, 6, 1, 0.6), (50, 35, 1, 0.1))
    compared = compare(instances, boxes, masks, NAMES, SIZE)
    assert [(each.verdict, each.name) for each in compared] == [
        ("TP", "cup"), ("FP", "cup"), ("FP", "cup"), ("TP", "kite"), ("FN", "cup")
    ]  # fmt: skip
    assert compared[-1].score is None  # and what is below the drawn score is left out


def test_nothing_found_and_nothing_there():
    assert compare([], Boxes(torch.zeros(0, 6), SIZE), None, NAMES, SIZE) == []
    (missed,) = compare([Instance(1, [square(5, 5)])], Boxes(torch.zeros(0, 6), SIZE), None, NAMES, SIZE)
    assert missed.verdict == "FN"


def test_verdicts_are_drawn_in_their_colors():
    image = np.full((*SIZE, 3), 128, np.uint8)
    boxes, masks = found((5, 30, 0, 0.9))
    drawn = draw_comparison(image, [Instance(1, [square(50, 30)])], boxes, masks, NAMES, labels=False, conf=False)
    left, right = drawn[:, :40].reshape(-1, 3).tolist(), drawn[:, 45:].reshape(-1, 3).tolist()
    assert list(COLORS["FP"]) in left and list(COLORS["FN"]) in right
    assert list(COLORS["FN"]) not in left and image.min() == 128
