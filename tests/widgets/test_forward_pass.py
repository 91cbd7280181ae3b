"""One forward pass holds what the network put out, and which anchor points became detections."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.errors import SeglabError
from seglab.inference.decode import decode
from seglab.inference.nms import suppress
from seglab.sample import Sample
from seglab.widgets.forward_pass import detected_anchors, raw_output, run_network


def test_predictions_are_the_decoded_output(forward_pass):
    height, width = forward_pass.letterbox.size
    torch.testing.assert_close(forward_pass.predictions, decode(forward_pass.raw, height, width))
    assert forward_pass.prototypes.shape == (32, height // 4, width // 4)


def test_the_anchors_of_detections_hold_their_scores(forward_pass):
    anchors = detected_anchors(forward_pass)
    found = suppress(forward_pass.predictions)[0]
    scores, classes = forward_pass.predictions[0, 4:-32, anchors].max(dim=0)
    torch.testing.assert_close(scores, found.scores)
    assert torch.equal(classes, found.classes.long()) and len(anchors) == len(anchors.unique())


def test_the_input_size_is_the_models_own_or_the_one_asked_for(model, sample):
    assert max(run_network(model, sample).letterbox.size) == model.overrides["imgsz"]
    assert max(run_network(model, sample, imgsz=128).letterbox.size) == 128


def test_an_exported_file_has_no_raw_output(model, tmp_path):
    pytest.importorskip("onnxruntime")
    exported = YOLO(model.export(format="onnx", imgsz=64, out=tmp_path / "model"))
    passed = run_network(exported, Sample(np.full((64, 64, 3), 90, np.uint8)))
    assert passed.raw is None and passed.predictions.shape[0] == 1
    with pytest.raises(SeglabError, match="decoded output only"):
        raw_output(exported, torch.zeros(1, 3, 64, 64))
