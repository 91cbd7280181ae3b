"""Steps that old images hardly notice.

A convolution weighs its inputs: patches of a feature map. Moved in a direction in which none of the patches of an image
extends, its weights give that image the outputs they gave before. Patches of old images extend far in few directions
and hardly at all in most; there a network may learn what it likes, and elsewhere little. So a few old images are
surveyed, layer by layer, and every step of the optimizer is bent away from what they show (Wang et al., "Training
Networks in Null Space of Feature Covariance for Continual Learning", 2021, who cut the directions in two; here they
fade into each other).

With C the mean outer product of the patches x, a step of W that an optimizer wants to be S becomes the T that minimizes
|T - S|^2 + E|T x|^2 / f, with f a fraction of the patches' mean square in a direction: T = S f (C + f I)^-1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

POSITIONS = 256  # patches of a layer that are looked at in an image: they are alike
SOFTNESS = 0.05  # f as a fraction of the mean of C's diagonal


class QuietSteps:
    """What steps of a network's convolutions become, from a survey of old images.

    network: at the start, its batch normalizations at rest; batches: old images (B, 3, H, W).
    """

    def __init__(self, network: nn.Module, batches: Iterable[Tensor]):
        layers = {name: layer for name, layer in network.named_modules() if is_learning_convolution(layer)}
        self.bends = {f"{name}.weight": bend(C) for name, C in survey(network, layers, batches).items()}
        self.transposed = {f"{name}.weight" for name, layer in layers.items() if isinstance(layer, nn.ConvTranspose2d)}

    @contextlib.contextmanager
    def around(self, network: nn.Module) -> Iterator[None]:
        """The optimizer's step within becomes a quiet one. What is no convolution's weight stays as it is."""
        before = {name: weight.detach().clone() for name, weight in network.named_parameters() if weight.requires_grad}
        yield
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if name not in before:  # it is frozen
                    continue
                step = self.bent(name, weight - before[name]) if name in self.bends else 0.0
                weight.copy_(before[name] + step)

    def bent(self, name: str, step: Tensor) -> Tensor:
        """A step of the weight of that name -> the quiet step."""
        bends = self.bends[name]  # (G, d, d)
        if name in self.transposed:  # (inputs, outputs, 2, 2)
            return (bends[0] @ step.flatten(1)).reshape(step.shape)
        groups, inputs = bends.shape[:2]
        return (step.reshape(groups, -1, inputs) @ bends).reshape(step.shape)


def is_learning_convolution(layer: nn.Module) -> TypeGuard[nn.Conv2d | nn.ConvTranspose2d]:
    return isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and layer.weight.requires_grad


@torch.no_grad()
def survey(
    network: nn.Module, layers: Mapping[str, nn.Conv2d | nn.ConvTranspose2d], batches: Iterable[Tensor]
) -> dict[str, Tensor]:
    """Layer name -> mean outer product (G, d, d) of the patches that `batches` give it, over all processes.

    G: the layer's groups; d: the numbers in a patch of one.
    """
    sums: dict[str, Tensor] = {}
    counts: dict[str, Tensor] = {}

    def watch(name: str, layer: nn.Conv2d | nn.ConvTranspose2d):
        def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found = patches(layer, inputs[0])  # (G, d, n)
            sums[name] = sums.get(name, 0) + found @ found.transpose(1, 2)
            counts[name] = counts.get(name, 0) + torch.tensor(float(found.shape[2]), device=found.device)

        return look

    hooks = [layer.register_forward_pre_hook(watch(name, layer)) for name, layer in layers.items()]
    for images in batches:
        network(images)
    for hook in hooks:
        hook.remove()
    if distributed.is_available() and distributed.is_initialized():
        for tensor in (*sums.values(), *counts.values()):
            distributed.all_reduce(tensor)
    return {name: sums[name] / counts[name] for name in sums}


def patches(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """What a layer weighs of its input (B, C, H, W): patches (G, d, n), evenly chosen, POSITIONS an image."""
    if isinstance(layer, nn.ConvTranspose2d):
        windows = x[:, :, None, None]  # (B, C, 1, 1, H, W): it spreads single cells
    else:
        assert not isinstance(layer.padding, str)  # "same" and "valid" are not used here
        (down, across), (high, wide) = layer.padding, layer.kernel_size
        padded = F.pad(x, (across, across, down, down))
        windows = padded.unfold(2, high, layer.stride[0]).unfold(3, wide, layer.stride[1])  # (B, C, H, W, k, k), a view
        windows = windows.permute(0, 1, 4, 5, 2, 3)
    height, width = windows.shape[4:]
    count = height * width
    chosen = torch.linspace(0, count - 1, min(count, POSITIONS), device=x.device).long()
    columns = windows[..., chosen // width, chosen % width].flatten(1, 3)  # (B, C * k * k, L)
    columns = columns.unflatten(1, (layer.groups, -1)).permute(1, 2, 0, 3).flatten(2)  # (G, d, B * L)
    return columns.float()


def bend(C: Tensor) -> Tensor:
    """Mean outer products (G, d, d) -> f (C + f I)^-1 of each group."""
    device = C.device
    C = C.cpu().double()
    f = SOFTNESS * C.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None] + 1e-12  # (G, 1, 1)
    bends = f * torch.cholesky_inverse(torch.linalg.cholesky(C + f * torch.eye(C.shape[1], dtype=C.dtype)))
    return bends.to(device, torch.float32)
