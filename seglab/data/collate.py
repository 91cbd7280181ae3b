"""Dataset items to one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def collate(items: Sequence[dict]) -> dict:
    """Items of `SegmentationDataset` -> one batch.

    images (B, 3, H, W) uint8 RGB, channels last in memory; classes (N,) int64; boxes (N, 4) float32 xyxy in letterbox
    pixels; image_index (N,) int64, which image an object is on; masks (N, h, w) float16 in 0..1; samples: B dicts of
    index, path, image_id, letterbox, source.
    """
    images = torch.from_numpy(np.stack([item["image"] for item in items]))  # (B, H, W, 3)
    counts = torch.tensor([len(item["classes"]) for item in items])
    return {
        "images": images.permute(0, 3, 1, 2),
        "classes": torch.from_numpy(np.concatenate([item["classes"] for item in items])),
        "boxes": torch.from_numpy(np.concatenate([item["boxes"] for item in items])),
        "image_index": torch.repeat_interleave(torch.arange(len(items)), counts),
        "masks": torch.from_numpy(np.concatenate([item["masks"] for item in items])),
        "samples": [item["sample"] for item in items],
    }
