"""Which box removes which is what suppression does."""

from __future__ import annotations

import pytest
import torch

from seglab.inference.nms import candidates, nms
from seglab.widgets.overlaps import overlap_explorer, removers


@pytest.mark.parametrize("overlap", [0.05, 0.5, 0.7, 0.95])
def test_removers_are_the_librarys_suppression(forward_pass, overlap):
    found = candidates(forward_pass.predictions, 0.05)[0]
    by = removers(found, overlap)
    kept = by == torch.arange(len(by))
    assert torch.equal(found.boxes[kept], nms(found, overlap, max_det=10_000).boxes)
    assert (kept[by]).all() and (by <= torch.arange(len(by))).all()


def test_the_overlap_explorer_shows_who_goes(model, sample):
    panel = overlap_explorer(model, sample)
    before = panel.image.value
    panel["overlap"].value = 0.3
    assert panel.image.value != before and "removed" in panel.text.value
    panel["confidence"].value = 0.95
