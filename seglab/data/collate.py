"""What the data loader carries: items of a dataset, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from seglab.geometry.letterbox import Letterbox
from seglab.sample import Instance

IGNORE_CELL = 4  # pixels a side of a cell of the map of ignored regions: centers of anchor points lie at its corners


class ItemInfo(TypedDict):
    """Where an item comes from. letterbox and source are None for augmented items."""

    index: int  # in the dataset
    path: str
    image_id: int | str  # COCO's, or the name of the image file
    letterbox: Letterbox | None  # where the image lies in the item
    source: list[Instance] | None  # all instances in the image frame, crowds included


class Item(TypedDict):
    """One image as the network takes it, with the targets it is trained on; N instances, crowds left out.

    Boxes and masks are in the letterbox frame. Masks have a cell for every mask_ratio x mask_ratio pixels, or no cell
    at all, shape (N, 0, 0), in a dataset without mask targets.
    """

    image: np.ndarray  # (H, W, 3) uint8 RGB
    classes: np.ndarray  # (N,) int64
    boxes: np.ndarray  # (N, 4) float32 xyxy in pixels
    masks: np.ndarray  # (N, h, w) float16 in 0..1
    ignored: np.ndarray  # (H / IGNORE_CELL, W / IGNORE_CELL) bool, where nothing is known to be background
    sample: ItemInfo


class Batch(TypedDict):
    """Items of one size, their instances in one row: N of all B images."""

    images: Tensor  # (B, 3, H, W) uint8 RGB, channels last in memory
    classes: Tensor  # (N,) int64
    boxes: Tensor  # (N, 4) float32 xyxy in letterbox pixels
    image_index: Tensor  # (N,) int64, which image of the batch an instance is on
    masks: Tensor  # (N, h, w) float16 in 0..1
    ignored: Tensor  # (B, H / IGNORE_CELL, W / IGNORE_CELL) bool
    samples: list[ItemInfo]  # B


def collate(items: Sequence[Item]) -> Batch:
    """Items of `SegmentationDataset` -> one batch. Errors: ValueError when their images differ in size."""
    images = torch.from_numpy(np.stack([item["image"] for item in items]))  # (B, H, W, 3)
    counts = torch.tensor([len(item["classes"]) for item in items])  # (B,)
    return {
        "images": images.permute(0, 3, 1, 2),
        "classes": torch.from_numpy(np.concatenate([item["classes"] for item in items])),
        "boxes": torch.from_numpy(np.concatenate([item["boxes"] for item in items])),
        "image_index": torch.repeat_interleave(torch.arange(len(items)), counts),
        "masks": torch.from_numpy(np.concatenate([item["masks"] for item in items])),
        "ignored": torch.from_numpy(np.stack([item["ignored"] for item in items])),
        "samples": [item["sample"] for item in items],
    }
