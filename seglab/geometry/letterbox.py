"""The letterbox: one affine map between an image's own pixels and the network's input.

        image frame                          letterbox frame
                                       +---------------------+ ^
    (0,0)+------------------+          |  gray, pad top      | |
         |                  |          +---------------------+ |
         |      image       |  ---->   |  image, scaled to   | | size
         |                  |          |  `resized`          | |
         +------------------+(w,h)     +---------------------+ |
                                       |  gray               | |
                                       +---------------------+ v

Training, validation, prediction, the parity check of every export and the numpy decoder use this map, which is what
makes their numbers equal. (An exported file that takes images of any size carries the same map written in its own
operations; the numpy decoder, which imports nothing but numpy, its own copy. Tests hold both to this one.)
Coordinates are continuous (a pixel's center lies at .5), so points and pixels agree exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch

from seglab.sizes import STRIDE, Size

Points = TypeVar("Points", np.ndarray, torch.Tensor)
PADDING_GRAY = 114  # the value YOLO networks have been trained with around their images


@dataclass(frozen=True)
class Letterbox:
    """Where an image lies inside the network's input. All sizes are (height, width) in pixels.

    image_size: the image; size: the letterboxed input; resized: the image's size inside it; pad: (top, left) border.
    """

    image_size: Size
    size: Size
    resized: Size
    pad: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """(x, y) letterbox pixels per image pixel; the two differ by the rounding of `resized` only."""
        return self.resized[1] / self.image_size[1], self.resized[0] / self.image_size[0]

    def apply(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 image frame -> (h, w, 3) uint8 letterbox frame, bilinear, gray around it."""
        if image.shape[:2] != self.image_size:
            raise ValueError(
                f"this letterbox is for images of {self.image_size}, not {image.shape[:2]} (height, width)"
            )
        if self.resized != self.image_size:
            image = cv2.resize(image, self.resized[::-1], interpolation=cv2.INTER_LINEAR)
        if self.resized == self.size:
            return image
        top, left = self.pad
        boxed = np.full((*self.size, 3), PADDING_GRAY, dtype=np.uint8)
        boxed[top : top + self.resized[0], left : left + self.resized[1]] = image
        return boxed

    def points_to_letterbox(self, points: Points) -> Points:
        """(..., 2) xy in the image frame -> (..., 2) xy in the letterbox frame."""
        scale, offset = self._scale_and_offset(points)
        return points * scale + offset

    def points_to_image(self, points: Points) -> Points:
        """(..., 2) xy in the letterbox frame -> (..., 2) xy in the image frame, not clipped."""
        scale, offset = self._scale_and_offset(points)
        return (points - offset) / scale

    def boxes_to_image(self, boxes: Points) -> Points:
        """(N, 4) xyxy in the letterbox frame -> (N, 4) xyxy in the image frame, clipped to the image."""
        height, width = self.image_size
        corners = self.points_to_image(boxes.reshape(-1, 2, 2))
        if isinstance(boxes, torch.Tensor):
            limit = torch.tensor([width, height], dtype=boxes.dtype, device=boxes.device)
            corners = torch.minimum(corners.clamp(min=0), limit)
        else:
            corners = np.clip(corners, 0, np.array([width, height], dtype=boxes.dtype))
        return corners.reshape(-1, 4)

    def _scale_and_offset(self, like: Points) -> tuple[Points, Points]:
        scale, offset = self.scale, (self.pad[1], self.pad[0])
        if isinstance(like, torch.Tensor):
            return like.new_tensor(scale), like.new_tensor(offset)
        return np.array(scale, dtype=like.dtype), np.array(offset, dtype=like.dtype)


def letterbox(image_size: Size, size: Size) -> Letterbox:
    """Fit an image into `size` with the same scale both ways, centered between equal borders.

    Errors: ValueError where a side has no pixel.
    """
    if min(*image_size, *size) < 1:
        raise ValueError(f"cannot letterbox an image of {image_size} into {size}: every side must be at least 1 pixel")
    return _fit(image_size, size, min(size[0] / image_size[0], size[1] / image_size[1]))


def smallest_letterbox(image_size: Size, longest: int, stride: int = STRIDE) -> Letterbox:
    """The least padding: long side `longest`, the short side rounded up to a multiple of `stride`, as predict uses."""
    ratio = longest / max(image_size)
    height, width = (-(-max(1, round(side * ratio)) // stride) * stride for side in image_size)
    return _fit(image_size, (height, width), ratio)


def loader_letterbox(image_size: Size, limit: Size, size: Size | None = None) -> Letterbox:
    """What training and validation on a dataset use: fit into `limit`, sides rounded up, centered in `size`.

    size: the common size of a batch; None leaves the image without a border. Data loaders of YOLO tools round up where
    prediction rounds to the nearest pixel; with another rounding their values would not be reached to the digit.
    """
    ratio = min(limit[0] / image_size[0], limit[1] / image_size[1])
    height = min(math.ceil(image_size[0] * ratio), limit[0])
    width = min(math.ceil(image_size[1] * ratio), limit[1])
    return _center(image_size, size or (height, width), (height, width))


def _fit(image_size: Size, size: Size, ratio: float) -> Letterbox:
    height, width = (max(1, min(round(side * ratio), limit)) for side, limit in zip(image_size, size))
    return _center(image_size, size, (height, width))


def _center(image_size: Size, size: Size, resized: Size) -> Letterbox:
    # An odd border leaves its extra pixel at the bottom and right: the small bias decides the tie so.
    top, left = (max(0, round((outer - inner) / 2 - 0.1)) for inner, outer in zip(resized, size))
    return Letterbox((image_size[0], image_size[1]), size, resized, (top, left))
