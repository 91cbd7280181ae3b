"""A video of toys that move across a table, with the box of every toy in every frame: made, not filmed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.geometry.raster import fill

SIZE = (240, 320)  # height, width
FPS = 30
LONG_SIDE = 64  # of a toy, in pixels
TABLE = (168, 150, 128)  # RGB


class Cutout(NamedTuple):
    """A toy without its scene: (h, w, 3) uint8 RGB, and where it is (h, w) bool."""

    image: np.ndarray
    mask: np.ndarray


class Frame(NamedTuple):
    """One frame: (H, W, 3) uint8 RGB; boxes (N, 4) in pixels of what is seen of each toy, NaN for none."""

    image: np.ndarray
    boxes: np.ndarray


def cutouts(count: int) -> list[Cutout]:
    """The largest toys of toybox8-seg that stand whole in their images."""
    dataset = SegmentationDataset(load_dataset("toybox8-seg"), "train", 640)
    found: list[tuple[int, Cutout]] = []
    for index in range(len(dataset.images)):
        sample = dataset.sample(index)
        height, width = sample.image.shape[:2]
        for instance in sample.instances:
            mask = fill(instance.rings, height, width)
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            touches = rows[0] == 0 or columns[0] == 0 or rows[-1] == height - 1 or columns[-1] == width - 1
            if touches:
                continue
            window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            found.append((int(mask.sum()), Cutout(sample.image[window], mask[window].astype(bool))))
    found.sort(key=lambda pair: -pair[0])
    return [shrunk(cutout) for _, cutout in found[:count]]


def shrunk(cutout: Cutout) -> Cutout:
    height, width = cutout.mask.shape
    scale = LONG_SIDE / max(height, width)
    size = (round(width * scale), round(height * scale))
    image = cv2.resize(cutout.image, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(cutout.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    return Cutout(image, mask)


def frames(toys: Sequence[Cutout], count: int, seed: int = 0) -> Iterator[Frame]:
    """The toys glide and turn back at the edges; later ones pass before earlier ones."""
    rng = np.random.default_rng(seed)
    height, width = SIZE
    room = np.array([[width - toy.mask.shape[1], height - toy.mask.shape[0]] for toy in toys])  # (N, 2) of corners
    corners = rng.uniform(0.1, 0.9, room.shape) * room
    moves = rng.uniform(1.0, 2.5, room.shape) * rng.choice([-1, 1], room.shape)
    table = np.full((height, width, 3), TABLE, np.float32) + rng.normal(0, 4, (height, width, 1))
    for _ in range(count):
        corners = corners + moves
        moves = np.where((corners < 0) | (corners > room), -moves, moves)
        corners = corners.clip(0, room)
        image = table.clip(0, 255).astype(np.uint8)
        owner = np.full((height, width), -1)
        for number, (toy, corner) in enumerate(zip(toys, corners)):
            left, top = corner.round().astype(int)
            window = np.s_[top : top + toy.mask.shape[0], left : left + toy.mask.shape[1]]
            image[window][toy.mask] = toy.image[toy.mask]
            owner[window][toy.mask] = number
        yield Frame(image, np.stack([seen_box(owner == number) for number in range(len(toys))]))


def seen_box(mask: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of a mask in pixels; NaN for one without any."""
    if not mask.any():
        return np.full(4, np.nan)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=float)


def write_video(path: Path, images: Sequence[np.ndarray]) -> Path:
    """Frames (H, W, 3) RGB as a video that OpenCV reads everywhere."""
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (width, height))
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path
