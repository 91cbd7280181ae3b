"""The network as every format carries it: images in, decoded predictions and prototypes out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seglab.inference.decode import decode
from seglab.model.yolo11 import YOLO11Seg, fuse


class Deployed(nn.Module):
    """images (B, 3, H, W) float32 in 0..1 -> predictions (B, 4 + C + 32, A), prototypes (B, 32, H/4, W/4), float32.

    A fused copy in evaluation mode on the CPU. With `half` the network inside computes in float16, while input,
    decoding and output stay float32: boxes come from sums of distances times strides, which float16 would round. The
    memory format is the plain one, whatever training left: not every exporter knows another.
    """

    def __init__(self, model: YOLO11Seg, half: bool = False):
        super().__init__()
        self.dtype = torch.float16 if half else torch.float32
        self.network = fuse(model).cpu().to(self.dtype).to(memory_format=torch.contiguous_format)
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.network(images.to(self.dtype))
        return decode(raw, images.shape[2], images.shape[3]), raw.prototypes.float()
