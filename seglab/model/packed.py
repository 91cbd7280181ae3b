"""The network laid out for a CPU: what its convolutions would do at every call is done once.

PyTorch's convolution arranges its weights for the CPU anew at every call, and SiLU goes over the result once
more. oneDNN, which does the work on CPUs, takes weights arranged beforehand, and applies SiLU while the result is
still in the cache: about an eighth of the network's time. It is reached by the operators that torch.compile uses, which
not every build has; where they are missing, or do not agree with the plain convolution, the network stays as it is.

The prototypes' upsampling is multiplied into the convolution behind it, the most expensive one of the network.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglab.model.blocks import Conv
from seglab.model.head import Prototypes, joined_weight
from seglab.model.yolo11 import YOLO11Seg


class PackedConv(nn.Module):
    """A convolution with bias, and SiLU if asked for, as one step on a CPU, for float32 without gradients."""

    def __init__(self, conv: nn.Conv2d, silu: bool):
        super().__init__()
        self.geometry = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        self.activation = "swish" if silu else "none"  # oneDNN's name of SiLU
        self.bias = conv.bias
        self.weight = torch._C._nn.mkldnn_reorder_conv2d_weight(conv.weight.detach().to_mkldnn(), *self.geometry)

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.geometry, self.activation, [], ""
        )


class PackedPrototypes(nn.Module):
    """Prototypes from the coarse grid: 4 multiplications where upsampling and the convolution behind it have 1 + 9.

    The upsampling makes every fine cell from one coarse cell, so a window of 3 x 3 fine cells shows 2 x 2 coarse ones.
    Nothing stands between the two but a sum: together they are one convolution of 2 x 2 coarse cells for each of the
    four fine cells in the middle of those.
    """

    def __init__(self, plain: Prototypes):
        super().__init__()
        self.cv1 = PackedConv(plain.cv1.conv, silu=True)
        self.cv3 = PackedConv(plain.cv3.conv, silu=True)
        kernels = joined_kernels(plain.upsample, plain.cv2.conv)
        bias = _bias(plain.cv2.conv)
        joined = nn.Conv2d(kernels.shape[1], len(kernels), 2, padding=1, device="meta")
        joined.weight = nn.Parameter(kernels)
        joined.bias = nn.Parameter(bias.repeat(4))
        self.joined = PackedConv(joined, silu=True)

    def forward(self, x: Tensor) -> Tensor:
        # A last channel of ones carries the upsampling's bias, see `joined_kernels`.
        x = F.pad(self.cv1(x), (0, 0, 0, 0, 0, 1), value=1.0)  # (B, hidden + 1, h, w)

        # Each window of 2 x 2 coarse cells gives the four fine cells in its middle.
        x = self.joined(x)  # (B, 4 * hidden, h + 1, w + 1)
        x = x.permute(0, 2, 3, 1).unflatten(3, (4, -1))  # (B, h + 1, w + 1, 4, hidden)
        batch, rows, columns = x.shape[:3]

        # The last convolution takes each cell for itself, so the cells may lie in a row.
        x = self.cv3(x.flatten(2, 3).permute(0, 3, 1, 2))  # (B, 32, h + 1, 4 * (w + 1))

        # Sort the fine cells into rows and columns, and leave out those beyond the border.
        x = x.permute(0, 2, 3, 1).reshape(batch, rows, columns, 2, 2, -1)  # (B, h + 1, w + 1, 2, 2, 32)
        x = x.transpose(2, 3).reshape(batch, 2 * rows, 2 * columns, -1)  # (B, 2h + 2, 2w + 2, 32)
        return x[:, 1:-1, 1:-1].permute(0, 3, 1, 2)  # (B, 32, 2h, 2w)


def joined_kernels(upsample: nn.ConvTranspose2d, conv: nn.Conv2d) -> Tensor:
    """2 x 2 upsampling, then a 3 x 3 convolution, as kernels on the coarse grid: (4 * out, in + 1, 2, 2).

    A transposed convolution spreads each coarse cell over 4 x 4 fine ones. Seen from a window of 2 x 2 coarse cells,
    each of the four fine cells in its middle gets one number of every coarse cell's 4 x 4: of the first coarse row
    those of rows 2 and 3, of the second those of rows 0 and 1.
    """
    weight = joined_weight(upsample, conv, torch.float64).detach()  # (in + 1, out, 4, 4)
    weight = weight.unflatten(3, (2, 2)).unflatten(2, (2, 2))  # (in + 1, out, coarse, fine, coarse, fine)
    kernels = weight.flip(2, 4).permute(3, 5, 1, 0, 2, 4)  # (fine, fine, out, in + 1, coarse, coarse)
    return kernels.flatten(0, 2).float()


def _bias(conv: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """The bias of a convolution that has one, as all have after `fuse`."""
    assert conv.bias is not None
    return conv.bias


def pack(network: YOLO11Seg) -> YOLO11Seg:
    """Replace the convolutions of a fused float32 network on a CPU, in place; the same function within 1e-5.

    Sizes and batches stay free. The result neither moves to another device nor trains.
    """
    if available():
        _pack_inside(network)
    return network


def _pack_inside(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, Prototypes):
            setattr(module, name, PackedPrototypes(child))
        elif isinstance(child, Conv):
            setattr(module, name, PackedConv(child.conv, isinstance(child.act, nn.SiLU)))
        elif isinstance(child, nn.Conv2d) and isinstance(module, nn.Sequential):  # the last of a head's branch
            setattr(module, name, PackedConv(child, silu=False))
        else:
            _pack_inside(child)


@functools.cache
def available() -> bool:
    """Whether this build of PyTorch has the operators, and they agree with the plain convolution."""
    if not torch.backends.mkldnn.is_available():
        return False
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        conv = nn.Conv2d(16, 16, 3, 2, 1)
        x = torch.randn(1, 16, 9, 9)
        try:
            return bool(torch.allclose(PackedConv(conv, silu=True)(x), F.silu(conv(x)), atol=1e-5))
        except (AttributeError, NotImplementedError, RuntimeError):
            return False
