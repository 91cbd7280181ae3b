"""Small functions on boxes, coordinates and masks that scripts import from `utils.ops`; tensors or numpy arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import cv2
import numpy as np
import torch

from seglab.geometry.letterbox import letterbox
from seglab.geometry.outline import mask_to_outline
from seglab.inference.nms import suppress

Rows = TypeVar("Rows", torch.Tensor, np.ndarray)  # (..., 4)


def _joined(parts: Sequence[Any]) -> Any:
    """Columns (...,) side by side -> (..., n)."""
    return torch.stack(list(parts), dim=-1) if isinstance(parts[0], torch.Tensor) else np.stack(parts, axis=-1)


def xyxy2xywh(x: Rows) -> Rows:
    """left, top, right, bottom -> center x, center y, width, height."""
    left, top, right, bottom = (x[..., column] for column in range(4))
    return _joined([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])


def xywh2xyxy(x: Rows) -> Rows:
    """center x, center y, width, height -> left, top, right, bottom."""
    center_x, center_y, width, height = (x[..., column] for column in range(4))
    return _joined([center_x - width / 2, center_y - height / 2, center_x + width / 2, center_y + height / 2])


def xywhn2xyxy(x: Rows, w: int = 640, h: int = 640, padw: int = 0, padh: int = 0) -> Rows:
    """Fractions of an image of w x h -> left, top, right, bottom in pixels, moved by (padw, padh)."""
    corners = xywh2xyxy(x)
    left, top, right, bottom = (corners[..., column] for column in range(4))
    return _joined([left * w + padw, top * h + padh, right * w + padw, bottom * h + padh])


def xyxy2xywhn(x: Rows, w: int = 640, h: int = 640, clip: bool = False, eps: float = 0.0) -> Rows:
    """left, top, right, bottom in pixels -> center x, center y, width, height as fractions of w and h."""
    rows = clip_boxes(x, (h - eps, w - eps)) if clip else x
    center_x, center_y, width, height = (xyxy2xywh(rows)[..., column] for column in range(4))
    return _joined([center_x / w, center_y / h, width / w, height / h])


def xywh2ltwh(x: Rows) -> Rows:
    """center x, center y, width, height -> left, top, width, height."""
    center_x, center_y, width, height = (x[..., column] for column in range(4))
    return _joined([center_x - width / 2, center_y - height / 2, width, height])


def ltwh2xywh(x: Rows) -> Rows:
    """left, top, width, height -> center x, center y, width, height."""
    left, top, width, height = (x[..., column] for column in range(4))
    return _joined([left + width / 2, top + height / 2, width, height])


def xyxy2ltwh(x: Rows) -> Rows:
    """left, top, right, bottom -> left, top, width, height."""
    left, top, right, bottom = (x[..., column] for column in range(4))
    return _joined([left, top, right - left, bottom - top])


def ltwh2xyxy(x: Rows) -> Rows:
    """left, top, width, height -> left, top, right, bottom."""
    left, top, width, height = (x[..., column] for column in range(4))
    return _joined([left, top, left + width, top + height])


def clip_boxes(boxes: Rows, shape: Sequence[float]) -> Rows:
    """left, top, right, bottom within an image of (height, width)."""
    left, top, right, bottom = (boxes[..., column] for column in range(4))
    height, width = shape[0], shape[1]
    return _joined([left.clip(0, width), top.clip(0, height), right.clip(0, width), bottom.clip(0, height)])


def clip_coords(coords: Rows, shape: Sequence[float]) -> Rows:
    """(..., 2) xy within an image of (height, width)."""
    return _joined([coords[..., 0].clip(0, shape[1]), coords[..., 1].clip(0, shape[0])])


class LetterBox:
    """Images resized to a size without a change of shape, and padded in gray: `LetterBox((640, 640))(image=image)`."""

    def __init__(
        self,
        new_shape: int | Sequence[int] = (640, 640),
        auto: bool = False,
        scale_fill: bool = False,
        scaleup: bool = True,
        center: bool = True,
        stride: int = 32,
        padding_value: int = 114,
        interpolation: int = cv2.INTER_LINEAR,
    ):
        """new_shape: (height, width), or one side of a square; auto: pad no further than to a multiple of `stride`.

        scale_fill: stretch to the size instead of padding; scaleup=False: do not enlarge; center=False: the image in
        the corner at the top left.
        """
        self.new_shape = (new_shape, new_shape) if isinstance(new_shape, int) else (new_shape[0], new_shape[1])
        self.auto = auto
        self.scale_fill = scale_fill
        self.scaleup = scaleup
        self.center = center
        self.stride = stride
        self.padding_value = padding_value
        self.interpolation = interpolation

    def __call__(self, labels: Any = None, image: np.ndarray | None = None) -> Any:
        """(H, W) or (H, W, C) -> the same of the new size; labels={"img": image} gives a mapping with "img"."""
        source = labels["img"] if image is None else image
        height, width = source.shape[:2]
        high, wide = self.new_shape
        ratio = min(high / height, wide / width)
        if not self.scaleup:
            ratio = min(ratio, 1.0)
        inner = (round(height * ratio), round(width * ratio))
        rest = (high - inner[0], wide - inner[1])
        if self.auto:
            rest = (rest[0] % self.stride, rest[1] % self.stride)
        elif self.scale_fill:
            inner, rest = (high, wide), (0, 0)
        resized = source
        if inner != (height, width):
            resized = cv2.resize(source, (inner[1], inner[0]), interpolation=self.interpolation)
        # Half of an odd rest is rounded down before the image, up behind it.
        top, left = (round(gap / 2 - 0.1) if self.center else 0 for gap in rest)
        padding = [(top, rest[0] - top), (left, rest[1] - left)]
        padding += [(0, 0)] * (resized.ndim - 2)
        padded = np.pad(resized, padding, constant_values=self.padding_value)
        if image is None:
            return {**labels, "img": padded, "resized_shape": self.new_shape}
        return padded


def scale_boxes(img1_shape: Sequence[int], boxes: Any, img0_shape: Sequence[int], *_: Any, **__: Any) -> Any:
    """(N, 4) boxes in the letterbox of (height, width) img1_shape -> the same in the image of img0_shape."""
    box = letterbox((img0_shape[0], img0_shape[1]), (img1_shape[0], img1_shape[1]))
    return box.boxes_to_image(boxes)


def scale_coords(
    img1_shape: Sequence[int], coords: Any, img0_shape: Sequence[int], ratio_pad: Any = None, normalize: bool = False
) -> Any:
    """(..., 2) xy in the letterbox of (height, width) img1_shape -> the image of img0_shape, clipped.

    normalize: as fractions of the image's width and height.
    """
    box = letterbox((img0_shape[0], img0_shape[1]), (img1_shape[0], img1_shape[1]))
    points = clip_coords(box.points_to_image(coords), img0_shape)
    if normalize:
        return _joined([points[..., 0] / img0_shape[1], points[..., 1] / img0_shape[0]])
    return points


def scale_masks(masks: torch.Tensor, shape: Sequence[int], *_: Any, **__: Any) -> torch.Tensor:
    """(B, C, h, w) masks of a letterboxed image -> (B, C, height, width) of the image of `shape`, bilinear."""
    box = letterbox((shape[0], shape[1]), (masks.shape[2], masks.shape[3]))
    top, left = box.pad
    inside = masks[..., top : top + box.resized[0], left : left + box.resized[1]].float()
    size = (shape[0], shape[1])
    return torch.nn.functional.interpolate(inside, size, mode="bilinear", align_corners=False)


def scale_image(masks: np.ndarray, im0_shape: Sequence[int], *_: Any, **__: Any) -> np.ndarray:
    """An image or masks (h, w) or (h, w, C) in the letterbox -> the same of (height, width) im0_shape, bilinear."""
    box = letterbox((im0_shape[0], im0_shape[1]), (masks.shape[0], masks.shape[1]))
    top, left = box.pad
    inside = masks[top : top + box.resized[0], left : left + box.resized[1]]
    scaled = cv2.resize(inside, (im0_shape[1], im0_shape[0]))
    return scaled if scaled.ndim == masks.ndim else scaled[..., None]


def masks2segments(masks: Any, strategy: str = "all") -> list[np.ndarray]:
    """(N, H, W) masks -> N outlines (n, 2) float32 xy, each of which cv2.fillPoly turns back into its whole mask."""
    arrays = masks.cpu().numpy() if isinstance(masks, torch.Tensor) else np.asarray(masks)
    return [mask_to_outline(mask > 0.5).astype(np.float32) for mask in arrays]


def segments2boxes(segments: Sequence[np.ndarray]) -> np.ndarray:
    """N outlines (n, 2) xy -> (N, 4) center x, center y, width, height of their boxes."""
    corners = [np.concatenate((segment.min(axis=0), segment.max(axis=0))) for segment in segments]
    return xyxy2xywh(np.array(corners).reshape(-1, 4))


def segment2box(segment: np.ndarray, width: int = 640, height: int = 640) -> np.ndarray:
    """An outline (n, 2) xy -> its box (4,) xyxy within an image of width x height; zeros where it lies outside."""
    points = np.asarray(segment, np.float32).reshape(-1, 2)
    inside = (points >= 0).all(axis=1) & (points <= (width, height)).all(axis=1)
    if not inside.any():
        return np.zeros(4, np.float32)
    kept = points[inside]
    return np.concatenate((kept.min(axis=0), kept.max(axis=0)))


def resample_segments(segments: Sequence[np.ndarray], n: int = 1000) -> list[np.ndarray]:
    """Outlines (k, 2) xy -> as many (n, 2) float32, their points evenly spaced along the vertices."""
    resampled = []
    for segment in segments:
        closed = np.concatenate((segment, segment[:1]))
        wanted = np.linspace(0, len(closed) - 1, n)
        columns = [np.interp(wanted, np.arange(len(closed)), closed[:, axis]) for axis in (0, 1)]
        resampled.append(np.stack(columns, axis=1).astype(np.float32))
    return resampled


def crop_mask(masks: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """(N, H, W) masks -> the same, empty outside the boxes (N, 4) xyxy in pixels of the masks."""
    _, height, width = masks.shape
    left, top, right, bottom = (column[:, None, None] for column in boxes.T)  # (N, 1, 1)
    x = torch.arange(width, device=masks.device)[None, None]  # (1, 1, W)
    y = torch.arange(height, device=masks.device)[None, :, None]  # (1, H, 1)
    return masks * ((x >= left) & (x < right) & (y >= top) & (y < bottom))


def process_mask(
    protos: torch.Tensor, masks_in: torch.Tensor, bboxes: torch.Tensor, shape: Sequence[int], upsample: bool = False
) -> torch.Tensor:
    """Prototypes (C, h, w) and N coefficients (N, C) -> (N, h, w) uint8 masks, empty outside their boxes.

    bboxes: (N, 4) xyxy in the letterbox of (height, width) `shape`; upsample: masks of that size.
    """
    sums = _sums(protos, masks_in)
    cells_high, cells_wide = protos.shape[1:]
    if upsample:
        sums = torch.nn.functional.interpolate(sums[None], (shape[0], shape[1]), mode="bilinear")[0]
    else:
        bboxes = bboxes * bboxes.new_tensor((cells_wide / shape[1], cells_high / shape[0])).repeat(2)
    sums = crop_mask(sums, bboxes)
    return (sums > 0).byte()


def process_mask_native(
    protos: torch.Tensor, masks_in: torch.Tensor, bboxes: torch.Tensor, shape: Sequence[int]
) -> torch.Tensor:
    """Prototypes (C, h, w) of a letterboxed image and N coefficients (N, C) -> (N, height, width) uint8 masks.

    bboxes: (N, 4) xyxy in the image; shape: its (height, width).
    """
    scaled = scale_masks(_sums(protos, masks_in)[None], shape)[0]
    return (crop_mask(scaled, bboxes) > 0).byte()


def _sums(protos: torch.Tensor, masks_in: torch.Tensor) -> torch.Tensor:
    """Prototypes (C, h, w), weighted by N coefficients (N, C) -> (N, h, w)."""
    return torch.einsum("nc,chw->nhw", masks_in.float(), protos.float())


def non_max_suppression(
    prediction: Any,
    conf_thres: float = 0.25,
    iou_thres: float = 0.45,
    classes: Sequence[int] | None = None,
    agnostic: bool = False,
    multi_label: bool = False,
    labels: Any = (),
    max_det: int = 300,
    nc: int = 0,
    **_: Any,
) -> list[torch.Tensor]:
    """What a network gives, (B, 4 + nc + C, A) or a tuple that begins with it -> for each image (n, 6 + C).

    Rows are left, top, right, bottom in the letterbox, score, class, coefficients. nc: how many classes there are,
    0 for all values behind the box.
    """
    dense = prediction[0] if isinstance(prediction, (tuple, list)) else prediction
    coefficients = dense.shape[1] - 4 - (nc or dense.shape[1] - 4)
    found = suppress(dense, conf_thres, iou_thres, max_det, classes, agnostic, multi_label, coefficients)
    return [
        torch.cat((one.boxes, one.scores[:, None], one.classes[:, None].to(one.boxes), one.coefficients), dim=1)
        for one in found
    ]


def empty_like(x: Any) -> Any:
    """An array or tensor of the same shape, in float32."""
    return torch.empty_like(x, dtype=torch.float32) if isinstance(x, torch.Tensor) else np.empty_like(x, np.float32)


def bbox_iou(
    box1: torch.Tensor,
    box2: torch.Tensor,
    xywh: bool = True,
    GIoU: bool = False,
    DIoU: bool = False,
    CIoU: bool = False,
    eps: float = 1e-7,
) -> torch.Tensor:
    """IoU of pairs of boxes (..., 4), or of one with many, as (..., 1).

    xywh: centers and sizes, else corners. GIoU (arXiv 1902.09630), DIoU and CIoU (arXiv 1911.08287) subtract what the
    boxes lie apart.
    """
    first, second = (xywh2xyxy(box1), xywh2xyxy(box2)) if xywh else (box1, box2)
    left1, top1, right1, bottom1 = first.chunk(4, dim=-1)  # (..., 1) each
    left2, top2, right2, bottom2 = second.chunk(4, dim=-1)
    width1, height1 = right1 - left1, bottom1 - top1 + eps
    width2, height2 = right2 - left2, bottom2 - top2 + eps
    shared_width = (right1.minimum(right2) - left1.maximum(left2)).clamp(min=0)
    shared = shared_width * (bottom1.minimum(bottom2) - top1.maximum(top2)).clamp(min=0)
    union = width1 * height1 + width2 * height2 - shared + eps
    iou = shared / union
    if not (GIoU or DIoU or CIoU):
        return iou
    hull_width = right1.maximum(right2) - left1.minimum(left2)
    hull_height = bottom1.maximum(bottom2) - top1.minimum(top2)
    if GIoU:
        hull = hull_width * hull_height + eps
        return iou - (hull - union) / hull
    diagonal = hull_width**2 + hull_height**2 + eps
    apart_x = left2 + right2 - left1 - right1  # twice the distance of the centers
    apart_y = top2 + bottom2 - top1 - bottom1
    distance = (apart_x**2 + apart_y**2) / 4 / diagonal
    if DIoU:
        return iou - distance
    shape = 4 / math.pi**2 * ((width2 / height2).atan() - (width1 / height1).atan()) ** 2
    with torch.no_grad():
        weight = shape / (shape - iou + (1 + eps))
    return iou - distance - shape * weight


def mask_iou(mask1: torch.Tensor, mask2: torch.Tensor, eps: float = 1e-7) -> torch.Tensor:
    """(N, pixels) and (M, pixels) masks of 0 and 1 -> (N, M) intersection over union."""
    shared = mask1.float() @ mask2.float().T  # (N, M)
    union = mask1.sum(dim=1)[:, None] + mask2.sum(dim=1)[None] - shared
    return shared / (union + eps)
