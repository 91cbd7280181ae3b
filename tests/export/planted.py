"""Faults as they happen in converters and in the lines before the network, to plant into sound files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from seglab.export import parity
from seglab.export.reference import Reference
from seglab.geometry.letterbox import PADDING_GRAY
from seglab.inference.predictor import Forward
from seglab.model.yolo11 import YOLO11Seg

CLEAR = 100  # times the limit, which a planted fault must exceed it
Outputs = tuple[Tensor, Tensor]


def black_border(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in 0..1 with their gray border painted black."""
    is_gray = (images - PADDING_GRAY / 255).abs() < 1e-6
    return torch.where(is_gray.all(dim=1, keepdim=True), 0.0, images)


def with_classes(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Outputs]:
    """A fault that changes the class probabilities (B, C, A) and nothing else."""

    def spoil(predictions: Tensor, prototypes: Tensor) -> Outputs:
        boxes, classes, coefficients = predictions[:, :4], predictions[:, 4:-32], predictions[:, -32:]
        return torch.cat((boxes, change(classes), coefficients), dim=1), prototypes

    return spoil


def coefficients_swapped(predictions: Tensor, prototypes: Tensor) -> Outputs:
    """The last two of the 32 in each other's place."""
    order = [*range(predictions.shape[1] - 2), predictions.shape[1] - 1, predictions.shape[1] - 2]
    return predictions[:, order], prototypes


IN_THE_INPUT = {
    "letterbox one pixel to the right": lambda images: images.roll(1, dims=3),
    "letterbox with a black border": black_border,
    "BGR instead of RGB": lambda images: images.flip(1),
    "divided by 256": lambda images: images * (255 / 256),
    "not divided at all": lambda images: images * 255,
}
IN_THE_OUTPUT = {
    "classes in another order": with_classes(lambda scores: scores.roll(1, dims=1)),
    "scores halved": with_classes(lambda scores: scores / 2),
    "coefficients swapped": coefficients_swapped,
    "prototypes one cell too low": lambda predictions, prototypes: (predictions, prototypes.roll(1, dims=2)),
}
SUBTLE = {
    "boxes half a pixel to the right": lambda p, q: (torch.cat((p[:, :1] + 0.5, p[:, 1:]), dim=1), q),
    "scores 1 % too low": with_classes(lambda scores: scores * 0.99),
}  # these a hundred times only where a network rounds as finely as trained ones do


def remembered(forward: Forward) -> Forward:
    """The same callable, which computes what it has computed before only once."""
    known: dict[bytes, Outputs] = {}

    def call(images: Tensor) -> Outputs:
        key = images.numpy().tobytes()
        if key not in known:
            known[key] = forward(images)
        return known[key]

    return call


def reference_for(model: YOLO11Seg) -> Reference:
    """What fp32 files of the model are judged by, for many comparisons on the same images."""
    reference = Reference.of(model, "fp32")
    network = remembered(reference.network)
    return Reference(network, remembered(reference.exact), network)


def exceeded(rows: list[parity.Row]) -> float:
    """How many times its limit the worst max error is."""
    return max(row.value / row.limit for row in rows if row.limit is not None and not row.at_least)


@torch.inference_mode()
def assert_sound_passes_and_faults_do_not(
    reference: Reference,
    forward: Forward,
    images: Sequence[np.ndarray],
    size: tuple[int, int],
    subtle: bool = True,
) -> None:
    """`forward` keeps every limit as it is, and exceeds one at least 100 times with any of the faults planted."""
    forward = remembered(forward)

    def rows(file: Forward) -> list[parity.Row]:
        return parity.compare(reference, file, images, size, parity.LIMITS["fp32"])

    sound = rows(forward)
    assert all(row.ok for row in sound), parity.table(sound, "a sound file")
    times = {name: exceeded(rows(lambda x, f=fault: forward(f(x)))) for name, fault in IN_THE_INPUT.items()}
    in_the_output = IN_THE_OUTPUT | SUBTLE if subtle else IN_THE_OUTPUT
    times |= {name: exceeded(rows(lambda x, f=fault: f(*forward(x)))) for name, fault in in_the_output.items()}
    missed = {name: value for name, value in times.items() if not value >= CLEAR}
    assert not missed, f"times the limit, and {CLEAR} is asked for: {missed}"
