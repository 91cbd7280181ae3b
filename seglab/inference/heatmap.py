"""Where the network sees the classes that it found: its class scores as a map over the image."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from seglab.geometry.letterbox import Letterbox
from seglab.model.head import STRIDES


def class_heatmap(predictions: Tensor, coefficients: int, box: Letterbox, classes: list[int]) -> np.ndarray:
    """Predictions (4 + C + 32, A) of one image -> (H, W) float32 in 0..1 over the image.

    A pixel has the highest score of any of `classes` that the network gives to the cells around it, at its three
    resolutions. coefficients: how many there are behind the scores. Zeros where nothing was found.
    """
    height, width = box.size
    heat = np.zeros(box.size, np.float32)
    scores = predictions[4:-coefficients].float()[classes]  # (K, A)
    if not classes:
        return np.zeros(box.image_size, np.float32)
    highest = scores.amax(dim=0).cpu()  # (A,)
    shapes = [(height // stride, width // stride) for stride in STRIDES]
    levels = torch.split(highest[: sum(rows * columns for rows, columns in shapes)], [r * c for r, c in shapes])
    for level, shape in zip(levels, shapes):
        grid = level.reshape(shape).numpy()
        heat = np.maximum(heat, cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR))
    top, left = box.pad
    inside = heat[top : top + box.resized[0], left : left + box.resized[1]]
    return cv2.resize(inside, box.image_size[::-1], interpolation=cv2.INTER_LINEAR)
