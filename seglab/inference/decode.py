"""From the network's raw output to predictions: boxes in pixels, class probabilities, mask coefficients."""

from __future__ import annotations

import torch
from torch import Tensor

from seglab.geometry.boxes import xyxy_to_xywh
from seglab.model.head import RawOutput, anchor_points, boxes_from_distribution


def decode(raw: RawOutput, height: int, width: int) -> Tensor:
    """Raw output for a letterboxed input of (height, width) -> predictions (B, 4 + C + 32, A), float32 or float64.

    Rows: box center x, center y, width, height in letterbox pixels; C class probabilities; 32 mask coefficients.
    Half precision ends here: in float16 a coordinate beyond 512 is known to half a pixel only.
    """
    dtype = torch.promote_types(raw.boxes.dtype, torch.float32)
    points, strides = anchor_points(height, width, raw.boxes.device)
    boxes = xyxy_to_xywh(boxes_from_distribution(raw.boxes.to(dtype), points, strides))  # (B, A, 4)
    probabilities = raw.classes.to(dtype).sigmoid()  # (B, C, A)
    return torch.cat((boxes.transpose(1, 2), probabilities, raw.coefficients.to(dtype)), dim=1)
