"""What is known about one image: its pixels and the instances in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

SIZES = ("small", "medium", "large")  # COCO's: areas below 32 x 32 and 96 x 96 pixels


@dataclass
class Instance:
    """One instance, in the image frame.

    rings: (n, 2) float64 xy vertices in pixels; positive shoelace area is solid, negative is a hole.
    crowd: a group that is not separated into instances; evaluation ignores it. rle: the exact mask, where the source
    gave one as COCO RLE.
    """

    class_id: int
    rings: list[np.ndarray]
    crowd: bool = False
    rle: dict[str, Any] | None = None


@dataclass
class Sample:
    """One image. image: (H, W, 3) uint8 RGB; instances: in the frame of `image`; path: where it came from."""

    image: np.ndarray
    instances: list[Instance] = field(default_factory=list)
    path: str = ""


def with_class_ids(instances: Iterable[Instance], ids: Mapping[int, int]) -> list[Instance]:
    """The instances under other class ids. ids: present class id -> new class id."""
    return [replace(instance, class_id=ids[instance.class_id]) for instance in instances]


def size_class(area: float) -> int:
    """Index into SIZES of an area in square pixels."""
    is_medium = area >= 32**2
    is_large = area >= 96**2
    return int(is_medium) + int(is_large)
