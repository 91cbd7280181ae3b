"""Steps that old images hardly notice.

A convolution weighs its inputs: patches of a feature map. Moved in a direction in which none of the patches of an image
extends, its weights give that image the outputs they gave before. Patches of old images extend far in few directions
and hardly at all in most; there a network may learn what it likes, and elsewhere little. So a few old images are
surveyed, layer by layer, and every step of the optimizer is bent away from what they show (Wang et al., "Training
Networks in Null Space of Feature Covariance for Continual Learning", 2021, who cut the directions in two; here they
fade into each other).

With C the mean outer product of the patches x, a step of W that an optimizer wants to be S becomes the T that minimizes
|T - S|^2 + E|T x|^2 / f, with f a fraction of the patches' mean square in a direction: T = S f (C + f I)^-1.

A few images do not tell C well: a window of 3 x 3 cells of 256 channels has 2304 numbers. So C is taken for a product,
of how its channels go together and how its cells do (Martens and Grosse, "Optimizing Neural Networks with
Kronecker-factored Approximate Curvature", 2015). That forbids more directions, and those that images have in common.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

POSITIONS = 256  # patches of a layer that are looked at in an image: they are alike
SOFTNESS = 0.15  # f as a fraction of the mean of C's diagonal


class QuietSteps:
    """What steps of a network's convolutions become, from a survey of old images.

    network: at the start, its batch normalizations at rest; batches: old images (B, 3, H, W).
    """

    def __init__(self, network: nn.Module, batches: Iterable[Tensor]):
        layers = {name: layer for name, layer in network.named_modules() if is_learning_convolution(layer)}
        self.bends = {f"{name}.weight": bend(*found) for name, found in survey(network, layers, batches).items()}
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
        bend = self.bends[name]
        groups, channels, cells = bend.softened.shape
        if name in self.transposed:  # (inputs, outputs, 2, 2)
            inputs_last = step.flatten(1).T  # (outputs * 4, inputs)
            return bend.of(inputs_last[None, :, :, None])[0, :, :, 0].T.reshape(step.shape)
        return bend.of(step.reshape(groups, -1, channels, cells)).reshape(step.shape)


@dataclass(frozen=True)
class Bend:
    """f (C + f I)^-1 of a layer with G groups, whose windows have c channels and t cells, by C's eigenvectors."""

    channels: Tensor  # (G, c, c) eigenvectors in columns
    cells: Tensor  # (G, t, t) likewise
    softened: Tensor  # (G, c, t) what is left of a step in the direction of a pair

    def of(self, step: Tensor) -> Tensor:
        """A step (G, outputs, c, t) -> the quiet step."""
        by_direction = rotated(step, self.channels.mT, self.cells)
        return rotated(by_direction * self.softened.unsqueeze(1), self.channels, self.cells.mT)


def rotated(step: Tensor, channels: Tensor, cells: Tensor) -> Tensor:
    """channels (G, c, c) @ step (G, outputs, c, t) @ cells (G, t, t), of all outputs at once."""
    channels_first = step.transpose(1, 2)  # (G, c, outputs, t)
    shape = channels_first.shape
    turned = channels @ channels_first.flatten(2)  # (G, c, outputs * t)
    turned = turned.reshape(shape).flatten(1, 2) @ cells  # (G, c * outputs, t)
    return turned.reshape(shape).transpose(1, 2)


def is_learning_convolution(layer: nn.Module) -> TypeGuard[nn.Conv2d | nn.ConvTranspose2d]:
    return isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and layer.weight.requires_grad


@torch.no_grad()
def survey(
    network: nn.Module, layers: Mapping[str, nn.Conv2d | nn.ConvTranspose2d], batches: Iterable[Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Layer name -> mean products of the patches that `batches` give it, over all processes.

    Of channels with each other (G, c, c), summed over a window's t cells, and of cells (G, t, t), summed over channels.
    """
    sums: dict[str, tuple[Tensor, Tensor]] = {}
    counts: dict[str, Tensor] = {}

    def watch(name: str, layer: nn.Conv2d | nn.ConvTranspose2d):
        def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found = patches(layer, inputs[0])  # (G, c, t, n)
            by_channel = found.flatten(2)  # (G, c, t * n)
            by_cell = found.transpose(1, 2).flatten(2)  # (G, t, c * n)
            products = (by_channel @ by_channel.mT, by_cell @ by_cell.mT)
            before = sums.get(name, (0, 0))
            sums[name] = (before[0] + products[0], before[1] + products[1])
            counts[name] = counts.get(name, 0) + torch.tensor(float(found.shape[3]), device=found.device)

        return look

    hooks = [layer.register_forward_pre_hook(watch(name, layer)) for name, layer in layers.items()]
    for images in batches:
        network(images)
    for hook in hooks:
        hook.remove()
    if distributed.is_available() and distributed.is_initialized():
        for tensor in (*itertools.chain(*sums.values()), *counts.values()):
            distributed.all_reduce(tensor)
    return {name: (channels / counts[name], cells / counts[name]) for name, (channels, cells) in sums.items()}


def patches(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """What a layer weighs of its input (B, C, H, W): patches (G, c, t, n), evenly chosen, POSITIONS an image.

    G: the layer's groups of c channels; t: the cells of a window.
    """
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
    found = windows[..., chosen // width, chosen % width].flatten(2, 3)  # (B, C, t, L)
    found = found.unflatten(1, (layer.groups, -1)).permute(1, 2, 3, 0, 4)  # (G, c, t, B, L)
    return found.flatten(3).float()


def bend(channels: Tensor, cells: Tensor) -> Bend:
    """Mean products of channels (G, c, c) and of cells (G, t, t), each of trace E|x|^2 -> the bend of their product."""
    device = channels.device
    size, channel_axes = torch.linalg.eigh(channels.cpu().double())  # (G, c), (G, c, c)
    cell_size, cell_axes = torch.linalg.eigh(cells.cpu().double())  # (G, t), (G, t, t)
    total = size.sum(dim=1)[:, None, None].clamp(min=1e-12)  # (G, 1, 1) E|x|^2
    extent = size.clamp(min=0)[:, :, None] * cell_size.clamp(min=0)[:, None] / total  # (G, c, t) eigenvalues of C
    f = SOFTNESS * extent.mean(dim=(1, 2), keepdim=True) + 1e-12  # (G, 1, 1)
    tensors = (channel_axes, cell_axes, f / (extent + f))
    return Bend(*(tensor.to(device, torch.float32) for tensor in tensors))
