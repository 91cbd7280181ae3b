"""A whole graph finds on a photo what prediction finds, and serves as an ordinary file too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from seglab.config import PredictConfig
from seglab.export.inference_model import InferenceModel
from seglab.export.onnx import load, write
from seglab.inference.predictor import predict

pytest.importorskip("onnxruntime")
SETTINGS = {"conf": 0.9, "iou": 0.7, "max_det": 40}


@pytest.fixture(scope="session")
def photos(smooth) -> list[np.ndarray]:
    """One that fills the letterbox, and three that must be shrunk, widened and padded."""
    sizes = ((160, 160), (128, 176), (304, 496), (64, 400))
    return [(smooth(1, size, seed=5)[0].permute(1, 2, 0) * 255).byte().numpy() for size in sizes]


@pytest.fixture(scope="session", params=["soft", "hard"])
def whole(network, tmp_path_factory, request):
    from seglab.export.metadata import ModelMetadata

    names = {0: "circle", 1: "square", 2: "star"}
    metadata = ModelMetadata(names, size=(160, 160), mask_targets=request.param)
    path = tmp_path_factory.mktemp("whole") / "whole.onnx"
    write(network, path, replace(metadata, end_to_end={**SETTINGS, "masks": True}))
    return load(path)


def test_it_finds_what_prediction_finds(network, whole, photos):
    results = predict(
        InferenceModel(network),
        [photo[..., ::-1] for photo in photos],
        PredictConfig(**SETTINGS, imgsz=(160, 160), mask_targets=whole.metadata.mask_targets),
        whole.names,
    )
    for number, (photo, expected) in enumerate(zip(photos, results)):
        boxes, scores, classes, masks = whole.end_to_end(photo)
        assert 3 < len(boxes) <= SETTINGS["max_det"]
        assert masks.dtype == bool and masks.shape == (len(boxes), *photo.shape[:2])
        assert (np.diff(scores) <= 0).all()
        if number == 0:  # nothing to resize: equal but for rounding
            np.testing.assert_allclose(boxes, expected.boxes.xyxy.numpy(), atol=1e-3)
            np.testing.assert_array_equal(classes, expected.boxes.cls.numpy())
            assert (masks != expected.masks.data.numpy().astype(bool)).mean() < 1e-4
        best = [np.abs(expected.boxes.xyxy.numpy() - box).max(axis=1).min() for box in boxes]
        assert np.median(best) < 0.5  # pixels


def test_nothing_found_is_no_error(network, metadata, photos, tmp_path):
    settings = {"conf": 0.99999, "iou": 0.7, "max_det": 9}
    for masks in (True, False):
        path = tmp_path / "strict.onnx"
        write(network, path, replace(metadata, end_to_end={**settings, "masks": masks}))
        runtime = load(path)
        boxes, scores, classes, *rest = runtime.end_to_end(photos[1])
        assert boxes.shape == (0, 4) and scores.shape == classes.shape == (0,)
        assert [part.shape for part in rest] == [(0, *photos[1].shape[:2])] * masks
        assert runtime.forward(torch.zeros(1, 3, 160, 160))[0].shape == (1, 39, 525)


def test_it_serves_as_an_ordinary_file(network, whole, photos):
    images = torch.from_numpy(photos[0]).permute(2, 0, 1)[None].float() / 255
    for given, expected in zip(
        whole.forward(images.repeat(2, 1, 1, 1)), InferenceModel(network)(images.repeat(2, 1, 1, 1))
    ):
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-3)
