"""End to end: letterbox, network, NMS and masks in one graph. An image goes in, its instances come out.

The letterbox is this library's but for cv2's rounded resize weights: a pixel may differ by one gray level of 255. It is
written again here since a graph can hold tensor operations only.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglab.export.inference_model import InferenceModel
from seglab.geometry.boxes import xywh_to_xyxy
from seglab.geometry.letterbox import PADDING_GRAY
from seglab.inference.masks import INSET
from seglab.model.head import COEFFICIENTS


class Placement(NamedTuple):
    """Where an image lies in its letterbox, in tensors, so that tracing records how it follows from the image's size.

    sides: (height, width) of the image; scale: (4,) letterbox pixels per image pixel for x, y, x, y; corner: (4,) left,
    top, left, top of the image in the letterbox.
    """

    sides: list[Tensor]
    scale: Tensor
    corner: Tensor


class Detected(NamedTuple):
    """What NMS leaves, highest score first."""

    boxes: Tensor  # (N, 4) xyxy in the letterbox frame
    scores: Tensor  # (N,)
    classes: Tensor  # (N,)
    coefficients: Tensor  # (N, 32)


class EndToEnd(nn.Module):
    """image (h, w, 3) uint8 RGB of any size -> boxes (N, 4) xyxy in its pixels, scores (N,), classes (N,) int64, masks.

    masks (N, h, w) bool are left out when `masks` is False; they take N * h * w * 4 bytes while they are made. Last
    come the letterboxed network's own predictions and prototypes, so that such a file also serves where others do.

    size: (height, width) of the letterbox; conf: min score; iou: overlap above which the lower-scoring of two boxes of
    one class is dropped; max_det: max number of detections; mask_targets: soft or hard, what the weights were trained
    with. All of it is fixed in the graph.
    """

    def __init__(
        self,
        inference_model: InferenceModel,
        size: tuple[int, int],
        conf: float,
        iou: float,
        max_det: int,
        masks: bool,
        mask_targets: str,
    ):
        super().__init__()
        self.inference_model = inference_model
        self.size = size
        self.conf = conf
        self.iou = iou
        self.max_det = max_det
        self.masks = masks
        self.inset = INSET[mask_targets]  # pixels of the letterbox
        import torchvision.ops  # noqa: F401  its first import must not happen while a trace runs

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        images, placement = self._letterbox(image)
        predictions, prototypes = self.inference_model(images)

        boxes, scores, classes, coefficients = self._detect(predictions[0].T)
        boxes = self._to_image(boxes, placement)
        detections = [boxes, scores, classes]
        if self.masks:
            masks = self._assemble(coefficients, prototypes[0], boxes, placement)  # (N, h, w)
            not_empty = masks.float().amax(dim=(1, 2)).nonzero()[:, 0]  # a mask without a pixel is not an instance
            detections = [field[not_empty] for field in (*detections, masks)]
        return *detections, predictions, prototypes

    def _letterbox(self, image: Tensor) -> tuple[Tensor, Placement]:
        """image (h, w, 3) uint8 -> images (1, 3, *size) float in 0..1, and where the image lies in it."""
        sides = [torch.as_tensor(side) for side in image.shape[:2]]  # tensors, so that tracing sees the arithmetic
        limits = [torch.tensor(side) for side in self.size]

        # The size that keeps proportions and fits.
        ratio = torch.minimum(self.size[0] / sides[0].double(), self.size[1] / sides[1].double())
        resized = [(side * ratio).round().long().clamp(min=1) for side in sides]
        resized = [torch.minimum(side, limit) for side, limit in zip(resized, limits)]

        # Padding on both sides of it.
        top, left = [((limit - side) / 2 - 0.1).round().long().clamp(min=0) for limit, side in zip(limits, resized)]
        bottom = limits[0] - resized[0] - top
        right = limits[1] - resized[1] - left

        images = image.permute(2, 0, 1)[None].float()  # (1, 3, h, w)
        # Sizes are tensors against torch's annotations, since numbers would become constants of the graph.
        images = F.interpolate(images, size=resized, mode="bilinear")  # type: ignore[arg-type]
        images = (images + 0.5).floor()  # halves go up, as in cv2: exact where an image is halved
        padding = (left, right, top, bottom)
        images = F.pad(images, padding, value=PADDING_GRAY) / 255  # type: ignore[arg-type]

        scale = torch.stack((resized[1] / sides[1], resized[0] / sides[0]) * 2).float()
        corner = torch.stack((left, top) * 2).float()
        return images, Placement(sides, scale, corner)

    @staticmethod
    def _to_image(boxes: Tensor, placement: Placement) -> Tensor:
        """Boxes (N, 4) xyxy from the letterbox frame to the image frame, cut at the image's border."""
        height, width = placement.sides
        limits = torch.stack((width, height) * 2).float()
        boxes = ((boxes - placement.corner) / placement.scale).clamp(min=0)
        return torch.minimum(boxes, limits)

    def _detect(self, rows: Tensor) -> Detected:
        """Rows (A, 4 + C + 32) -> what is left after NMS, highest score first."""
        from torchvision.ops import nms

        scores, classes = rows[:, 4:-COEFFICIENTS].max(dim=1)
        above_threshold = (scores > self.conf).nonzero()[:, 0]
        scores = scores[above_threshold]
        classes = classes[above_threshold]
        boxes = xywh_to_xyxy(rows[above_threshold, :4])
        coefficients = rows[above_threshold, -COEFFICIENTS:]

        # One call for all classes: moved apart, boxes of different classes never meet.
        offsets = classes[:, None] * (4.0 * max(self.size))
        kept = nms(boxes + offsets, scores, self.iou)[: self.max_det]
        return Detected(boxes[kept], scores[kept], classes[kept], coefficients[kept])

    def _assemble(self, coefficients: Tensor, prototypes: Tensor, boxes: Tensor, placement: Placement) -> Tensor:
        """Masks (N, h, w) bool: as seglab.inference.masks computes them, each within the window of its box.

        boxes: (N, 4) xyxy in the image frame.
        """
        none = torch.zeros(1, COEFFICIENTS)  # onnxruntime cannot multiply nothing
        logits = torch.einsum("nk,khw->nhw", torch.cat((coefficients, none)), prototypes)  # (N + 1, H/4, W/4)
        row_weights = self._interpolation(1, prototypes.shape[1], placement)  # (h, H/4)
        column_weights = self._interpolation(0, prototypes.shape[2], placement)  # (w, W/4)
        logits = (row_weights @ logits @ column_weights.T)[:-1]  # (N, h, w)
        in_rows = self._window(1, boxes, placement)  # (N, h)
        in_columns = self._window(0, boxes, placement)  # (N, w)
        return (logits > 0) & in_rows[:, :, None] & in_columns[:, None, :]

    def _interpolation(self, axis: int, cells: int, placement: Placement) -> Tensor:
        """(pixels, cells): how much of each prototype cell each image pixel's center reads; axis 0 is x, 1 is y."""
        centers = _centers(placement.sides[1 - axis])
        in_letterbox = centers * placement.scale[axis] + placement.corner[axis]
        position = in_letterbox * (cells / self.size[1 - axis]) - 0.5
        position = position.clamp(0, cells - 1)
        distance = (position[:, None] - torch.arange(cells)).abs()
        return (1 - distance).clamp(min=0)

    def _window(self, axis: int, boxes: Tensor, placement: Placement) -> Tensor:
        """(N, pixels) bool: which columns (axis 0) or rows (axis 1) of the image a mask may have.

        Those whose centers lie in the box, less the inset at its left or top. A box at the image's border keeps its
        first pixel, since the object goes on there.
        """
        centers = _centers(placement.sides[1 - axis])
        inset = torch.minimum(boxes[:, axis], self.inset / placement.scale[axis])
        first = boxes[:, axis] + inset
        last = boxes[:, axis + 2]
        return (centers >= first[:, None]) & (centers < last[:, None])


def _centers(side: Tensor) -> Tensor:
    """The centers of so many pixels; `side` is a tensor against torch's annotations, for tracing."""
    return torch.arange(side) + 0.5  # type: ignore[call-overload]
