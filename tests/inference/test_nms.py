"""Suppression against its plain definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.geometry.boxes import box_iou, xywh_to_xyxy
from seglab.inference import nms as module
from seglab.inference.decode import decode
from seglab.inference.nms import candidates, nms, suppress
from seglab.model.head import RawOutput, anchor_points


def random_predictions(seed: int, batch: int = 1, classes: int = 3, anchors: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centers = torch.rand(batch, 2, anchors, generator=generator) * 60
    sizes = 10 + torch.rand(batch, 2, anchors, generator=generator) * 30
    scores = torch.rand(batch, classes, anchors, generator=generator)
    return torch.cat((centers, sizes, scores, torch.randn(batch, 32, anchors, generator=generator)), dim=1)


def plain(prediction: torch.Tensor, conf: float, iou: float, agnostic: bool, multi_label: bool) -> list[tuple]:
    """Greedy suppression by its definition -> (anchor, class) in order of score."""
    scores = prediction[4:-32]
    boxes = xywh_to_xyxy(prediction[:4].T)
    pairs = [(a, c) for a in range(scores.shape[1]) for c in range(len(scores))]
    if not multi_label:
        pairs = [(a, int(scores[:, a].argmax())) for a in range(scores.shape[1])]
    pairs = sorted((p for p in pairs if scores[p[1], p[0]] > conf), key=lambda p: -scores[p[1], p[0]])
    kept: list[tuple] = []
    for anchor, label in pairs:
        rivals = [a for a, c in kept if agnostic or c == label]
        if not rivals or box_iou(boxes[anchor][None], boxes[rivals]).max() <= iou:
            kept.append((anchor, label))
    return kept


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.9), st.floats(0.2, 0.9), st.booleans(), st.booleans())
def test_equals_the_definition(seed, conf, iou, agnostic, multi_label):
    predictions = random_predictions(seed)
    expected = plain(predictions[0], conf, iou, agnostic, multi_label)
    (found,) = suppress(predictions, conf, iou, agnostic=agnostic, multi_label=multi_label)
    assert found.classes.tolist() == [label for _, label in expected]
    rows = predictions[0].T[[anchor for anchor, _ in expected]].reshape(-1, predictions.shape[1])
    torch.testing.assert_close(found.boxes, xywh_to_xyxy(rows[:, :4]))
    torch.testing.assert_close(found.coefficients, rows[:, -32:])
    torch.testing.assert_close(found.scores, torch.tensor([rows[i, 4 + c] for i, (_, c) in enumerate(expected)]))


def test_batched_equals_single_and_leaves_predictions_alone():
    predictions = random_predictions(1, batch=3)
    before = predictions.clone()
    for image, found in zip(predictions, suppress(predictions, 0.3)):
        (alone,) = suppress(image[None], 0.3)
        assert all(torch.equal(a, b) for a, b in zip(found, alone))
    assert torch.equal(predictions, before)


def test_candidates_can_be_suppressed_again_without_the_network():
    predictions = random_predictions(2)
    (kept,) = candidates(predictions, 0.3)
    assert (kept.scores.diff() <= 0).all()
    for iou in (0.3, 0.7):
        assert torch.equal(nms(kept, iou).scores, suppress(predictions, 0.3, iou)[0].scores)
    better = kept.pick(kept.scores > 0.6)
    assert torch.equal(nms(better, 0.5).boxes, suppress(predictions, 0.6, 0.5)[0].boxes)


def test_the_score_must_exceed_conf_and_overlap_must_exceed_iou():
    predictions = torch.zeros(1, 4 + 1 + 32, 3)
    predictions[0, :4] = torch.tensor([[10.0, 10, 90], [10, 15, 90], [20, 20, 5], [20, 10, 5]])  # IoU exactly one half
    predictions[0, 4] = torch.tensor([0.9, 0.8, 0.25])
    assert len(suppress(predictions, conf=0.25, iou=0.5)[0].boxes) == 2
    assert len(suppress(predictions, conf=0.25, iou=0.49)[0].boxes) == 1
    assert len(suppress(predictions, conf=0.24, iou=0.49)[0].boxes) == 2


def test_limits(monkeypatch):
    predictions = random_predictions(3, anchors=60)
    everything = suppress(predictions, 0.1, iou=1.0)[0]
    assert len(everything.boxes) == 60
    assert torch.equal(suppress(predictions, 0.1, iou=1.0, max_det=7)[0].scores, everything.scores[:7])
    monkeypatch.setattr(module, "MAX_CANDIDATES", 9)
    assert torch.equal(suppress(predictions, 0.1, iou=1.0)[0].scores, everything.scores[:9])


@pytest.mark.parametrize("max_det", [1, 7, 20, 1000])
def test_looking_at_the_best_first_changes_nothing(monkeypatch, max_det):
    for seed in range(5):
        predictions = random_predictions(seed, anchors=80)
        whole = suppress(predictions, 0.1, 0.5, max_det, multi_label=True)[0]
        with monkeypatch.context() as patch:
            patch.setattr(module, "FIRST_COMPARED", 2)
            parts = suppress(predictions, 0.1, 0.5, max_det, multi_label=True)[0]
        assert all(torch.equal(a, b) for a, b in zip(whole, parts))


@pytest.mark.parametrize("multi_label", [False, True])
def test_class_filter_acts_before_suppression(multi_label):
    predictions = torch.zeros(1, 4 + 2 + 32, 1)
    predictions[0, :6, 0] = torch.tensor([10, 10, 20, 20, 0.9, 0.8])
    for classes in ([1], 1):
        (found,) = suppress(predictions, 0.25, classes=classes, agnostic=True, multi_label=multi_label)
        assert found.classes.tolist() == ([1] if multi_label else [])  # its best class is 0


def test_nothing_found_and_nan():
    predictions = random_predictions(4)
    (found,) = suppress(predictions, conf=1.0)
    assert [tuple(field.shape) for field in found] == [(0, 4), (0,), (0,), (0, 32)]
    predictions[:, 4:-32] = float("nan")
    assert len(suppress(predictions, 0.001)[0].boxes) == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_box_without_a_place_ends_no_run(value):
    predictions = random_predictions(4)
    predictions[:, 2, ::3] = value
    assert len(suppress(predictions, 0.001)[0].boxes)


@pytest.mark.parametrize("agnostic", [False, True])
def test_few_and_many_boxes_are_suppressed_alike(monkeypatch, agnostic):
    for seed in range(10):
        predictions = random_predictions(seed, anchors=100)
        few = suppress(predictions, 0.1, 0.5, agnostic=agnostic)[0]
        with monkeypatch.context() as patch:
            patch.setattr(module, "FEW", 0)
            many = suppress(predictions, 0.1, 0.5, agnostic=agnostic)[0]
        assert 0 < len(few.boxes) < 100 and all(torch.equal(a, b) for a, b in zip(few, many, strict=True))


@pytest.mark.parametrize("multi_label", [False, True])
def test_raw_output_is_decoded_on_the_way(multi_label):
    anchors = len(anchor_points(64, 96)[0])
    generator = torch.Generator().manual_seed(0)
    fields = [torch.randn(3, channels, anchors, generator=generator) for channels in (64, 5, 32)]
    raw = RawOutput(*fields, torch.randn(3, 32, 16, 24, generator=generator))
    found = suppress(raw, 0.8, multi_label=multi_label)
    expected = suppress(decode(raw, 64, 96), 0.8, multi_label=multi_label)
    assert [len(image.scores) > 0 for image in found] == [True] * 3
    for image, same in zip(found, expected, strict=True):
        for field, same_field in zip(image, same, strict=True):
            torch.testing.assert_close(field, same_field, rtol=1e-5, atol=1e-4)
