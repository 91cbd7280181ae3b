"""A large image at an n-th of its size, with the instances in it: what is drawn where the image cannot be held."""

from __future__ import annotations

import cv2
import numpy as np

from seglab.data.windows import Windows
from seglab.inference.instances import Boxes, Masks
from seglab.inference.masks import MaskCrop

MAX_DRAWN_SIDE = 4096  # pixels of what is drawn
BAND_ROWS = 64  # of the smaller image, for which the large one is read at a time


def factor_of(shape: tuple[int, int], max_side: int) -> int:
    """The whole number that an image of (height, width) is divided by to have at most `max_side` pixels a side."""
    return -(-max(shape) // max_side)


def smaller_image(image: np.ndarray | Windows, factor: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB, or what windows of it are read from -> (H / factor, W / factor, 3), read band by band."""
    height, width = image.shape[:2]
    bands = []
    for top in range(0, height, BAND_ROWS * factor):
        band = np.asarray(image[top : top + BAND_ROWS * factor, 0:width])
        size = (-(-width // factor), -(-len(band) // factor))
        bands.append(cv2.resize(band, size, interpolation=cv2.INTER_AREA))
    return np.concatenate(bands)


def smaller_boxes(boxes: Boxes, factor: int, size: tuple[int, int]) -> Boxes:
    """The boxes in the smaller image of (height, width) `size`."""
    rows = np.array(boxes.numpy().data)
    rows[:, :4] /= factor
    return Boxes(rows, size)


def smaller_masks(masks: Masks, factor: int, size: tuple[int, int]) -> Masks:
    """The masks in the smaller image of (height, width) `size`."""
    return Masks([smaller_crop(crop, factor) for crop in masks.crops], size)


def smaller_crop(crop: MaskCrop, factor: int) -> MaskCrop:
    """A mask in the smaller image: every n-th pixel of it, and one at least."""
    x0, y0, mask = crop
    middle = factor // 2
    rows = mask[(middle - y0) % factor :: factor]
    pixels = rows[:, (middle - x0) % factor :: factor]
    if not pixels.size:
        return x0 // factor, y0 // factor, np.ones((1, 1), dtype=bool)
    return -(-(x0 - middle) // factor), -(-(y0 - middle) // factor), pixels
