"""The reference for an exported file: the network it came from, and the rounding error of that network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seglab.export.inference_model import DTYPES, InferenceModel
from seglab.inference.predictor import Forward
from seglab.model.yolo11 import YOLO11Seg


class Outputs(NamedTuple):
    """What a network or a file gives for a batch."""

    predictions: Tensor  # (B, 4 + C + 32, A)
    prototypes: Tensor  # (B, 32, H/4, W/4)


class ReferenceOutputs(NamedTuple):
    """What the network gives for a batch, and the pair whose difference is its own rounding, where that is measured."""

    expected: Outputs
    exact_and_rounded: tuple[Outputs, Outputs] | None


@dataclass(frozen=True)
class Reference:
    """The network that a file is judged by, and the same network computed twice more, which shows how it rounds.

    network: float32, what files are compared with.
    exact: as exactly as it takes; rounded: in the file's own precision. Their difference is the network's own rounding.
    Both are None where numbers are not judged (int8).
    dtype: the precision of `rounded`.
    """

    network: Forward
    exact: Forward | None = None
    rounded: Forward | None = None
    dtype: torch.dtype = torch.float32

    @classmethod
    def of(cls, model: YOLO11Seg, precision: str) -> Reference:
        """For files of a precision: fp32, fp16 or int8."""
        network = InferenceModel(model)
        if precision == "fp32":
            return cls(network, exact=InferenceModel(model, torch.float64), rounded=network)
        if precision == "fp16":
            return cls(network, exact=network, rounded=in_half_precision(model), dtype=DTYPES["fp16"])
        return cls(network)

    def run(self, images: Tensor) -> ReferenceOutputs:
        """All of it on images (B, 3, H, W); computations that are one and the same run once."""
        expected = Outputs(*self.network(images))
        if self.exact is None or self.rounded is None:
            return ReferenceOutputs(expected, None)
        exact = expected if self.exact is self.network else Outputs(*self.exact(images))
        rounded = expected if self.rounded is self.network else Outputs(*self.rounded(images))
        return ReferenceOutputs(expected, (exact, rounded))


def in_half_precision(model: YOLO11Seg) -> InferenceModel:
    """The network as half precision rounds it: weights, images and what every layer puts out.

    Sums stay float32, as engines keep them. On CPUs this is some thirty times faster than arithmetic in float16.
    """
    rounded = InferenceModel(model)
    for parameter in rounded.parameters():
        parameter.data = _to_half_and_back(parameter.data)
    for module in rounded.network.modules():
        is_layer = not any(module.children())
        if is_layer:
            module.register_forward_hook(_round_output)
    rounded.register_forward_pre_hook(_round_inputs)
    return rounded


def _to_half_and_back(values: Tensor) -> Tensor:
    return values.half().float()


def _round_output(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return _to_half_and_back(output)


def _round_inputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(_to_half_and_back(images) for images in inputs)
