"""Sizes of images and of the network's input."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seglab.errors import SeglabError

Size = tuple[int, int]  # (height, width) in pixels
STRIDE = 32  # of the network's coarsest grid: the sides of its input are multiples of this


def as_size(size: int | Sequence[int], name: str = "imgsz") -> Size:
    """One side for both, or (height, width) -> (height, width) in pixels. name: what messages call it.

    Errors: SeglabError for anything else, and for sides below 1.
    """
    sides = (size,) if isinstance(size, int) else tuple(size)
    if len(sides) not in (1, 2) or not all(isinstance(side, int) and side > 0 for side in sides):
        raise SeglabError(f"{name} must be one side or (height, width) in pixels, not {size}")
    return sides[0], sides[-1]


def size_text(size: Size) -> str:
    """(height, width) as people write it: "640 x 480", the width first."""
    return f"{size[1]} x {size[0]}"


def round_up(side: int) -> int:
    """The next multiple of the network's stride."""
    return math.ceil(side / STRIDE) * STRIDE
