"""Props: shelves, leaves and pencils, which have no name and only hold, hide and surround the objects that do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seglab.toybox.materials import MATTE, METAL, PEEL, PLASTIC, WOOD, Field, Layers, Part, flat, linear, rounded
from seglab.toybox.outlines import box, smooth, tube
from seglab.toybox.parts import BLACK, BRIGHT, STEEL, WHITE, moved, pick


def board(x0: float, x1: float, thick: float, deep: float, color: np.ndarray) -> list[Part]:
    """A shelf: its top, `deep` units as the camera sees it, over its front edge; where they meet is y = 0."""
    top = box(x0, -deep, x1, 0)
    front = box(x0, 0, x1, thick)
    return [Part([top], color, WOOD, flat(0, -0.75)), Part([front], color, WOOD, rounded(0.05, 0, 0.25))]


def post(wide: float, high: float, color: np.ndarray) -> list[Part]:
    return [Part([box(-wide / 2, -high, wide / 2, high)], color, replace(WOOD, tile="brushed"), rounded(wide * 0.2))]


def blanket(color: np.ndarray) -> list[Part]:
    """A checked cloth on the grass."""

    def checks(f: Field) -> Layers:
        across = f.inside(np.sin(f.x * 24) / 24)
        down = f.inside(np.sin(f.y * 40) / 40)
        return [(across * np.float32(0.5), WHITE), (down * np.float32(0.5), WHITE)]

    sheet = np.array([[-0.8, -0.25], [0.8, -0.25], [1.15, 0.3], [-1.15, 0.3]])
    return [Part([sheet], color, MATTE, flat(0, -0.8), checks)]


def twig(rng: np.random.Generator) -> list[Part]:
    """A bent stalk with leaves."""
    t = np.linspace(0, 1, 16)
    line = np.stack([t * 2.6, -0.5 * t * t * rng.uniform(-1, 1.5)], 1)
    green = pick(rng, "426030 566e3a 2c4c34 7a7e4c", 6)
    parts = [Part([tube(line, 0.03)], green * 0.5, MATTE, rounded(0.03))]

    def vein(f: Field) -> Layers:
        return [(f.inside(0.012 - np.abs(f.y)) * np.float32(0.2), WHITE)]

    blade = smooth([[0, 0], [0.3, -0.15], [0.7, -0.13], [1, 0], [0.7, 0.13], [0.3, 0.15]], 4)
    for x, y in line[2::2]:
        swing = rng.choice([-1, 1]) * rng.uniform(0.3, 1.1)
        nx, ny = rng.uniform(-0.35, 0.35, 2)
        form = rounded(0.12, nx, ny, 0.6)
        leaf = Part(
            [blade * rng.uniform(0.5, 0.8)],
            green * rng.uniform(0.6, 1.2),
            replace(PEEL, grain=0.8),
            form,
            vein,
            lift=0.06,
        )
        parts += moved([leaf], [[np.cos(swing), -np.sin(swing), x], [np.sin(swing), np.cos(swing), y]])
    return parts


def pencil(rng: np.random.Generator) -> list[Part]:
    long = rng.uniform(1.4, 2.2)
    wood = np.array([[long, -0.07], [long, 0.07], [long + 0.23, 0.0]])
    lead = np.array([[long + 0.14, -0.03], [long + 0.14, 0.03], [long + 0.23, 0.0]])
    return [
        Part([box(0, -0.07, long, 0.07)], pick(rng, BRIGHT), PLASTIC, rounded(0.07)),
        Part([wood], linear("e2b884"), MATTE, flat(0.2, -0.2)),
        Part([lead], BLACK, MATTE, inner=True),
        Part([box(-0.16, -0.07, 0.02, 0.07)], STEEL, METAL, rounded(0.07)),
    ]
