"""Cells under a microscope: synthetic images of a class that is not in the toybox, for fine-tuning to a new class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from seglab.data.image import write_image
from seglab.errors import SeglabError
from seglab.files import publish, staging_dir
from seglab.formats.yolo import write_dataset_yaml, write_labels
from seglab.sample import Instance

NAME = "cell"
VERTICES = 48  # of an outline
TRIES = 200  # places that are tried; those that would overlap a cell are left empty
SUPERSAMPLING = 4  # pixels drawn a pixel of the image, along each side


def generate_cells(out: str | Path, train: int = 32, val: int = 16, seed: int = 0, side: int = 320) -> Path:
    """Write square images of cells with their YOLO-seg labels into the new folder `out` and return its dataset YAML.

    Image i is draw_cells((seed, i), side); the last `val` ones are for validation.
    Errors: SeglabError when `out` exists already.
    """
    out = Path(out)
    if out.exists():
        raise SeglabError(f"{out} already exists: choose a new folder for the cells, or remove this one")
    with staging_dir(out) as part:
        for number in range(train + val):
            split = "train" if number < train else "val"
            image, rings = draw_cells((seed, number), side)
            write_image(part / "images" / split / f"{number:04d}.png", image)
            cells = [Instance(0, [ring]) for ring in rings]
            write_labels(part / "labels" / split / f"{number:04d}.txt", cells, (side, side), digits=".5f")
        write_dataset_yaml(
            part / f"{out.name}.yaml", {split: f"images/{split}" for split in ("train", "val")}, {0: NAME}
        )
        publish(part, out)
    return out / f"{out.name}.yaml"


def draw_cells(seed: int | Sequence[int], side: int = 320) -> tuple[np.ndarray, list[np.ndarray]]:
    """One image (side, side, 3) uint8 RGB and its cells' outlines, each (48, 2) xy in pixels; none overlaps another."""
    random = np.random.default_rng(seed)
    size = random.uniform(0.03, 0.07) * side  # of this image's cells, half their length
    count = random.integers(8, 40)
    rings: list[np.ndarray] = []
    taken = np.zeros((side, side), dtype=bool)
    for _ in range(TRIES):
        ring = _outline(random, side, size)
        covered = cv2.fillPoly(np.zeros((side, side), np.uint8), [np.round(ring).astype(np.int32)], 1) > 0
        inside = ring.min() >= 0 and ring.max() <= side
        if inside and not (covered & taken).any():
            taken |= covered
            rings.append(ring)
        if len(rings) == count:
            break
    return _paint(random, rings, side), rings


def _outline(random: np.random.Generator, side: int, size: float) -> np.ndarray:
    """A rounded, slightly irregular outline (48, 2) somewhere on the image."""
    angle = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    radius = np.ones(VERTICES)
    for waves in (2, 3, 4):
        radius += random.uniform(0, 0.12) / waves * np.cos(waves * angle + random.uniform(0, 2 * np.pi))
    half_axes = size * random.uniform(0.7, 1.3) * np.array([1, random.uniform(0.55, 1)])
    turn = random.uniform(0, np.pi)
    points = np.stack((np.cos(angle), np.sin(angle)), axis=1) * radius[:, None] * half_axes  # (48, 2)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return points @ rotation + random.uniform(0, side, 2)


def _paint(random: np.random.Generator, rings: list[np.ndarray], side: int) -> np.ndarray:
    """Cells that glow on a dark, uneven ground, a little out of focus and noisy."""
    large = side * SUPERSAMPLING
    glow: np.ndarray = np.zeros((large, large), dtype=np.float32)
    for ring in rings:
        cv2.fillPoly(glow, [np.round(ring * SUPERSAMPLING).astype(np.int32)], random.uniform(0.25, 1))
    glow = cv2.resize(glow, (side, side), interpolation=cv2.INTER_AREA)
    texture = cv2.resize(random.normal(1, 0.25, (side // 8, side // 8)).astype(np.float32), (side, side))
    ground = cv2.resize(random.uniform(0.02, 0.16, (3, 3)).astype(np.float32), (side, side))
    light = cv2.GaussianBlur(glow * texture + ground, (0, 0), random.uniform(0.6, 1.4))
    noisy = light + random.normal(0, random.uniform(0.01, 0.04), light.shape)
    tint = random.uniform(0.5, 1, 3) if random.random() < 0.5 else np.ones(3)
    return np.clip(255 * noisy[..., None] * tint, 0, 255).astype(np.uint8)
