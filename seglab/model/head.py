"""The head: at every anchor point a box, class scores and mask coefficients; for the whole image 32 prototypes.

An anchor point is the center of one cell of a feature map. A box is given as the distances from that point to its
four sides, each as a distribution over 16 bins one stride wide (Li et al., "Generalized Focal Loss", 2020). A mask is
a weighted sum of the prototypes (Bolya et al., "YOLACT", 2019).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglab.model.blocks import Conv

STRIDES = (8, 16, 32)  # of the three feature maps; sides of the input are multiples of the last
BINS = 16
COEFFICIENTS = 32
PROTOTYPE_STRIDE = 4  # prototypes have a quarter of the input's resolution


class RawOutput(NamedTuple):
    """What the network computes, undecoded. Anchor points run over strides 8, 16, 32 in turn, each row by row."""

    boxes: Tensor  # (B, 4 * 16, A) logits of the distances left, top, right, bottom
    classes: Tensor  # (B, C, A) logits
    coefficients: Tensor  # (B, 32, A)
    prototypes: Tensor  # (B, 32, H/4, W/4)


def anchor_points(height: int, width: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Anchor points of an input of (height, width), both multiples of 32.

    Returns points (A, 2) xy in letterbox pixels and strides (A, 1), float32, in the order of RawOutput.
    A pure function of the shape: nothing is cached, so exporters and changing image sizes cannot go wrong.
    """
    points, strides = [], []
    for stride in STRIDES:
        # The centers of the cells of one feature map, row by row.
        x = (torch.arange(width // stride, device=device, dtype=torch.float32) + 0.5) * stride  # (w,)
        y = (torch.arange(height // stride, device=device, dtype=torch.float32) + 0.5) * stride  # (h,)
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")  # (h, w) each
        centers = torch.stack((grid_x, grid_y), dim=-1).reshape(-1, 2)  # (h * w, 2)
        points.append(centers)
        strides.append(torch.full_like(centers[:, :1], stride))
    return torch.cat(points), torch.cat(strides)


def distances(logits: Tensor) -> Tensor:
    """Distribution logits (B, 64, A) -> expected distances left, top, right, bottom (B, 4, A) in strides."""
    batch, _, anchors = logits.shape
    probabilities = logits.view(batch, 4, BINS, anchors).softmax(dim=2)  # (B, 4, 16, A)
    bins = torch.arange(BINS, device=logits.device, dtype=logits.dtype)  # (16,)
    return (probabilities * bins.view(1, 1, BINS, 1)).sum(dim=2)


def boxes_from_distribution(logits: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Logits (B, 64, A) around points (A, 2) with strides (A, 1) -> boxes (B, A, 4) xyxy, letterbox pixels."""
    pixels = distances(logits).transpose(1, 2) * strides  # (B, A, 4)
    left_top, right_bottom = pixels.chunk(2, dim=-1)  # (B, A, 2) each
    return torch.cat((points - left_top, points + right_bottom), dim=-1)


class Distribution(nn.Module):
    """Holds the bin values as the frozen 1x1 convolution that official checkpoints carry (16 numbers: 0 to 15)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(BINS, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data = torch.arange(BINS, dtype=torch.float32).view(1, BINS, 1, 1)


class Prototypes(nn.Module):
    """From the finest feature map to 32 prototypes at twice its resolution.

    The upsampling and the convolution after it, without a nonlinearity between them, are one transposed convolution of
    4 instead of 1 + 9 multiplications (docs/decisions/0010). Training on a CPU computes them so.
    """

    def __init__(self, c_in: int, hidden: int):
        super().__init__()
        self.cv1 = Conv(c_in, hidden, 3)
        self.upsample = nn.ConvTranspose2d(hidden, hidden, 2, 2)
        self.cv2 = Conv(hidden, hidden, 3)
        self.cv3 = Conv(hidden, COEFFICIENTS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)  # (B, hidden, h, w)
        if self.training and x.device.type == "cpu":
            x = F.pad(x, (0, 0, 0, 0, 0, 1), value=1.0)  # (B, hidden + 1, h, w)
            weight = joined_weight(self.upsample, self.cv2.conv)
            x = F.conv_transpose2d(x, weight, self.cv2.conv.bias, stride=2, padding=1)  # (B, hidden, 2h, 2w)
            x = self.cv2.act(self.cv2.bn(x))
        else:
            x = self.upsample(x)  # (B, hidden, 2h, 2w)
            x = self.cv2(x)
        return self.cv3(x)  # (B, 32, 2h, 2w)


def joined_weight(upsample: nn.ConvTranspose2d, conv: nn.Conv2d, dtype: torch.dtype | None = None) -> Tensor:
    """2 x 2 upsampling, then a 3 x 3 convolution without its bias, as the weight of one transposed convolution of 4 x 4
    cells, stride 2 and padding 1: (in + 1, out, 4, 4).

    The last input channel is one in the image and zero around it: it carries the upsampling's bias, which ends there.
    dtype: computed in, by default the weights' own.
    """
    assert upsample.bias is not None
    bias = upsample.bias[None, :, None, None].expand(-1, -1, 2, 2)  # (1, middle, 2, 2)
    spread = torch.cat((upsample.weight, bias))  # (in + 1, middle, 2, 2)
    return F.conv2d(spread.to(dtype), conv.weight.to(dtype), padding=2)


class SegmentHead(nn.Module):
    """Three feature maps -> RawOutput. cv2 predicts boxes, cv3 classes, cv4 coefficients, one branch a stride each.

    class_width: channels inside the class branches. By default it follows the number of classes, as official networks
    are built; weights that were fine-tuned to other classes keep the width they were built with.
    """

    def __init__(
        self,
        channels: tuple[int, int, int],
        classes: int,
        prototype_channels: int,
        class_width: int | None = None,
    ):
        super().__init__()
        c_box = max(16, channels[0] // 4, 4 * BINS)
        c_class = class_width or max(channels[0], min(classes, 100))
        c_mask = max(channels[0] // 4, COEFFICIENTS)
        self.cv2 = nn.ModuleList(_branch(c, c_box, 4 * BINS) for c in channels)
        self.cv3 = nn.ModuleList(_class_branch(c, c_class, classes) for c in channels)
        self.dfl = Distribution()
        self.proto = Prototypes(channels[0], prototype_channels)
        self.cv4 = nn.ModuleList(_branch(c, c_mask, COEFFICIENTS) for c in channels)
        self.reset_biases(classes)

    def reset_biases(self, classes: int) -> None:
        """Start with plausible guesses: medium boxes, and scores as rare as instances are (about 5 in 640 x 640)."""
        for box_branch, class_branch, stride in zip(self.cv2, self.cv3, STRIDES):
            cells = (640 / stride) ** 2
            _set_bias(last_convolution(box_branch), 1.0)
            _set_bias(last_convolution(class_branch), math.log(5 / classes / cells))

    def forward(self, features: list[Tensor]) -> RawOutput:
        """features: (B, C, H/8, W/8), (B, C', H/16, W/16), (B, C'', H/32, W/32)."""

        def gather(branches: nn.ModuleList) -> Tensor:
            rows = [branch(x).flatten(2) for branch, x in zip(branches, features)]  # (B, c, h * w) each
            return torch.cat(rows, dim=2)  # (B, c, A)

        return RawOutput(gather(self.cv2), gather(self.cv3), gather(self.cv4), self.proto(features[0]))


def last_convolution(branch: nn.Module) -> nn.Conv2d:
    """The last layer of a branch of the head: one output channel a quantity, and a bias."""
    *_, last = branch.children()
    assert isinstance(last, nn.Conv2d)
    return last


def _set_bias(conv: nn.Conv2d, value: float) -> None:
    assert conv.bias is not None
    nn.init.constant_(conv.bias, value)


def _branch(c_in: int, hidden: int, c_out: int) -> nn.Sequential:
    """Of boxes and coefficients: two plain convolutions."""
    return nn.Sequential(Conv(c_in, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, c_out, 1))


def _class_branch(c_in: int, hidden: int, classes: int) -> nn.Sequential:
    """Of class scores: depth-wise 3x3 and 1x1 convolutions in turn, which need fewer multiplications."""
    return nn.Sequential(
        nn.Sequential(Conv(c_in, c_in, 3, groups=c_in), Conv(c_in, hidden)),
        nn.Sequential(Conv(hidden, hidden, 3, groups=hidden), Conv(hidden, hidden)),
        nn.Conv2d(hidden, classes, 1),
    )
