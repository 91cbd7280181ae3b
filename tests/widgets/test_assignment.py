"""The assignment shown is that of training, with its reasons."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from seglab.data.collate import collate
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.training.assign import assign
from seglab.widgets.assignment import assignment
from seglab.widgets.forward_pass import raw_output


@pytest.fixture(scope="module")
def batch():
    dataset = SegmentationDataset(load_dataset("toybox8-seg"), "train", 320)
    return collate([dataset[0], dataset[1]])


@pytest.mark.parametrize("image", [0, 1])
def test_the_assignment_is_trainings(model, batch, image):
    from seglab.model.head import anchor_points, boxes_from_distribution
    from seglab.widgets.assignment import reasons_of

    raw = raw_output(model, batch["images"].float() / 255)
    points, strides = anchor_points(320, 320)
    predicted = boxes_from_distribution(raw.boxes, points, strides)
    whole = assign(raw.classes, predicted, points, batch["classes"], batch["boxes"], batch["image_index"])
    mine = batch["image_index"] == image
    one = type(raw)(*(field[image : image + 1] for field in raw))
    reasons = reasons_of(one, (320, 320), batch["classes"][mine], batch["boxes"][mine])
    first = int(mine.nonzero()[0])
    assert torch.equal(
        reasons.assigned, torch.where(whole.instance_index[image] < 0, -1, whole.instance_index[image] - first)
    )
    torch.testing.assert_close(reasons.target, whole.scores[image], atol=1e-4, rtol=1e-3)
    for number in range(int(mine.sum())):
        ranked = reasons.ranked(number)
        learning = [place for place, point in enumerate(ranked) if reasons.assigned[point] == number]
        verdicts = [reasons.verdict(number, place, point) for place, point in enumerate(ranked)]
        assert [i for i, verdict in enumerate(verdicts) if verdict.startswith("is assigned to it")] == learning


def test_the_assignment_panel_explains(model, batch):
    panel = assignment(model, batch, image=1)
    before = panel.image.value
    panel["object"].value, panel["point"].value = 2, 11
    assert panel.image.value != before and "alignment" in panel.text.value
    with pytest.raises(SeglabError, match="no instance to assign"):
        assignment(model, batch, image=7)


@pytest.mark.parametrize("size", [(160, 320), (320, 160)])
def test_the_overview_of_the_assignment_keeps_its_proportions(model, size, monkeypatch):
    """The box of a white object on black lies on its rim."""
    drawn = []
    module = sys.modules[assignment.__module__]  # whose name in the package is the function's
    monkeypatch.setattr(module, "draw_box", lambda *box: drawn.append(box))
    monkeypatch.setattr(module, "draw_label", lambda *label: None)
    images = torch.zeros(1, 3, *size, dtype=torch.uint8)
    images[..., 32:128, 96:128] = 255
    one = torch.zeros(1, dtype=torch.long)
    assignment(
        model, {"images": images, "classes": one, "boxes": torch.tensor([[96.0, 32, 128, 128]]), "image_index": one}
    )
    overview, box, *_ = drawn[0]
    rows, columns = np.nonzero(overview[..., 0] > 127)
    assert overview.shape[:2] == tuple(side * 3 // 2 for side in size)
    np.testing.assert_allclose(box, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], atol=1)
