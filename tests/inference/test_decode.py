"""Decoding by hand at chosen anchors."""

from __future__ import annotations

import pytest
import torch

from seglab.inference.decode import decode, decode_above
from seglab.model.head import RawOutput, anchor_points


def raw_output(height: int, width: int, classes: int = 5) -> RawOutput:
    anchors = len(anchor_points(height, width)[0])
    generator = torch.Generator().manual_seed(0)

    def numbers(channels: int) -> torch.Tensor:
        return torch.randn(2, channels, anchors, generator=generator)

    return RawOutput(numbers(64), numbers(classes), numbers(32), torch.randn(2, 32, height // 4, width // 4))


def test_rows_are_box_scores_coefficients():
    raw = raw_output(64, 96)
    points, strides = anchor_points(64, 96)
    predictions = decode(raw, 64, 96)
    assert predictions.shape == (2, 4 + 5 + 32, 8 * 12 + 4 * 6 + 2 * 3)
    for image, anchor in ((0, 0), (1, 50), (0, 100), (1, 125)):
        bins = raw.boxes[image, :, anchor].view(4, 16).softmax(dim=1)
        left, top, right, bottom = (bins @ torch.arange(16.0) * strides[anchor]).tolist()
        x, y = points[anchor].tolist()
        expected = [x + (right - left) / 2, y + (bottom - top) / 2, left + right, top + bottom]
        assert predictions[image, :4, anchor].tolist() == pytest.approx(expected, abs=1e-3)
        torch.testing.assert_close(predictions[image, 4:9, anchor], raw.classes[image, :, anchor].sigmoid())
        assert torch.equal(predictions[image, 9:, anchor], raw.coefficients[image, :, anchor])


def test_half_precision_is_decoded_in_float32():
    raw = raw_output(64, 64)
    half = RawOutput(*(tensor.half() for tensor in raw))
    predictions = decode(half, 64, 64)
    assert predictions.dtype == torch.float32
    torch.testing.assert_close(predictions, decode(RawOutput(*(tensor.float() for tensor in half)), 64, 64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("conf", [0.0, 0.5, 0.9, 1.0])
def test_only_what_is_above_the_threshold_is_the_same_as_all(conf, dtype):
    raw = RawOutput(*(tensor.to(dtype) for tensor in raw_output(64, 96)))
    everything = decode(raw, 64, 96)
    for image, predictions in zip(everything, decode_above(raw, conf), strict=True):
        expected = image[:, image[4:9].amax(dim=0) > conf]
        assert predictions.shape == expected.shape and predictions.dtype == torch.float32
        torch.testing.assert_close(predictions, expected, rtol=1e-5, atol=1e-4)


def test_a_network_that_diverged_finds_nothing():
    raw = raw_output(64, 64)
    raw.classes.fill_(float("nan"))
    assert [predictions.shape for predictions in decode_above(raw, 0.1)] == [(41, 0), (41, 0)]
