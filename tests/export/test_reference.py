"""The network that a file is judged by, and how it rounds."""

from __future__ import annotations

import pytest
import torch

from seglab.export.inference_model import InferenceModel
from seglab.export.reference import Reference, in_half_precision
from seglab.geometry.letterbox import letterbox


def test_half_precision_is_rounded_as_a_half_precision_network_rounds(network, photos):
    """Layer by layer in float32 gives errors of the size of real float16 arithmetic, which CPUs are slow at."""
    box = letterbox(photos[0].shape[:2], (160, 160))
    images = torch.from_numpy(box.apply(photos[0])).permute(2, 0, 1)[None].contiguous() / 255
    with torch.inference_mode():
        expected = InferenceModel(network)(images)
        real, rounded = InferenceModel(network, torch.float16)(images), in_half_precision(network)(images)
    for true, one, other in zip(expected, real, rounded):
        assert 0.5 < (other - true).abs().max() / (one - true).abs().max() < 2


@pytest.mark.parametrize(("precision", "runs"), [("fp32", 2), ("fp16", 2), ("int8", 1)])
def test_what_is_computed_twice_runs_once(precision, runs, network, images, monkeypatch):
    """float32 is the rounded one of an fp32 file and the exact one of an fp16 file; int8 is judged by mAP alone."""
    calls = []
    forward = InferenceModel.forward
    monkeypatch.setattr(InferenceModel, "forward", lambda self, batch: calls.append(self) or forward(self, batch))
    outputs = Reference.of(network, precision).run(images[:1, :, :64, :64])
    assert len(calls) == runs
    if precision == "int8":
        assert outputs.exact_and_rounded is None
        return
    exact, rounded = outputs.exact_and_rounded
    assert outputs.expected is (rounded if precision == "fp32" else exact)
    assert 0 < (exact.predictions - rounded.predictions).abs().max() < 1
