"""The building blocks of YOLO11. Attributes have the names of the official checkpoints, so weights load unchanged.

Sources: CSPNet (Wang et al., 2020) for the split-and-merge blocks, spatial pyramid pooling (He et al., 2015),
scaled dot-product attention (Vaswani et al., 2017) and YOLO11's public configuration file.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Module):
    """Convolution without bias, batch normalization, SiLU. Padding keeps the size at stride 1."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03)  # an identity after `fuse`
        self.act: nn.Module = nn.SiLU() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """Two 3x3 convolutions with a residual connection; the first may narrow the channels."""

    def __init__(self, channels: int, expansion: float = 0.5):
        super().__init__()
        hidden = int(channels * expansion)
        self.cv1 = Conv(channels, hidden, 3)
        self.cv2 = Conv(hidden, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.cv2(self.cv1(x))


class C3k(nn.Module):
    """Cross-stage partial block: one half passes two bottlenecks, the other goes round them, a 1x1 merges both."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = channels // 2
        self.cv1 = Conv(channels, hidden)
        self.cv2 = Conv(channels, hidden)
        self.cv3 = Conv(2 * hidden, channels)
        self.m = nn.Sequential(*(Bottleneck(hidden, expansion=1.0) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        through = self.m(self.cv1(x))  # (B, hidden, H, W)
        around = self.cv2(x)  # (B, hidden, H, W)
        return self.cv3(torch.cat((through, around), dim=1))


class C3k2(nn.Module):
    """YOLO11's main block: split in two, pass one half through `depth` inner blocks, merge every step."""

    def __init__(self, c_in: int, c_out: int, depth: int, c3k: bool, expansion: float = 0.5):
        super().__init__()
        hidden = int(c_out * expansion)
        self.cv1 = Conv(c_in, 2 * hidden)
        self.cv2 = Conv((2 + depth) * hidden, c_out)
        self.m = nn.ModuleList(C3k(hidden) if c3k else Bottleneck(hidden) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.cv1(x).chunk(2, dim=1))  # (B, hidden, H, W) each
        for block in self.m:
            parts.append(block(parts[-1]))
        return self.cv2(torch.cat(parts, dim=1))


class SPPF(nn.Module):
    """Spatial pyramid pooling, fast: three 5x5 max-poolings in a row see windows of 5, 9 and 13 pixels."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = channels // 2
        self.cv1 = Conv(channels, hidden)
        self.cv2 = Conv(4 * hidden, channels)
        self.m = nn.MaxPool2d(kernel_size=5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv1(x)]  # (B, hidden, H, W)
        for _ in range(3):
            parts.append(self.m(parts[-1]))
        return self.cv2(torch.cat(parts, dim=1))


class Attention(nn.Module):
    """Multi-head self-attention over all positions of a feature map, keys half as wide as values.

    A depth-wise 3x3 convolution of the values (`pe`) tells positions apart.
    """

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.value_width = channels // heads
        self.key_width = self.value_width // 2
        self.qkv = Conv(channels, channels + 2 * heads * self.key_width, act=False)
        self.proj = Conv(channels, channels, act=False)
        self.pe = Conv(channels, channels, 3, groups=channels, act=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        qkv = self.qkv(x).view(batch, self.heads, -1, height * width)  # (B, heads, 2K + V, HW)
        query, key, value = qkv.split([self.key_width, self.key_width, self.value_width], dim=2)

        # Every position attends to all positions, and gets the mean of their values.
        likeness = query.transpose(-2, -1) @ key * self.key_width**-0.5  # (B, heads, HW, HW)
        weights = likeness.softmax(dim=-1)
        mixed = (value @ weights.transpose(-2, -1)).view(batch, channels, height, width)

        positions = self.pe(value.reshape(batch, channels, height, width))  # (B, C, H, W)
        return self.proj(mixed + positions)


class PSABlock(nn.Module):
    """Position-sensitive attention: attention, then a two-layer perceptron, each with a residual connection."""

    def __init__(self, channels: int):
        super().__init__()
        self.attn = Attention(channels, heads=channels // 64)
        self.ffn = nn.Sequential(Conv(channels, 2 * channels), Conv(2 * channels, channels, act=False))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.ffn(x)


class C2PSA(nn.Module):
    """Split in two, attend over one half, merge."""

    def __init__(self, channels: int, depth: int):
        super().__init__()
        self.hidden = channels // 2
        self.cv1 = Conv(channels, 2 * self.hidden)
        self.cv2 = Conv(2 * self.hidden, channels)
        self.m = nn.Sequential(*(PSABlock(self.hidden) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        kept, attended = self.cv1(x).split(self.hidden, dim=1)  # (B, hidden, H, W) each
        return self.cv2(torch.cat((kept, self.m(attended)), dim=1))


def upsample(x: Tensor) -> Tensor:
    """Nearest-neighbor doubling, (B, C, H, W) -> (B, C, 2H, 2W)."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
