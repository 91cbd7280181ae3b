"""A small network with settled statistics, shared by the export tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seglab.export.metadata import ModelMetadata
from seglab.model.yolo11 import YOLO11Seg

NAMES = {0: "circle", 1: "square", 2: "star"}


def smooth_noise(count: int, size: tuple[int, int] = (160, 160), seed: int = 0) -> torch.Tensor:
    """Smooth noise, (count, 3, *size) in 0..1."""
    coarse = torch.rand(count, 3, size[0] // 8, size[1] // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")


@pytest.fixture(scope="session")
def network() -> YOLO11Seg:
    """Scale n with random weights whose batch normalization has seen images: activations of size 1 to the end.

    Deep random networks are chaotic where trained ones are not: rounding would grow from layer to layer. A positive
    bias keeps the activation function in its nearly straight part, which stops that.
    """
    torch.manual_seed(0)
    model = YOLO11Seg("n", classes=len(NAMES))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain average of what it sees
            torch.nn.init.constant_(module.weight, 0.5)
            torch.nn.init.constant_(module.bias, 1.0)
    for branch in model.head.cv3:  # scores that vary about one half
        torch.nn.init.normal_(branch[-1].weight, std=0.3)
        torch.nn.init.zeros_(branch[-1].bias)
    with torch.no_grad():
        for seed in range(2):
            model(smooth_noise(4, seed=seed))
    return model.eval().requires_grad_(False)


@pytest.fixture
def metadata() -> ModelMetadata:
    return ModelMetadata(names=NAMES, size=(160, 160), license="Apache-2.0")


@pytest.fixture
def images() -> torch.Tensor:
    """Three of them."""
    return smooth_noise(3, seed=2)


@pytest.fixture(scope="session")
def smooth():
    """The maker of images itself."""
    return smooth_noise


@pytest.fixture(scope="session")
def photos() -> list[np.ndarray]:
    return [(smooth_noise(1, (128, 192), seed=seed)[0].permute(1, 2, 0) * 255).byte().numpy() for seed in (7, 8)]
