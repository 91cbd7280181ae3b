"""The network as every format contains it: images in, decoded predictions and prototypes out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seglab.inference.decode import decode
from seglab.model.head import RawOutput
from seglab.model.yolo11 import YOLO11Seg, fuse

# What a file's network computes in; an int8 file is quantized from its float32 one.
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "int8": torch.float32}


class InferenceModel(nn.Module):
    """images (B, 3, H, W) float32 in 0..1 -> predictions (B, 4 + C + 32, A), prototypes (B, 32, H/4, W/4), float32.

    A fused copy in evaluation mode on the CPU. With dtype=torch.float16 the network inside computes in half precision,
    while input, decoding and output stay float32: boxes come from sums of distances times strides, which float16 would
    round. With torch.float64 everything up to the outputs is float64: the same weights, next to no rounding. The memory
    format is the plain one, whatever training left: not every exporter knows another.
    """

    def __init__(self, model: YOLO11Seg, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.dtype = dtype
        self.network = fuse(model).cpu().to(dtype).to(memory_format=torch.contiguous_format)
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        raw, prototypes = self.undecoded(images)
        return decode(raw, images.shape[2], images.shape[3]), prototypes

    def undecoded(self, images: Tensor) -> tuple[RawOutput, Tensor]:
        """The same with raw output instead of predictions, for `suppress`, which decodes the few it needs."""
        raw = self.network(images.to(self.dtype))
        return raw, raw.prototypes.to(torch.promote_types(self.dtype, torch.float32))
