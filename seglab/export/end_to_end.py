"""End to end: letterbox, network, suppression and masks in one graph. A photo goes in, what is on it comes out.

The letterbox is this library's but for cv2's rounded resize weights: a pixel may differ by one grey level of 255.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglab.export.inference_model import InferenceModel
from seglab.geometry.boxes import xywh_to_xyxy
from seglab.geometry.letterbox import PADDING_GREY
from seglab.inference.masks import INSET
from seglab.model.head import COEFFICIENTS


class EndToEnd(nn.Module):
    """image (h, w, 3) uint8 RGB of any size -> boxes (N, 4) xyxy in its pixels, scores (N,), classes (N,) int64, masks.

    masks (N, h, w) bool are left out when `masks` is False; they take N * h * w * 4 bytes while they are made. Last
    come the letterboxed network's own predictions and prototypes, so that such a file also serves where others do.

    size: (height, width) of the letterbox; conf: lowest score; iou: overlap above which the poorer of two boxes of one
    class goes; max_det: most detections; mask_targets: soft or hard, what the weights were trained with. All of it is
    fixed in the graph.
    """

    def __init__(
        self,
        deployed: InferenceModel,
        size: tuple[int, int],
        conf: float,
        iou: float,
        max_det: int,
        masks: bool,
        mask_targets: str,
    ):
        super().__init__()
        self.inset = INSET[mask_targets]  # pixels of the letterbox
        self.deployed, self.size, self.masks = deployed, size, masks
        self.conf, self.iou, self.max_det = conf, iou, max_det
        import torchvision.ops  # noqa: F401  its first import must not happen while a trace runs

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        sides = [torch.as_tensor(side) for side in image.shape[:2]]  # tensors, so that tracing sees the arithmetic
        ratio = torch.minimum(self.size[0] / sides[0].double(), self.size[1] / sides[1].double())
        limits = [torch.tensor(side) for side in self.size]
        resized = [(side * ratio).round().long().clamp(min=1) for side in sides]
        resized = [torch.minimum(side, limit) for side, limit in zip(resized, limits)]
        before = [((limit - side) / 2 - 0.1).round().long().clamp(min=0) for limit, side in zip(limits, resized)]
        after = [limit - side - first for limit, side, first in zip(limits, resized, before)]

        images = image.permute(2, 0, 1)[None].float()
        images = F.interpolate(images, size=resized, mode="bilinear")  # (1, 3, *resized)
        images = (images + 0.5).floor()  # halves go up, as in cv2: exact where a photo is halved
        images = F.pad(images, (before[1], after[1], before[0], after[0]), value=PADDING_GREY) / 255
        predictions, prototypes = self.deployed(images)

        boxes, scores, classes, coefficients = self._detect(predictions[0].T)
        corner = torch.stack((before[1], before[0]) * 2).float()
        scale = torch.stack((resized[1] / sides[1], resized[0] / sides[0]) * 2).float()
        boxes = ((boxes - corner) / scale).clamp(min=0)
        boxes = torch.minimum(boxes, torch.stack((sides[1], sides[0]) * 2).float())
        found = [boxes, scores, classes]
        if self.masks:
            masks = self._assemble(coefficients, prototypes[0], boxes, sides, scale, corner)
            seen = masks.float().amax(dim=(1, 2)).nonzero()[:, 0]  # a mask without a pixel is no instance
            found = [field[seen] for field in (*found, masks)]
        return *found, predictions, prototypes

    def _detect(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows (A, 4 + C + 32) -> boxes xyxy, scores, classes and coefficients of what stays, best first."""
        from torchvision.ops import nms

        scores, classes = rows[:, 4:-COEFFICIENTS].max(dim=1)
        above_threshold = (scores > self.conf).nonzero()[:, 0]
        boxes, scores, classes = (
            xywh_to_xyxy(rows[above_threshold, :4]),
            scores[above_threshold],
            classes[above_threshold],
        )
        apart = classes[:, None] * (4.0 * max(self.size))  # boxes of different classes never meet
        kept = nms(boxes + apart, scores, self.iou)[: self.max_det]
        return boxes[kept], scores[kept], classes[kept], rows[above_threshold, -COEFFICIENTS:][kept]

    def _assemble(
        self,
        coefficients: Tensor,
        prototypes: Tensor,
        boxes: Tensor,
        sides: list[Tensor],
        scale: Tensor,
        corner: Tensor,
    ) -> Tensor:
        """Masks (N, h, w) bool: as seglab.inference.masks computes them, each within the window of its box."""
        coefficients = torch.cat((coefficients, torch.zeros(1, COEFFICIENTS)))  # onnxruntime cannot multiply nothing
        logits = torch.einsum("nk,khw->nhw", coefficients, prototypes)  # (N + 1, H/4, W/4)
        inside, readers = [], []
        for axis, side in ((1, sides[0]), (0, sides[1])):
            centres = torch.arange(side) + 0.5
            cells = prototypes.shape[2 - axis]
            position = (centres * scale[axis] + corner[axis]) * (cells / self.size[1 - axis]) - 0.5
            position = position.clamp(0, cells - 1)
            readers.append((1 - (position[:, None] - torch.arange(cells)).abs()).clamp(min=0))  # (pixels, cells)
            first = boxes[:, axis] + torch.minimum(boxes[:, axis], self.inset / scale[axis])
            inside.append((centres >= first[:, None]) & (centres < boxes[:, axis + 2, None]))  # (N, pixels)
        logits = (readers[0] @ logits @ readers[1].T)[:-1]  # (N, h, w)
        return (logits > 0) & inside[0][:, :, None] & inside[1][:, None, :]
