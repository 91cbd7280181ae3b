"""Where the network sees what it found."""

from __future__ import annotations

import numpy as np
import torch

from seglab.geometry.letterbox import letterbox
from seglab.inference.heatmap import class_heatmap


def test_a_cell_lights_up_its_place_in_the_image():
    """One cell of the finest grid, in an image with a border above and below."""
    box = letterbox((64, 128), (128, 128))  # 32 rows of border on top
    anchors = 16 * 16 + 8 * 8 + 4 * 4
    predictions = torch.zeros(4 + 2 + 32, anchors)
    predictions[5, 8 * 16 + 3] = 0.8  # row 8, column 3 of cells of 8 pixels, class 1
    heat = class_heatmap(predictions, 32, box, [1])
    assert heat.shape == (64, 128) and 0.6 < heat.max() <= 0.8
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert abs(y - (8 * 8 + 4 - 32)) <= 4 and abs(x - (3 * 8 + 4)) <= 4
    assert not class_heatmap(predictions, 32, box, [0]).any()
    assert not class_heatmap(predictions, 32, box, []).any()
