"""A decoder to copy: from a photo to instance masks around an exported YOLO11-seg file, with numpy and cv2 only.

It needs nothing else of seglab and gives what `YOLO("model.onnx").predict` gives. With onnxruntime:

    session = onnxruntime.InferenceSession("model.onnx")
    image = cv2.imread("photo.jpg")[..., ::-1]                                  # RGB
    images, placement = preprocess(image, (640, 640))
    predictions, prototypes = session.run(None, {"images": images})
    boxes, scores, classes, masks = decode(predictions[0], prototypes[0], placement)

The file's tensors (B images, C classes, A = H*W/64 + H*W/256 + H*W/1024 anchors, so 8400 at 640 x 640):

    images       (B, 3, H, W) float32       RGB in 0..1, letterboxed: proportions kept, centred, grey 114 around
    predictions  (B, 4 + C + 32, A) float32 a column an anchor: centre x, centre y, width, height in pixels of `images`;
                                            C class probabilities, each on its own; 32 mask coefficients
    prototypes   (B, 32, H/4, W/4) float32  a mask is where the sum of coefficient times prototype is positive

Anchors run over strides 8, 16 and 32, each row by row. The class names are JSON in the file's metadata under "names".
Weights of other tools, and seglab's trained with mask_targets=hard, draw masks too far left and above, up to the border
of the box: give `decode` mask_targets="hard" for them. In the metadata, the JSON under "seglab" says which it is; other
tools' files have no such key.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

COEFFICIENTS = 32
INSET = {"soft": 0.0, "hard": 0.75}  # pixels of the input from a box's left and top to where its mask may begin


class Placement(NamedTuple):
    """Where a photo lies inside the network's input; all in pixels as (height, width) or (top, left)."""

    image: tuple[int, int]
    size: tuple[int, int]
    resized: tuple[int, int]
    corner: tuple[int, int]


def preprocess(image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, Placement]:
    """RGB (h, w, 3) uint8 -> images (1, 3, *size) float32 and where the photo lies in it; size: (height, width)."""
    import cv2  # only here: what is decoded elsewhere needs numpy alone

    height, width = image.shape[:2]
    ratio = min(size[0] / height, size[1] / width)
    resized = tuple(max(1, min(round(side * ratio), limit)) for side, limit in zip((height, width), size))
    top, left = (max(0, round((limit - side) / 2 - 0.1)) for side, limit in zip(resized, size))
    boxed = np.full((*size, 3), 114, dtype=np.uint8)
    if resized != (height, width):
        image = cv2.resize(image, resized[::-1], interpolation=cv2.INTER_LINEAR)
    boxed[top : top + resized[0], left : left + resized[1]] = image
    images = np.ascontiguousarray(boxed.transpose(2, 0, 1)[None], dtype=np.float32) / 255
    return images, Placement((height, width), tuple(size), resized, (top, left))


def decode(
    predictions: np.ndarray,
    prototypes: np.ndarray,
    placement: Placement,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    mask_targets: str = "soft",
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """One image's predictions (4 + C + 32, A) and prototypes (32, H/4, W/4) -> what is on the photo, best first.

    Returns boxes (N, 4) left, top, right, bottom in photo pixels, scores (N,), class ids (N,), and N masks (h, w) bool.
    """
    boxes, scores, classes, coefficients = candidates(predictions, conf)
    kept = suppress(boxes, scores, classes, iou)[:max_det]
    (height, width), (top, left) = placement.image, placement.corner
    scale = np.array([placement.resized[1] / width, placement.resized[0] / height] * 2, dtype=np.float32)
    corner = np.array([left, top] * 2, dtype=np.float32)
    limit = np.array([width, height] * 2, dtype=np.float32)
    boxes = np.clip((boxes[kept] - corner) / scale, 0, limit)
    masks = assemble(prototypes, coefficients[kept], boxes, placement, INSET[mask_targets])
    seen = [index for index, mask in enumerate(masks) if mask.any()]  # a mask without a pixel is no instance
    return boxes[seen], scores[kept][seen], classes[kept][seen], [masks[index] for index in seen]


def candidates(predictions: np.ndarray, conf: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (K, 4) xyxy in input pixels, scores, class ids, coefficients (K, 32) of the anchors above `conf`."""
    probabilities = predictions[4:-COEFFICIENTS]
    above_threshold = probabilities.max(axis=0) > conf
    classes, scores = probabilities[:, above_threshold].argmax(axis=0), probabilities[:, above_threshold].max(axis=0)
    order = np.argsort(-scores, kind="stable")
    centre, half = predictions[:2, above_threshold].T[order], predictions[2:4, above_threshold].T[order] / 2
    boxes = np.concatenate((centre - half, centre + half), axis=1)
    return boxes, scores[order], classes[order], predictions[-COEFFICIENTS:, above_threshold].T[order]


def suppress(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float) -> np.ndarray:
    """Indices of the boxes that no better box of their class overlaps by more than `iou`; sorted by score already."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept, left = [], np.arange(len(boxes))
    while len(left):
        best, rest = left[0], left[1:]
        top_left = np.maximum(boxes[best, :2], boxes[rest, :2])
        bottom_right = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        overlap = np.clip(bottom_right - top_left, 0, None).prod(axis=1)
        same = overlap > iou * (areas[best] + areas[rest] - overlap)
        kept.append(best)
        left = rest[~(same & (classes[rest] == classes[best]))]
    return np.array(kept, dtype=int)


def assemble(
    prototypes: np.ndarray, coefficients: np.ndarray, boxes: np.ndarray, placement: Placement, inset: float
) -> list[np.ndarray]:
    """N masks (h, w) bool of the photo; `boxes` (N, 4) in photo pixels say where each may be.

    A pixel may belong to a mask when its centre lies in the box, less `inset` input pixels at its left and top.
    """
    (height, width), (top, left) = placement.image, placement.corner
    cells = prototypes.shape[1] / placement.size[0], prototypes.shape[2] / placement.size[1]  # of one input pixel
    rows = interpolation(height, prototypes.shape[1], placement.resized[0] / height * cells[0], top * cells[0])
    columns = interpolation(width, prototypes.shape[2], placement.resized[1] / width * cells[1], left * cells[1])
    scale = np.array([placement.resized[1] / width, placement.resized[0] / height], dtype=np.float32)
    first = boxes[:, :2] + np.minimum(boxes[:, :2], inset / scale)  # an object at the photo's border goes on there
    windows = np.ceil(np.concatenate((first, boxes[:, 2:]), axis=1) - 0.5).astype(int)
    masks = []
    for weights, (x0, y0, x1, y1) in zip(coefficients, windows):
        mask = np.zeros((height, width), dtype=bool)
        logits = np.tensordot(weights, prototypes, axes=1)  # (H/4, W/4)
        mask[y0:y1, x0:x1] = rows[y0:y1] @ logits @ columns[x0:x1].T > 0
        masks.append(mask)
    return masks


def interpolation(pixels: int, cells: int, scale: float, offset: float) -> np.ndarray:
    """(pixels, cells) float32: how much of each prototype cell the centre of each photo pixel reads, bilinearly."""
    position = np.clip((np.arange(pixels) + 0.5) * scale + offset - 0.5, 0, cells - 1)
    return np.clip(1 - np.abs(position[:, None] - np.arange(cells)), 0, None).astype(np.float32)
