"""Weights of one network in another: equal tensors whole, class scores by name, the class branch at its own width."""

from __future__ import annotations

import pytest
import torch

from seglab.model.transfer import (
    change_classes,
    describe_transfer,
    init_network,
    score_layers,
    transfer,
)
from seglab.model.yolo11 import YOLO11Seg, architecture_of

COCO_LIKE = {number: f"class {number}" for number in range(80)}


@pytest.mark.parametrize("first", [0, 20])
@pytest.mark.parametrize("classes", [1, 3, 70, 90])
def test_changed_classes_keep_everything_but_the_last_layer(classes, first):
    known = init_network("n", 80, seed=1)
    names = {number: f"Class{number + first}" for number in range(classes)}
    changed, report = change_classes(known, COCO_LIKE, names, seed=0)
    shared = {number: number + first for number in range(classes) if number + first < 80}
    assert (changed.classes, changed.class_width) == (classes, 80) and report.rows == shared
    assert len(report.loaded) == 555 and sorted(report.by_row) == sorted(score_layers(changed))
    assert not (report.mismatched or report.missing or report.unused)
    anew, before, after = init_network("n", classes, 0, 80).state_dict(), known.state_dict(), changed.state_dict()
    for name in report.loaded:
        assert torch.equal(after[name], before[name]), name
    for name in report.by_row:
        for row in range(classes):
            expected = before[name][shared[row]] if row in shared else anew[name][row]
            assert torch.equal(after[name][row], expected), (name, row)
    assert architecture_of(after) == ("n", classes, 80)
    rebuilt = YOLO11Seg(*architecture_of(after))
    rebuilt.load_state_dict(after)  # strict


def test_classes_that_move_take_their_scores_along():
    """The same image has the same scores, each under its class's new number."""
    known = init_network("n", 3, seed=1)
    changed, _ = change_classes(known, {0: "cat", 1: "dog", 2: "traffic light"}, {0: "Traffic_Light", 1: "CAT"}, seed=0)
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before, after = known(image), changed(image)
    assert torch.equal(after.classes, before.classes[:, [2, 0]])
    assert torch.equal(after.boxes, before.boxes) and torch.equal(after.prototypes, before.prototypes)


def test_the_width_follows_the_classes_only_where_nothing_says_otherwise():
    assert [YOLO11Seg("n", classes).class_width for classes in (1, 64, 80, 90, 200)] == [64, 64, 80, 90, 100]
    assert YOLO11Seg("n", 3, 80).class_width == 80


@pytest.mark.parametrize(("scale", "width"), [("s", 128), ("m", 256), ("l", 256), ("x", 384)])
def test_larger_scales_have_one_width_for_all_class_counts(scale, width):
    with torch.device("meta"):
        assert {YOLO11Seg(scale, classes).class_width for classes in (1, 80, 120)} == {width}


def test_without_names_of_rows_other_shapes_are_left_as_initialized():
    source, target = YOLO11Seg("n", 80), YOLO11Seg("n", 5)
    report = transfer(target, source.state_dict())
    assert report.mismatched and all(".cv3." in name for name in report.mismatched)
    assert not report.missing and not report.unused and not report.by_row
    assert len(report.loaded) + len(report.mismatched) == len(target.state_dict())
    assert torch.equal(target.model[0].conv.weight, source.model[0].conv.weight)


def test_what_was_transferred_is_told_class_by_class():
    known = init_network("n", 80, seed=1)
    names = {0: "class 3", 1: "nucleus"}
    _, report = change_classes(known, COCO_LIKE, names, seed=0)
    assert describe_transfer(report, "coco.pt", names).splitlines() == [
        "555 of 561 tensors taken from coco.pt",
        "  class scores (6 tensors): 1 of 2 classes known by name (class 3); new: nucleus",
    ]
