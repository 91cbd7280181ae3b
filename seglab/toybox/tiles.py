"""Tiles: gray textures that surfaces repeat, each made once a process from a seed of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from math import log2

import cv2
import numpy as np

TILE = 512
SIGNED = np.arange(256, dtype=np.float32) * np.float32(1 / 128) - 1  # 8 bits as -1..1


def noise(rng: np.random.Generator, height: int, width: int, cells, gain: float = 0.5) -> np.ndarray:
    """Sum of smooth random fields (height, width), one a (rows, columns) in `cells`, each `gain` times the last."""
    total = np.zeros((height, width), np.float32)
    strength = 1.0
    for rows, columns in cells:
        small = rng.uniform(-strength, strength, (rows, columns)).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        strength *= gain
    return total


def octaves(first: int, count: int) -> list[tuple[int, int]]:
    return [(first * 2**i, first * 2**i) for i in range(count)]


@cache
def tile(kind: str) -> np.ndarray:
    """(TILE, TILE) uint8 gray texture, mean about 128, made once a process from a seed of its own."""
    rng = np.random.default_rng([71, KINDS.index(kind)])
    return np.clip(TEXTURES[kind](rng), 0, 255).astype(np.uint8)


# The textures: each function draws (TILE, TILE) levels about 0 to 255 of one surface.


def _places() -> tuple[np.ndarray, np.ndarray]:
    """Row and column of every pixel, (TILE, TILE) float32 each."""
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32)
    return y, x


def _field(rng: np.random.Generator, cells, gain: float = 0.5) -> np.ndarray:
    """Noise over a whole tile."""
    return noise(rng, TILE, TILE, cells, gain)


def _strands(rng: np.random.Generator, *kernels: np.ndarray) -> np.ndarray:
    """White noise combed along each of the kernels, mean 0: hair and blades that lie in several directions."""
    raw = rng.uniform(0, 1, (TILE, TILE)).astype(np.float32)
    combed = np.zeros((TILE, TILE), np.float32)
    for kernel in kernels:
        combed += cv2.filter2D(raw, -1, kernel.astype(np.float32) / kernel.sum())
    return combed - combed.mean()


def _wood(rng: np.random.Generator, planks: bool = False) -> np.ndarray:
    """Grain along the rows; `planks`: five boards, each with rings and a tone of its own."""
    y, _ = _places()
    rows = 5
    board = np.minimum(y / TILE * rows, rows - 1).astype(int)
    # How far into the growth rings a pixel lies; they waver, and a board is cut anywhere.
    rings = y / TILE * 11 + 1.5 * _field(rng, ((5, 3), (12, 5)))
    if planks:
        rings = rings + rng.uniform(0, 40, rows).astype(np.float32)[board]
    # Within a ring the wood darkens slowly, then starts bright again: a saw tooth, not a wave.
    saw = rings - np.floor(rings)
    fine = _field(rng, ((256, 8), (512, 24)), 0.8)
    pores = np.maximum(_field(rng, ((512, 40),)) - 0.55, 0)
    levels = 132 + 36 * saw * saw - 12 + 24 * fine - 90 * pores + 16 * _field(rng, ((8, 2),))
    if planks:
        levels += rng.uniform(-24, 24, rows).astype(np.float32)[board]
        # Dark gaps between the boards, a pixel or two wide.
        from_gap = np.abs(y / TILE * rows - np.round(y / TILE * rows)) * TILE / rows
        levels -= 90 * np.clip(1.7 - from_gap / 1.1, 0, 1)
    return levels


def _weave(rng: np.random.Generator) -> np.ndarray:
    """Threads six pixels wide that pass over and under each other, each brightest along its middle."""
    y, x = _places()
    over = (x // 6 + y // 6) % 2
    across = np.abs(x / 6 % 1 - 0.5)
    down = np.abs(y / 6 % 1 - 0.5)
    thread = np.where(over > 0, 1 - 3 * across * across, 0.94 - 3 * down * down)
    return 128 + 70 * (thread - 0.72) + 14 * _field(rng, ((256, 256), (6, 6)), 1.0)


def _plaster(rng: np.random.Generator) -> np.ndarray:
    return 128 + 15 * _field(rng, octaves(4, 7), 0.75)


def _marble(rng: np.random.Generator) -> np.ndarray:
    """Veins are where a wavering diagonal field crosses whole numbers; thin ones run between the wide ones."""
    y, x = _places()
    depth = (x + y) / TILE * 3 + 1.1 * _field(rng, octaves(3, 6), 0.55)
    vein = np.abs(depth - np.round(depth)) * 2
    thin = np.abs(2.3 * depth - np.round(2.3 * depth)) * 2
    wide_veins = 80 * np.clip(1 - vein * 4, 0, 1) ** 2
    thin_veins = 25 * np.clip(1 - thin * 7, 0, 1)
    return 156 - wide_veins - thin_veins + 12 * _field(rng, octaves(3, 7), 0.7)


def _plush(rng: np.random.Generator) -> np.ndarray:
    hair = _strands(rng, np.eye(7), np.ones((7, 2)), np.fliplr(np.eye(5)))
    return 128 + 300 * hair + 26 * _field(rng, octaves(24, 3), 0.7)


def _clouds(rng: np.random.Generator) -> np.ndarray:
    """Wider than high: four rows of cells to three columns."""
    cells = [(4 * 2**i, 3 * 2**i) for i in range(7)]
    return 118 + 75 * _field(rng, cells, 0.55)


def _grass(rng: np.random.Generator) -> np.ndarray:
    blades = _strands(rng, np.ones((11, 1)), np.eye(9), np.fliplr(np.eye(9)))
    return 124 + 300 * blades + 30 * _field(rng, octaves(6, 4), 0.7)


def _gingham(rng: np.random.Generator) -> np.ndarray:
    """Checks of 32 pixels: dark where stripes of both directions cross, half dark where one runs alone."""
    y, x = _places()
    stripes = (x // 32 % 2) + (y // 32 % 2)
    threads = (x + y) // 2 % 2
    return 60 + 70 * stripes + 14 * threads + 12 * _field(rng, octaves(256, 1))


def _brushed(rng: np.random.Generator) -> np.ndarray:
    return 128 + 60 * _field(rng, ((4, 512), (16, 256)), 0.8) * 0.5


def _peel(rng: np.random.Generator) -> np.ndarray:
    return 128 + 22 * _field(rng, ((8, 4), (64, 16), (256, 64)), 0.6)


def _paper(rng: np.random.Generator) -> np.ndarray:
    return 128 + 10 * _field(rng, octaves(64, 4), 1.0)


# Name -> how to draw it. The order is part of what a seed means: a tile's seed is its place here.
TEXTURES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "wood": _wood,
    "planks": partial(_wood, planks=True),
    "weave": _weave,
    "plaster": _plaster,
    "marble": _marble,
    "plush": _plush,
    "paper": _paper,
    "clouds": _clouds,
    "grass": _grass,
    "gingham": _gingham,
    "brushed": _brushed,
    "peel": _peel,
}
KINDS = tuple(TEXTURES)


@cache
def _shrunk(kind: str, side: int) -> np.ndarray:
    method = cv2.INTER_AREA if side < TILE else cv2.INTER_LINEAR
    return cv2.resize(tile(kind), (side, side), interpolation=method)


def patch(kind: str, side: float, shape: tuple[int, int], start: tuple[int, int]) -> np.ndarray:
    """(h, w) float32 -1..1 cut from the tile repeated at about `side` pixels (to the next half octave)."""
    side = int(2 ** (round(min(max(log2(side), 4), 10) * 2) / 2))
    gray = _shrunk(kind, side)
    top = start[0] % side
    left = start[1] % side
    down = max(top + shape[0] - side, 0)
    right = max(left + shape[1] - side, 0)
    if down or right:
        # Mirrored is only what comes after (x, y).
        y = max(min(top, side - down), 0)
        x = max(min(left, side - right), 0)
        gray = cv2.copyMakeBorder(gray[y:, x:], 0, down, 0, right, cv2.BORDER_REFLECT | cv2.BORDER_ISOLATED)
        top = top - y
        left = left - x
    return cv2.LUT(gray[top : top + shape[0], left : left + shape[1]], SIGNED)
