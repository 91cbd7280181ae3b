"""Tiles: gray textures that surfaces repeat, each made once a process from a seed of its own."""

from __future__ import annotations

from functools import cache
from math import log2

import cv2
import numpy as np

TILE = 512
SIGNED = np.arange(256, dtype=np.float32) * np.float32(1 / 128) - 1  # 8 bits as -1..1
KINDS = "wood planks weave plaster marble plush paper clouds grass gingham brushed peel".split()


def noise(rng: np.random.Generator, height: int, width: int, cells, gain: float = 0.5) -> np.ndarray:
    """Sum of smooth random fields (height, width), one a (rows, columns) in `cells`, each `gain` times the last."""
    total, strength = np.zeros((height, width), np.float32), 1.0
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
    rng, n = np.random.default_rng([71, KINDS.index(kind)]), TILE
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)

    def strands(*kernels: np.ndarray) -> np.ndarray:
        raw = rng.uniform(0, 1, (n, n)).astype(np.float32)
        combed = np.zeros((n, n), np.float32)
        for kernel in kernels:
            combed += cv2.filter2D(raw, -1, kernel.astype(np.float32) / kernel.sum())
        return combed - combed.mean()

    if kind in ("wood", "planks"):
        rows = 5
        board = np.minimum(y / n * rows, rows - 1).astype(int)
        v = y / n * 11 + 1.5 * noise(rng, n, n, ((5, 3), (12, 5)))
        if kind == "planks":
            v = v + rng.uniform(0, 40, rows).astype(np.float32)[board]
        saw = v - np.floor(v)
        fine = noise(rng, n, n, ((256, 8), (512, 24)), 0.8)
        pores = np.maximum(noise(rng, n, n, ((512, 40),)) - 0.55, 0)
        out = 132 + 36 * saw * saw - 12 + 24 * fine - 90 * pores + 16 * noise(rng, n, n, ((8, 2),))
        if kind == "planks":
            out += rng.uniform(-24, 24, rows).astype(np.float32)[board]
            out -= 90 * np.clip(1.7 - np.abs(y / n * rows - np.round(y / n * rows)) * n / rows / 1.1, 0, 1)
    elif kind == "weave":
        over = (x // 6 + y // 6) % 2
        across, down = np.abs(x / 6 % 1 - 0.5), np.abs(y / 6 % 1 - 0.5)
        thread = np.where(over > 0, 1 - 3 * across * across, 0.94 - 3 * down * down)
        out = 128 + 70 * (thread - 0.72) + 14 * noise(rng, n, n, ((256, 256), (6, 6)), 1.0)
    elif kind == "plaster":
        out = 128 + 15 * noise(rng, n, n, octaves(4, 7), 0.75)
    elif kind == "marble":
        v = (x + y) / n * 3 + 1.1 * noise(rng, n, n, octaves(3, 6), 0.55)
        vein, thin = np.abs(v - np.round(v)) * 2, np.abs(2.3 * v - np.round(2.3 * v)) * 2
        out = (
            156
            - 80 * np.clip(1 - vein * 4, 0, 1) ** 2
            - 25 * np.clip(1 - thin * 7, 0, 1)
            + 12 * noise(rng, n, n, octaves(3, 7), 0.7)
        )
    elif kind == "plush":
        out = (
            128
            + 300 * strands(np.eye(7), np.ones((7, 2)), np.fliplr(np.eye(5)))
            + 26 * noise(rng, n, n, octaves(24, 3), 0.7)
        )
    elif kind == "clouds":
        out = 118 + 75 * noise(rng, n, n, [(4 * 2**i, 3 * 2**i) for i in range(7)], 0.55)
    elif kind == "grass":
        out = (
            124
            + 300 * strands(np.ones((11, 1)), np.eye(9), np.fliplr(np.eye(9)))
            + 30 * noise(rng, n, n, octaves(6, 4), 0.7)
        )
    elif kind == "gingham":
        stripe = (x // 32 % 2) + (y // 32 % 2)
        out = 60 + 70 * stripe + 14 * ((x + y) // 2 % 2) + 12 * noise(rng, n, n, octaves(256, 1))
    elif kind == "brushed":
        out = 128 + 60 * noise(rng, n, n, ((4, 512), (16, 256)), 0.8) * 0.5
    elif kind == "peel":
        out = 128 + 22 * noise(rng, n, n, ((8, 4), (64, 16), (256, 64)), 0.6)
    else:
        out = 128 + 10 * noise(rng, n, n, octaves(64, 4), 1.0)
    return np.clip(out, 0, 255).astype(np.uint8)


@cache
def _shrunk(kind: str, side: int) -> np.ndarray:
    method = cv2.INTER_AREA if side < TILE else cv2.INTER_LINEAR
    return cv2.resize(tile(kind), (side, side), interpolation=method)


def patch(kind: str, side: float, shape: tuple[int, int], start: tuple[int, int]) -> np.ndarray:
    """(h, w) float32 -1..1 cut from the tile repeated at about `side` pixels (to the next half octave)."""
    side = int(2 ** (round(min(max(log2(side), 4), 10) * 2) / 2))
    grey = _shrunk(kind, side)
    top, left = start[0] % side, start[1] % side
    down, right = max(top + shape[0] - side, 0), max(left + shape[1] - side, 0)
    if down or right:
        y, x = max(min(top, side - down), 0), max(min(left, side - right), 0)  # before it, nothing is mirrored
        grey = cv2.copyMakeBorder(grey[y:, x:], 0, down, 0, right, cv2.BORDER_REFLECT | cv2.BORDER_ISOLATED)
        top, left = top - y, left - x
    return cv2.LUT(grey[top : top + shape[0], left : left + shape[1]], SIGNED)
