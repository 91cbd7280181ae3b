"""The decoder people copy gives what the library gives, and stands alone."""

from __future__ import annotations

import ast
import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.config import PredictConfig
from seglab.export import decode_numpy
from seglab.geometry.letterbox import letterbox
from seglab.inference.decode import decode
from seglab.inference.predictor import predict

SIDES = st.integers(20, 150)


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    import cv2

    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def test_it_imports_nothing_but_numpy_and_cv2():
    tree = ast.parse(inspect.getsource(decode_numpy))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"__future__", "typing", "cv2", "numpy"}
    (cv2,) = [node for node in ast.walk(tree) if isinstance(node, ast.Import) and node.names[0].name == "cv2"]
    assert cv2 not in tree.body  # decoding works where there is no cv2


@settings(deadline=None, max_examples=30)
@given(SIDES, SIDES, st.integers(1, 5), st.integers(1, 5))
def test_the_letterbox_is_the_library_s(height, width, rows, columns):
    size = (32 * rows, 32 * columns)
    image = photo(height, width)
    images, placement = decode_numpy.preprocess(image, size)
    box = letterbox((height, width), size)
    assert (placement.resized, placement.corner) == (box.resized, box.pad)
    np.testing.assert_array_equal(images[0], box.apply(image).transpose(2, 0, 1).astype(np.float32) / 255)


@pytest.mark.parametrize("size", [(160, 160), (96, 224)])
@pytest.mark.parametrize(("conf", "iou", "targets"), [(0.25, 0.7, "soft"), (0.9, 0.3, "soft"), (0.25, 0.7, "hard")])
def test_detections_and_masks_are_the_library_s(network, size, conf, iou, targets):
    image = photo(123, 201)
    raw = {}

    def forward(images: torch.Tensor):
        outputs = network(images)
        raw["outputs"] = decode(outputs, *images.shape[2:]), outputs.prototypes
        return raw["outputs"]

    config = PredictConfig(conf=conf, iou=iou, imgsz=size, mask_targets=targets)
    (expected,) = predict(forward, image[..., ::-1], config, {0: "a", 1: "b", 2: "c"})
    assert len(expected.boxes.data) > 3
    _, placement = decode_numpy.preprocess(image, size)
    predictions, prototypes = (output[0].numpy() for output in raw["outputs"])
    boxes, scores, classes, masks = decode_numpy.decode(
        predictions, prototypes, placement, conf, iou, mask_targets=targets
    )
    np.testing.assert_allclose(boxes, expected.boxes.xyxy.numpy(), atol=1e-3)
    np.testing.assert_array_equal(scores, expected.boxes.conf.numpy())
    np.testing.assert_array_equal(classes, expected.boxes.cls.numpy())
    for mask, other in zip(masks, expected.masks.data.numpy().astype(bool), strict=True):
        assert (mask != other).mean() < 1e-4  # a sum that is zero but for rounding may fall either way


def test_an_empty_image_gives_nothing():
    _, placement = decode_numpy.preprocess(photo(50, 80), (64, 64))
    boxes, scores, classes, masks = decode_numpy.decode(np.zeros((38, 84)), np.zeros((32, 16, 16)), placement)
    assert boxes.shape == (0, 4) and len(scores) == len(classes) == len(masks) == 0
