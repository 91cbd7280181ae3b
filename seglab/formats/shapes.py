"""Shapes that people draw in labeling tools, as rings and masks of an instance: rectangles, ellipses, painted crops."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seglab.formats.issues import Issue
from seglab.geometry.orientation import MIRRORING, turn_pixels, turn_points
from seglab.geometry.polygons import Ring, on_one_line, orient
from seglab.geometry.rle import Rle, crop_to_rle, decode, encode, merge, rings_to_rle
from seglab.sample import Instance
from seglab.sizes import Size

NOWHERE = 1e9  # pixels from an image's corner
MAX_PAINTED = 1 << 26  # pixels of a mask that lies as an image within a label file
CIRCLE = 72  # vertices of a circle or ellipse, on radii that keep its area


def polygon(points: np.ndarray) -> Ring | None:
    """A solid ring of (n, 2) points; None for fewer than three, all on one line, or one that is nowhere near an
    image."""
    is_outline = len(points) >= 3 and (np.abs(points) < NOWHERE).all() and not on_one_line(points)
    return orient(points) if is_outline else None


def circle_through(points: np.ndarray) -> tuple[float, float, float] | None:
    """(x, y, radius) of the circle through three points (3, 2); None where they lie on one line."""
    first, second, third = points
    sides = np.array([second - first, third - first])
    if abs(np.linalg.det(sides)) < 1e-9:
        return None
    center = np.linalg.solve(2 * sides, (sides**2).sum(axis=1))  # equally far from all three
    x, y = (first + center).tolist()
    return x, y, float(np.hypot(*center))


def rectangle(left: float, top: float, right: float, bottom: float) -> Ring | None:
    """A solid ring of two corners, in whatever order; None for one without an area."""
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)
    return polygon(corners) if left != right and top != bottom else None


def ellipse(center: Sequence[float], radii: Sequence[float], degrees: float = 0) -> Ring | None:
    """A solid ring of an ellipse, turned clockwise as seen (y points down); None for one without an area."""
    angle = np.arange(CIRCLE) * (2 * math.pi / CIRCLE)
    unit = np.stack((np.cos(angle), np.sin(angle)), axis=1)  # (CIRCLE, 2)
    # A polygon inside the ellipse is smaller than it: its radii are made larger by what that takes.
    larger = math.sqrt(2 * math.pi / CIRCLE / math.sin(2 * math.pi / CIRCLE))
    ring = turned(unit * np.abs(radii) * larger, (0, 0), degrees) + center
    return polygon(ring) if min(np.abs(radii)) > 0 else None


def turned(points: np.ndarray, around: Sequence[float], degrees: float) -> np.ndarray:
    """(n, 2) points turned around a point, clockwise as seen, since y points down. Errors: ValueError for no angle."""
    if not math.isfinite(degrees):
        raise ValueError(f"{degrees} is not an angle")
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return (points - around) @ np.array([[cosine, sine], [-sine, cosine]]) + around


def painted(x0: int, y0: int, crop: np.ndarray, size: tuple[int, int]) -> Rle:
    """A bool crop whose top-left pixel is (x0, y0), cut at the border of an image of `size` (height, width)."""
    height, width = size
    left, top = max(0, -x0), max(0, -y0)
    inside = crop[top : max(0, height - y0), left : max(0, width - x0)]
    if not inside.size:
        # Nothing of it lies in the image.
        inside = np.zeros((0, 0), dtype=bool)
        left = -x0
        top = -y0
    return crop_to_rle(x0 + left, y0 + top, inside, height, width)


def painted_image(data: bytes) -> np.ndarray:
    """An encoded image of a mask -> (h, w) bool: what is not transparent, or else not black.

    Errors: OSError or ValueError for what is no image.
    """
    from PIL import Image

    try:
        opened = Image.open(io.BytesIO(data), formats=("PNG",))
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    with opened as image:
        if image.width * image.height > MAX_PAINTED:
            raise ValueError(f"its mask has {image.width} x {image.height} pixels, more than any image")
        has_alpha = image.mode in ("RGBA", "LA", "PA")
        channel = image.getchannel("A") if has_alpha else image
        pixels = np.array(channel).astype(bool)
    return np.asarray(np.atleast_3d(pixels).any(axis=2))


def put_together(class_id: int, rings: Sequence[Ring], masks: Sequence[Rle], size: tuple[int, int]) -> Instance | None:
    """The parts of one instance: outlines, painted masks or both; None where there is nothing.

    size: (height, width) of the image. As soon as one part is a mask, the whole is one.
    """
    if masks:
        drawn = [rings_to_rle(rings, *size)] if rings else []
        return Instance(class_id, [], rle=merge([*masks, *drawn]))
    return Instance(class_id, list(rings)) if rings else None


def upright(found: Instance, orientation: int, size: Size) -> Instance:
    """An instance that was drawn on the pixels as stored, in the upright image of `size` (height, width)."""
    if found.rle is not None:
        return replace(found, rings=[], rle=encode(turn_pixels(decode(found.rle), orientation)))
    rings = [turn_points(ring, orientation, size) for ring in found.rings]
    # A mirror turns the way that rings go round, by which holes are told.
    return replace(found, rings=[ring[::-1] for ring in rings] if orientation in MIRRORING else rings)


def as_rectangle(where: str, shape: str) -> Issue:
    """That a shape which shows no outline was read as the whole of its area."""
    return Issue(where, 0, f"no outline: a {shape}", "read as a mask of its whole area", "note")
