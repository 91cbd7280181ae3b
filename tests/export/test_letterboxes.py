"""The three letterboxes agree: the library's, and those of the two exports that have to work without it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seglab.export import decode_numpy
from seglab.export.end_to_end import EndToEnd
from seglab.geometry.letterbox import letterbox


class Recorder(torch.nn.Module):
    """Stands for the network: keeps the images that it is given, and finds nothing."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.images = images
        height, width = images.shape[2:]
        return torch.zeros(1, 4 + 1 + 32, 8), torch.zeros(1, 32, height // 4, width // 4)


def smooth_image(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


sides, cells = st.integers(20, 150), st.integers(1, 5)


@settings(deadline=None, max_examples=40)
@given(sides, sides, cells, cells)
@example(64, 96, 1, 5)  # an odd border
@example(96, 64, 3, 2)  # nothing to resize
def test_the_three_letterboxes_agree(height, width, rows, columns):
    size = (32 * rows, 32 * columns)
    image = smooth_image(height, width)
    expected = letterbox((height, width), size).apply(image).transpose(2, 0, 1)[None] / 255  # (1, 3, *size)

    in_numpy, _ = decode_numpy.preprocess(image, size)
    np.testing.assert_allclose(in_numpy, expected, atol=1e-6)

    recorder = Recorder()
    EndToEnd(recorder, size, 0.25, 0.7, 300, False, "soft")(torch.from_numpy(image))
    difference = np.abs(recorder.images.numpy() - expected)
    assert difference.max() < 1.01 / 255  # cv2 rounds its weights, so a pixel may differ by one gray level
    assert (difference > 1e-6).mean() < 0.5
