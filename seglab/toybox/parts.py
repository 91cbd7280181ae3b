"""What objects and props share: colors, parts moved and laid down, and what looks like writing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seglab.toybox.materials import Field, Part, flat, linear
from seglab.toybox.outlines import chained

# sRGB in hexadecimal
BRIGHT = "cc2824 e8781e f0c028 46983c 167c7c 245cb0 623a92 d45486"
CALM = "f0ece2 d4e0e4 eed6c2 bacebe e6bebc 688098 343e4e b09274"
WOODS = "784624 2c2a2c a87442 54321e"
ANY = f"{BRIGHT} {CALM}"
BLACK = linear("161414")
WHITE = linear("f2f0ea")
STEEL = linear("bcc0c6")
BRASS = linear("ceb068")


def pick(rng: np.random.Generator, colors: str, spread: float = 12.0) -> np.ndarray:
    """One of `colors` (sRGB in hexadecimal), a little off, as linear light."""
    choices = colors.split()
    choice = bytes.fromhex(choices[rng.integers(len(choices))])
    return linear(np.minimum(np.maximum(list(choice) + rng.normal(0, spread, 3), 8), 248))


def moved(parts: list[Part], matrix) -> list[Part]:
    """Parts under a 2x3 affine, what is painted on them too."""
    a = np.asarray(matrix, float)
    turned_by = a[:, :2].T
    offset = a[:, 2]
    return [
        replace(
            part,
            rings=[ring @ turned_by + offset for ring in part.rings],
            frame=a if part.frame is None else chained(a, part.frame),
        )
        for part in parts
    ]


def shifted(parts: list[Part], x: float, y: float) -> list[Part]:
    return moved(parts, [[1, 0, x], [0, 1, y]])


def settled(parts: list[Part], pose: str) -> list[Part]:
    """Parts moved so that their lowest point ("stand") or else their middle is at the origin."""
    points = np.concatenate([ring for part in parts for ring in part.rings])
    middle = (points.min(0) + points.max(0)) / 2
    return shifted(parts, -middle[0], -points[:, 1].max() if pose == "stand" else -middle[1])


def laid(parts: list[Part], angle: float, tilt: float, thick: float) -> list[Part]:
    """Flat parts put on a surface: turned by `angle`, foreshortened, their rims `thick` units high."""
    c = np.cos(angle)
    s = np.sin(angle)
    rise = thick * np.sqrt(1 - tilt * tilt)
    flat_parts = moved(parts, [[c, -s, 0], [s * tilt, c * tilt, -rise]])
    rims = [replace(p, color=p.color * 0.55, form=flat(0, 0.6), paint=None) for p in flat_parts if not p.inner]
    return [*shifted(rims, 0, rise), *shifted(rims, 0, rise / 2), *flat_parts] if rise > 0.01 else flat_parts


def writing(f: Field, words: float, along, across, half: float, high: float, units: float) -> np.ndarray:
    """Weight of what looks like a line of `words` (any number): `half` its length and `high` half its height."""
    at = along * np.float32(1 / high) + np.float32(words)
    letters = (np.sin(at * np.float32(2.6) + 2 * np.sin(at * np.float32(0.9))) > -0.6) & (
        np.sin(at * np.float32(0.55)) > -0.8
    )
    return f.inside(high - np.abs(across), units) * (letters & (np.abs(along) < half))
