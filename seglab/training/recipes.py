"""Settings that belong together: what suits a few images, what ultralytics does, and what suits a fine-tuning.

`choose` is what recipe="auto" does: it looks at what the weights know, at the classes and the number of images, and says
what it chose and why. docs/LOG.md and docs/decisions/0015 have the measurements behind each choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

AUTO = "auto"

# Four photographs are four steps an epoch at most: the usual settings spend a hundred epochs warming up the average
# and the mosaic never shows a picture whole. These overfit few images, from scratch, on a CPU: many short
# epochs that change each picture little. Mosaics in the first of them cut large objects, so that a small one in the
# middle of a large one wins cells of its own, which it may else never do. docs/LOG.md compares them with others.
RECIPES: dict[str, dict[str, Any]] = {
    "ultralytics": {"mask_targets": "hard"},  # everything else is their default as it is
    "small": {
        "optimizer": "AdamW",
        "lr0": 1.5e-3,
        "cos_lr": True,
        "epochs": 450,
        "batch": 2,
        "imgsz": 320,
        "nbs": 2,
        "warmup_bias_lr": 0.0,
        "mosaic": 0.5,
        "close_mosaic": 250,
        "fliplr": 0.0,
        "translate": 0.05,
        "scale": 0.05,
        "hsv_h": 0.005,
        "hsv_s": 0.1,
        "hsv_v": 0.1,
        "mask_ratio": 2,
        "amp": "bf16",
        "val": False,
    },
}


@dataclass(frozen=True)
class Start:
    """Where a training starts: how many of the dataset's classes the weights know, how many are new to them."""

    known: int = 0
    new: int = 0
    scratch: bool = True  # the weights are drawn at random
