"""A decoder to copy: from an image to instance masks with an exported YOLO11-seg file, using only numpy and cv2.

It needs nothing else of seglab and gives what `YOLO("model.onnx").predict` gives. With onnxruntime:

    session = onnxruntime.InferenceSession("model.onnx")
    image = cv2.imread("photo.jpg")[..., ::-1]                                  # RGB
    images, placement = preprocess(image, (640, 640))
    predictions, prototypes = session.run(None, {"images": images})
    boxes, scores, classes, masks = decode(predictions[0], prototypes[0], placement)

The file's tensors (B images, C classes, A = H*W/64 + H*W/256 + H*W/1024 anchors, so 8400 at 640 x 640):

    images       (B, 3, H, W) float32       RGB in 0..1, letterboxed: proportions kept, centered, gray 114 around
    predictions  (B, 4 + C + 32, A) float32 a column per anchor: center x, center y, width, height in `images` pixels;
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
    """Where an image lies inside the network's input; all in pixels as (height, width) or (top, left)."""

    image: tuple[int, int]
    size: tuple[int, int]
    resized: tuple[int, int]
    corner: tuple[int, int]


class Candidates(NamedTuple):
    """Anchors that score high enough, highest score first; boxes in pixels of the network's input."""

    boxes: np.ndarray  # (K, 4) left, top, right, bottom
    scores: np.ndarray  # (K,)
    classes: np.ndarray  # (K,)
    coefficients: np.ndarray  # (K, 32)


class Decoded(NamedTuple):
    """The instances of one image, highest score first, in pixels of the image."""

    boxes: np.ndarray  # (N, 4) left, top, right, bottom
    scores: np.ndarray  # (N,)
    classes: np.ndarray  # (N,)
    masks: list[np.ndarray]  # N of (h, w) bool


def preprocess(image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, Placement]:
    """RGB (h, w, 3) uint8 -> images (1, 3, *size) float32 and where the image lies in it; size: (height, width)."""
    import cv2  # only here: what is decoded elsewhere needs numpy alone

    height, width = image.shape[:2]
    # The size that keeps proportions and fits.
    ratio = min(size[0] / height, size[1] / width)
    resized_height = max(1, min(round(height * ratio), size[0]))
    resized_width = max(1, min(round(width * ratio), size[1]))
    if (resized_height, resized_width) != (height, width):
        image = cv2.resize(image, (resized_width, resized_height), interpolation=cv2.INTER_LINEAR)

    # Centered on gray.
    top = max(0, round((size[0] - resized_height) / 2 - 0.1))
    left = max(0, round((size[1] - resized_width) / 2 - 0.1))
    letterboxed = np.full((*size, 3), 114, dtype=np.uint8)
    letterboxed[top : top + resized_height, left : left + resized_width] = image

    channels_first = letterboxed.transpose(2, 0, 1)[None]  # (1, 3, H, W)
    images = np.ascontiguousarray(channels_first, dtype=np.float32) / 255
    return images, Placement((height, width), size, (resized_height, resized_width), (top, left))


def decode(
    predictions: np.ndarray,
    prototypes: np.ndarray,
    placement: Placement,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    mask_targets: str = "soft",
) -> Decoded:
    """One image's predictions (4 + C + 32, A) and prototypes (32, H/4, W/4) -> its instances, highest score first.

    conf: min score; iou: overlap above which the lower-scoring of two boxes is dropped; max_det: max instances.
    """
    boxes, scores, classes, coefficients = candidates(predictions, conf)
    kept = suppress(boxes, scores, classes, iou)[:max_det]

    # From the letterbox to the image.
    height, width = placement.image
    top, left = placement.corner
    resized_height, resized_width = placement.resized
    scale = np.array([resized_width / width, resized_height / height] * 2, dtype=np.float32)
    corner = np.array([left, top] * 2, dtype=np.float32)
    limit = np.array([width, height] * 2, dtype=np.float32)
    boxes = np.clip((boxes[kept] - corner) / scale, 0, limit)

    masks = assemble(prototypes, coefficients[kept], boxes, placement, INSET[mask_targets])
    not_empty = [index for index, mask in enumerate(masks) if mask.any()]  # a mask without a pixel is not an instance
    return Decoded(
        boxes=boxes[not_empty],
        scores=scores[kept][not_empty],
        classes=classes[kept][not_empty],
        masks=[masks[index] for index in not_empty],
    )


