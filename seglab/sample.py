"""What is known of one image: its pixels and the objects on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

SIZES = ("small", "medium", "large")  # COCO's: areas below 32 x 32 and 96 x 96 pixels


@dataclass
class Instance:
    """One instance in the image frame.

    rings: (n, 2) float64 xy vertices in pixels; positive shoelace area is solid, negative is a hole.
    crowd: an unseparated group, which evaluation ignores. rle: the exact mask where the source gave one as COCO RLE.
    """

    class_id: int
    rings: list[np.ndarray]
    crowd: bool = False
    rle: dict | None = None


@dataclass
class Sample:
    """One image. image: (H, W, 3) uint8 RGB; objects: in the frame of `image`; path: where it came from."""

    image: np.ndarray
    instances: list[Instance] = field(default_factory=list)
    path: str = ""


def with_class_ids(instances: Iterable[Instance], ids: Mapping[int, int]) -> list[Instance]:
    """The objects under other class ids. ids: class id as it is -> as it is to be."""
    return [replace(found, class_id=ids[found.class_id]) for found in instances]


def size_class(area: float) -> int:
    """The place in SIZES of an area in square pixels."""
    return sum((area >= 32**2, area >= 96**2))
