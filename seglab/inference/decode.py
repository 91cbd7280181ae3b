"""From the network's raw output to predictions: boxes in pixels, class probabilities, mask coefficients."""

from __future__ import annotations

import torch
from torch import Tensor

from seglab.geometry.boxes import xyxy_to_xywh
from seglab.model.head import PROTOTYPE_STRIDE, RawOutput, anchor_points, boxes_from_distribution


def decode(raw: RawOutput, height: int, width: int) -> Tensor:
    """Raw output for a letterboxed input of (height, width) -> predictions (B, 4 + C + 32, A), float32 or float64.

    Rows: box center x, center y, width, height in letterbox pixels; C class probabilities; 32 mask coefficients.
    Half precision ends here: in float16 a coordinate beyond 512 is known to half a pixel only.
    """
    return _decode_at(raw, *anchor_points(height, width, raw.boxes.device))


def decode_above(raw: RawOutput, conf: float) -> list[Tensor]:
    """`decode` only where it matters: per image the predictions (4 + C + 32, K) whose best score is above `conf`.

    Of some thousand anchor points there are mostly a few. The input's size is that of the prototypes, times 4.
    """
    height, width = (PROTOTYPE_STRIDE * side for side in raw.prototypes.shape[2:])
    points, strides = anchor_points(height, width, raw.boxes.device)
    highest = raw.classes.amax(dim=1)  # (B, A)
    above = highest.to(torch.promote_types(highest.dtype, torch.float32)).sigmoid() > conf  # (B, A)
    predictions = []
    for image, keep in enumerate(above):
        index = keep.nonzero()[:, 0]  # (K,)
        boxes, classes, coefficients = (rows[image : image + 1, :, index] for rows in raw[:3])
        kept = RawOutput(boxes, classes, coefficients, raw.prototypes)
        predictions.append(_decode_at(kept, points[index], strides[index])[0])
    return predictions


def _decode_at(raw: RawOutput, points: Tensor, strides: Tensor) -> Tensor:
    """Predictions at anchor points (A, 2) with strides (A, 1), those of the raw output."""
    dtype = torch.promote_types(raw.boxes.dtype, torch.float32)
    boxes = xyxy_to_xywh(boxes_from_distribution(raw.boxes.to(dtype), points, strides))  # (B, A, 4)
    probabilities = raw.classes.to(dtype).sigmoid()  # (B, C, A)
    return torch.cat((boxes.transpose(1, 2), probabilities, raw.coefficients.to(dtype)), dim=1)
