"""The canvas: things become pixels here, and the same stencils that cut the pixels give the ground truth.

A stencil is a set of lattice points, SUB to the pixel, point k at coordinate k / SUB. It is closed: points on the outline belong to it.
What a thing hides of another is its interior, so two neighbours share the boundary between them and both are traced exactly on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from seglab.data.toybox.materials import Field, Light, Part, shade

SUB = 4  # lattice points a pixel side
CROSS = np.ones((3, 3), np.uint8)


@dataclass
class Placed:
    """A thing in the picture. matrix: 2x3 from its frame to the image; class_id: -1 for things without a name; blur: sigma in pixels;
    shadow: 2x3 from the image to where its shadow falls; soft: the shadow's blur in pixels; dark: its strength 0..1."""

    parts: list[Part]
    matrix: np.ndarray
    class_id: int = -1
    blur: float = 0.0
    shadow: np.ndarray | None = None
    soft: float = 6.0
    dark: float = 0.5


@dataclass
class Stencil:
    """Where a thing is: window (x0, y0, x1, y1) in whole pixels, and the lattice points in it as 0 and 255."""

    window: tuple[int, int, int, int]
    points: np.ndarray  # ((y1 - y0) * SUB + 1, (x1 - x0) * SUB + 1) uint8

    def lattice(self, whole: np.ndarray) -> np.ndarray:
        """The window's view of a lattice over the whole picture."""
        x0, y0, x1, y1 = (v * SUB for v in self.window)
        return whole[y0 : y1 + 1, x0 : x1 + 1]

    def coverage(self) -> np.ndarray:
        """(h, w) uint8: 255 times the covered share of every pixel."""
        cells = self.points[:-1, :-1] & self.points[1:, :-1] & self.points[:-1, 1:] & self.points[1:, 1:]
        return cv2.resize(cells, (cells.shape[1] // SUB, cells.shape[0] // SUB), interpolation=cv2.INTER_AREA)


def _fixed(rings: list[np.ndarray], matrix: np.ndarray, x0: float, y0: float, scale: float) -> list[np.ndarray]:
    """Rings in sixteenths of a cell, as cv2.fillPoly takes them with shift=4."""
    shift = (matrix[:, 2] - (x0, y0)) * (scale * 16)
    turned = matrix[:, :2].T * (scale * 16)
    return [np.round(ring @ turned + shift).astype(np.int32) for ring in rings]


def _window(
    parts: list[Part], matrix: np.ndarray, limits: tuple[int, int, int, int], margin: float
) -> tuple[int, int, int, int] | None:
    points = np.concatenate([ring for part in parts for ring in part.rings]) @ matrix[:, :2].T + matrix[:, 2]
    low, high = points.min(0) - margin, points.max(0) + margin
    x0, y0 = max(int(np.floor(low[0])), limits[0]), max(int(np.floor(low[1])), limits[1])
    x1, y1 = min(int(np.ceil(high[0])), limits[2]), min(int(np.ceil(high[1])), limits[3])
    return (x0, y0, x1, y1) if x1 - x0 > 1 and y1 - y0 > 1 else None


def stencil(thing: Placed, height: int, width: int) -> Stencil | None:
    """The lattice points a thing covers, or None when it lies outside the picture."""
    window = _window(thing.parts, thing.matrix, (0, 0, width, height), 2 + 3 * thing.blur)
    if window is None:
        return None
    x0, y0, x1, y1 = window
    points = np.zeros(((y1 - y0) * SUB + 1, (x1 - x0) * SUB + 1), np.uint8)
    for part in thing.parts:
        if not part.inner:
            cv2.fillPoly(points, _fixed(part.rings, thing.matrix, x0, y0, SUB), 255, shift=4)
    return Stencil(window, points)


def trace(points: np.ndarray, x0: float = 0.0, y0: float = 0.0, smallest: float = 3.0) -> list[np.ndarray]:
    """Rings (image frame) around a closed set of lattice points whose first point is (x0, y0): solid ones of positive area, holes
    negative, within a fifth of a pixel; rings below `smallest` square pixels are left out."""
    contours, tree = cv2.findContours(points, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = []
    for contour, links in zip(contours, tree[0] if tree is not None else ()):
        simple = cv2.approxPolyDP(contour, 0.8, True)[:, 0].astype(np.float64)
        if len(simple) < 3:
            continue
        x, y = simple.T
        area = 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
        if abs(area) < smallest * SUB * SUB:
            continue
        if (area < 0) != (links[3] >= 0):
            simple = simple[::-1]
        rings.append(simple / SUB + (x0, y0))
    return rings


def visible(
    things: list[Placed], height: int, width: int, least: float = 0.15
) -> list[tuple[Placed, Stencil, list[np.ndarray]]]:
    """What can be seen of things given back to front: those that stay, each with its stencil and the rings of its visible shape.

    Things of which less than a share `least` or 30 square pixels could be seen are left out of the picture, so nothing in it is unnamed.
    """
    cover = np.zeros((height * SUB + 1, width * SUB + 1), np.uint8)
    kept = []
    for thing in reversed(things):
        cut = stencil(thing, height, width)
        if cut is None:
            continue
        hidden = cut.lattice(cover)
        seen = cv2.bitwise_and(cut.points, cv2.bitwise_not(hidden))
        count = cv2.countNonZero(seen)
        if thing.class_id >= 0 and (count < 30 * SUB * SUB or count < least * cv2.countNonZero(cut.points)):
            continue
        rings = trace(seen, cut.window[0], cut.window[1]) if thing.class_id >= 0 else []
        if thing.class_id >= 0 and not rings:
            continue
        hidden |= cv2.erode(cut.points, CROSS)
        kept.append((thing, cut, rings))
    return kept[::-1]


def cast(planes: list[np.ndarray], coverage: np.ndarray, window: tuple[int, int, int, int], thing: Placed) -> None:
    """Darken the picture where a thing's shadow falls, at half resolution."""
    height, width = planes[0].shape
    x0, y0 = window[:2]
    small = cv2.resize(
        coverage, ((coverage.shape[1] + 1) // 2, (coverage.shape[0] + 1) // 2), interpolation=cv2.INTER_AREA
    )
    to_image = np.array([[2.0, 0, x0], [0, 2.0, y0]])
    matrix = thing.shadow[:, :2] @ to_image
    matrix[:, 2] += thing.shadow[:, 2]
    matrix = matrix / 2
    shadow = cv2.warpAffine(small, matrix, ((width + 1) // 2, (height + 1) // 2))
    k = int(max(thing.soft, 1)) | 1
    shadow = cv2.blur(cv2.blur(shadow, (k, k)), (k, k))
    bx, by, bw, bh = cv2.boundingRect(shadow)
    if not bw:
        return
    region = (slice(2 * by, min(2 * (by + bh), height)), slice(2 * bx, min(2 * (bx + bw), width)))
    cut = cv2.resize(shadow[by : by + bh, bx : bx + bw], (2 * bw, 2 * bh), interpolation=cv2.INTER_LINEAR)
    shape = planes[0][region].shape
    keep = 1 - cut[: shape[0], : shape[1]].astype(np.float32) * np.float32(thing.dark / 255)
    for plane, warm in zip(planes, (0.0, 0.02, 0.06)):  # shadows are lit by the sky: a little blue
        plane[region] *= keep + np.float32(warm) * (1 - keep)


def paint(planes: list[np.ndarray], thing: Placed, cut: Stencil, light: Light, rng: np.random.Generator) -> None:
    """Paint a thing onto the linear-light picture: three (H, W) float32 planes, changed in place."""
    x0, y0, x1, y1 = cut.window
    height, width = y1 - y0, x1 - x0
    coverage = cut.coverage()
    if thing.shadow is not None:
        cast(planes, coverage, cut.window, thing)
    m = thing.matrix
    colour = [np.zeros((height, width), np.float32) for _ in range(3)]
    weight = np.full((height, width), 1e-4, np.float32)
    solid = np.zeros((height, width), np.float32) if any(part.finish.clear for part in thing.parts) else None
    roll = float(np.arctan2(m[1, 0], m[0, 0]))
    for part in thing.parts:
        part_window = _window([part], m, cut.window, 2)
        offset = tuple(int(v) for v in rng.integers(0, 512, 2))
        if part_window is None:
            continue
        px0, py0, px1, py1 = part_window
        alpha = np.zeros((py1 - py0, px1 - px0), np.uint8)
        cv2.fillPoly(alpha, _fixed(part.rings, m, px0, py0, 1), 255, cv2.LINE_AA, 4)
        frame = (
            m
            if part.frame is None
            else np.hstack([m[:, :2] @ part.frame[:, :2], (m[:, :2] @ part.frame[:, 2] + m[:, 2])[:, None]])
        )
        inverse = cv2.invertAffineTransform(frame).astype(np.float32)
        xs, ys = (
            np.arange(px0, px1, dtype=np.float32) + np.float32(0.5),
            np.arange(py0, py1, dtype=np.float32) + np.float32(0.5),
        )
        x = inverse[0, 0] * xs[None] + (inverse[0, 1] * ys + inverse[0, 2])[:, None]
        y = inverse[1, 0] * xs[None] + (inverse[1, 1] * ys + inverse[1, 2])[:, None]
        scale = float(np.sqrt(abs(np.linalg.det(m[:, :2]))))
        region = (slice(py0 - y0, py1 - y0), slice(px0 - x0, px1 - x0))
        if part.lift:
            k = int(max(part.lift * scale, 1)) * 2 + 1
            move = np.array([[1, 0, -light.towards[0] * k * 0.3], [0, 1, -light.towards[1] * k * 0.3]])
            wide = cv2.copyMakeBorder(alpha, k, k, k, k, cv2.BORDER_CONSTANT)
            shadow = cv2.blur(cv2.warpAffine(wide, move, wide.shape[::-1]), (k, k))
            wx0, wy0, wx1, wy1 = max(px0 - k, x0), max(py0 - k, y0), min(px1 + k, x1), min(py1 + k, y1)
            keep = 1 - shadow[wy0 - py0 + k : wy1 - py0 + k, wx0 - px0 + k : wx1 - px0 + k].astype(
                np.float32
            ) * np.float32(0.5 / 255)
            for plane in colour:
                plane[wy0 - y0 : wy1 - y0, wx0 - x0 : wx1 - x0] *= keep
        a = alpha.astype(np.float32) * np.float32(1 / 255)
        rest = 1 - a
        for plane, value in zip(colour, shade(part, Field(x, y, alpha, scale, roll), light, offset)):
            view = plane[region]
            view *= rest
            view += a * value
        weight[region] *= rest
        weight[region] += a
        if solid is not None:
            solid[region] *= rest
            solid[region] += a * np.float32(1 - part.finish.clear)
    a = coverage.astype(np.float32) * np.float32(1 / 255)
    share = a / weight  # colours are premultiplied by weight: seams between parts do not let the background through
    if solid is not None:
        a = solid * share
    colour = [plane * share for plane in colour]
    if thing.blur > 0.3:
        a, *colour = (cv2.GaussianBlur(v, (0, 0), thing.blur) for v in (a, *colour))
    region = (slice(y0, y1), slice(x0, x1))
    rest = 1 - a
    for plane, value in zip(planes, colour):
        view = plane[region]
        view *= rest
        view += value