def candidates(predictions: np.ndarray, conf: float) -> Candidates:
    """The anchors of predictions (4 + C + 32, A) that score above `conf`, highest score first."""
    probabilities = predictions[4:-COEFFICIENTS]  # (C, A)
    above_threshold = probabilities.max(axis=0) > conf  # (A,)
    probabilities = probabilities[:, above_threshold]  # (C, K)
    classes = probabilities.argmax(axis=0)
    scores = probabilities.max(axis=0)
    order = np.argsort(-scores, kind="stable")

    center = predictions[:2, above_threshold].T[order]  # (K, 2)
    half_size = predictions[2:4, above_threshold].T[order] / 2
    boxes = np.concatenate((center - half_size, center + half_size), axis=1)
    coefficients = predictions[-COEFFICIENTS:, above_threshold].T[order]
    return Candidates(boxes, scores[order], classes[order], coefficients)


def suppress(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float) -> np.ndarray:
    """NMS: indices of the boxes that no better box of their class overlaps by more than `iou`.

    Takes boxes sorted by score, highest first.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    left = np.arange(len(boxes))
    while len(left):
        best = left[0]
        rest = left[1:]
        kept.append(best)
        top_left = np.maximum(boxes[best, :2], boxes[rest, :2])
        bottom_right = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        intersection = np.clip(bottom_right - top_left, 0, None).prod(axis=1)
        union = areas[best] + areas[rest] - intersection
        is_duplicate = (intersection > iou * union) & (classes[rest] == classes[best])
        left = rest[~is_duplicate]
    return np.array(kept, dtype=int)


def assemble(
    prototypes: np.ndarray, coefficients: np.ndarray, boxes: np.ndarray, placement: Placement, inset: float
) -> list[np.ndarray]:
    """N masks (h, w) bool of the image; `boxes` (N, 4) in image pixels say where each may be.

    A pixel may belong to a mask when its center lies in the box, less `inset` input pixels at its left and top.
    """
    height, width = placement.image
    top, left = placement.corner
    scale_y = placement.resized[0] / height  # input pixels per image pixel
    scale_x = placement.resized[1] / width
    cells_y = prototypes.shape[1] / placement.size[0]  # prototype cells per input pixel
    cells_x = prototypes.shape[2] / placement.size[1]
    rows = interpolation(height, prototypes.shape[1], scale_y * cells_y, top * cells_y)  # (h, H/4)
    columns = interpolation(width, prototypes.shape[2], scale_x * cells_x, left * cells_x)  # (w, W/4)

    # An object at the image's border goes on there, so its first pixel stays.
    scale = np.array([scale_x, scale_y], dtype=np.float32)
    first = boxes[:, :2] + np.minimum(boxes[:, :2], inset / scale)
    windows = np.ceil(np.concatenate((first, boxes[:, 2:]), axis=1) - 0.5).astype(int)  # (N, 4)

    masks = []
    for weights, (x0, y0, x1, y1) in zip(coefficients, windows):
        logits = np.tensordot(weights, prototypes, axes=1)  # (H/4, W/4)
        mask = np.zeros((height, width), dtype=bool)
        mask[y0:y1, x0:x1] = rows[y0:y1] @ logits @ columns[x0:x1].T > 0
        masks.append(mask)
    return masks


def interpolation(pixels: int, cells: int, scale: float, offset: float) -> np.ndarray:
    """(pixels, cells) float32: how much of each prototype cell the center of each image pixel reads, bilinearly."""
    centers = np.arange(pixels) + 0.5
    position = np.clip(centers * scale + offset - 0.5, 0, cells - 1)
    distance = np.abs(position[:, None] - np.arange(cells))
    return np.clip(1 - distance, 0, None).astype(np.float32)
