"""The canvas: objects become pixels here, and the stencils that cut the pixels give the ground truth.

A stencil is a set of lattice points, SUB a pixel, point k at coordinate k / SUB. It is closed: points on the outline
belong to it. What a placed hides of another is its interior, so neighbors share the boundary between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import NamedTuple

import cv2
import numpy as np

from seglab.toybox.materials import LEVELS, Field, Light, Part, shade
from seglab.toybox.outlines import affine, chained, vertices

SUB = 4  # lattice points a pixel side
AROUND = np.ones((3, 3), np.uint8)
FRACTION = LEVELS * np.float32(1 / 255)  # of a pixel, by its coverage in 8 bits
DROP = 1 - LEVELS * np.float32(0.55 / 255)  # light left by the shadow of a part, by its darkness in 8 bits
Window = tuple[int, int, int, int]  # x0, y0, x1, y1 in whole pixels


@dataclass(frozen=True)
class Shadow:
    """matrix: 2x3 from where an object is in the image to its shadow; soft: pixels of blur; dark: 0 to 1."""

    matrix: np.ndarray
    soft: float
    dark: float


@dataclass
class PlacedObject:
    """An object in the image. matrix: 2x3 from its frame to the image; class_id: -1 for what has no name; blur: sigma
    in pixels; lens: 3x3 from the image of a level camera to that of the real one."""

    parts: list[Part]
    matrix: np.ndarray
    class_id: int = -1
    shadows: list[Shadow] = field(default_factory=list)
    blur: float = 0.0
    lens: np.ndarray = field(default_factory=lambda: np.eye(3))

    def outline(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All vertices in the image frame (n, 2), how many each ring has, and how many rings each part has."""
        rings = [ring for part in self.parts for ring in part.rings]
        points = np.concatenate(rings) @ self.matrix[:, :2].T + self.matrix[:, 2]
        sizes = np.array([len(ring) for ring in rings])
        counts = np.array([len(part.rings) for part in self.parts])
        return through(self.lens, points), sizes, counts

    def local(self) -> np.ndarray:
        """2x3 from the object's frame to the image, the lens taken as affine about the object's origin."""
        x, y = self.matrix[:, 2]
        corners = through(self.lens, np.array([[x, y], [x + 1, y], [x, y + 1]]))
        return affine((corners[1:] - corners[0]).T @ self.matrix[:, :2], corners[0])


def through(lens: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (n, 2) under a homography (3, 3)."""
    x, y, w = (points @ lens[:, :2].T + lens[:, 2]).T
    return vertices(x / w, y / w)


def _clipped(low: Sequence[float], high: Sequence[float], limits: Window, margin: float) -> Window | None:
    """The whole pixels from `low` to `high` (x, y) and `margin` about them, within `limits`."""
    x0 = max(int(low[0] - margin), limits[0])
    y0 = max(int(low[1] - margin), limits[1])
    x1 = min(int(high[0] + margin) + 1, limits[2])
    y1 = min(int(high[1] + margin) + 1, limits[3])
    return (x0, y0, x1, y1) if x1 - x0 > 1 and y1 - y0 > 1 else None


@dataclass
class Stencil:
    """Where an object is: its window, the lattice points it covers, and its parts' rings and boxes."""

    window: Window
    points: np.ndarray  # ((y1 - y0) * SUB + 1, (x1 - x0) * SUB + 1) uint8, 0 or 255
    rings: list[list[np.ndarray]]  # of every part, in sixteenths of a pixel
    boxes: list[tuple[list[float], list[float]]]  # of every part: least and greatest x and y

    def of(self, lattice: np.ndarray) -> np.ndarray:
        """The window's view of a lattice over the whole image."""
        x0, y0, x1, y1 = (v * SUB for v in self.window)
        return lattice[y0 : y1 + 1, x0 : x1 + 1]

    def coverage(self) -> np.ndarray:
        """(h, w) uint8: 255 times the covered fraction of every pixel, counted in the lattice's cells."""
        cells = cv2.bitwise_and(self.points[:-1, :-1], self.points[1:, 1:])
        x0, y0, x1, y1 = self.window
        halves = cv2.resize(cells, ((x1 - x0) * 2, (y1 - y0) * 2), interpolation=cv2.INTER_AREA)
        return cv2.resize(halves, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)


def stencil(placed: PlacedObject, height: int, width: int) -> Stencil | None:
    """The lattice points an object covers, or None when it lies outside the image."""
    points, sizes, counts = placed.outline()
    ends = np.cumsum(sizes)
    last = np.cumsum(counts)
    firsts = ends - sizes  # of every ring
    parts = firsts[last - counts]  # of every part's first ring
    # The boxes of all parts at once; together they give the window.
    low = np.minimum.reduceat(points, parts)
    high = np.maximum.reduceat(points, parts)
    window = _clipped(low.min(0), high.max(0), (0, 0, width, height), 2 + 3 * placed.blur)
    if window is None:
        return None
    x0, y0, x1, y1 = window
    # OpenCV takes sixteenths: of a lattice step for the ground truth, of a pixel for painting.
    lattice = np.zeros(((y1 - y0) * SUB + 1, (x1 - x0) * SUB + 1), np.uint8)
    fine = np.rint((points - (x0, y0)) * (SUB * 16)).astype(np.int32)
    coarse = np.rint(points * 16).astype(np.int32)
    spans = [slice(*span) for span in zip(firsts.tolist(), ends.tolist())]
    rings = []
    for part, end in zip(placed.parts, last.tolist()):
        own = spans[end - len(part.rings) : end]
        if not part.inner:
            cv2.fillPoly(lattice, [fine[span] for span in own], 255, shift=4)
        rings.append([coarse[span] for span in own])
    return Stencil(window, lattice, rings, list(zip(low.tolist(), high.tolist())))


def trace(points: np.ndarray, x0: float, y0: float, smallest: float = 3.0) -> list[np.ndarray]:
    """Rings in the image frame around lattice points whose first is at (x0, y0): solid ones of positive area, holes of
    negative, within a fifth of a pixel. Rings below `smallest` square pixels are left out."""
    contours, links = cv2.findContours(points, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = []
    for i, contour in enumerate(contours):
        ring = cv2.approxPolyDP(contour, 0.8, True)
        size = cv2.contourArea(ring, oriented=True) / SUB**2
        if abs(size) >= smallest:
            hole = links[0, i, 3] >= 0
            rings.append(ring[:: -1 if (size < 0) != hole else 1, 0] / float(SUB) + (x0, y0))
    return rings


class VisibleObject(NamedTuple):
    """What can be seen of an object: where it is, and the rings of its visible shape ([] for what has no name)."""

    placed: PlacedObject
    stencil: Stencil
    rings: list[np.ndarray]


def visible(objects: list[PlacedObject], height: int, width: int) -> list[VisibleObject]:
    """The objects, given back to front, that can be seen.

    Named ones of which less than 18 % or 40 square pixels would show are taken out, so nothing goes unnamed.
    """
    cover = np.zeros((height * SUB + 1, width * SUB + 1), np.uint8)
    kept = []
    # From front to back, so that `cover` is always what stands before an object.
    rearmost = next((i for i, placed in enumerate(objects) if placed.class_id >= 0), len(objects))
    for i, placed in reversed(list(enumerate(objects))):
        cut = stencil(placed, height, width)
        if cut is None:
            continue
        hidden = cut.of(cover)
        rings = []
        if placed.class_id >= 0:
            seen = cv2.subtract(cut.points, hidden)
            count = cv2.countNonZero(seen)
            if count < 40 * SUB**2 or count < 0.18 * cv2.countNonZero(cut.points):
                continue
            rings = trace(seen, *cut.window[:2])
            if not rings:
                continue
        # Only the interior hides, so neighbors share a boundary. Behind the rearmost name nobody asks.
        if i > rearmost:
            cv2.bitwise_or(hidden, cv2.erode(cut.points, AROUND), dst=hidden)
        kept.append(VisibleObject(placed, cut, rings))
    return kept[::-1]


def cast(image: np.ndarray, cut: Stencil, coverage: np.ndarray, shadow: Shadow) -> None:
    """Darken the image where a shadow falls, worked out at a half or a quarter of its resolution."""
    height, width = image.shape[1:]
    step = 2 if shadow.soft < 8 else 4
    x0, y0, x1, y1 = cut.window
    m = shadow.matrix
    pad = 2 * shadow.soft + step
    # Where the shadow of the window falls, with room for its blur, in pixels of the reduced image.
    xs, ys = (np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) @ m[:, :2].T + m[:, 2]).T.tolist()
    left, top = (max(int((min(ends) - pad) // step), 0) for ends in (xs, ys))
    right = min(int((max(xs) + pad) // step) + 1, -(-width // step))
    bottom = min(int((max(ys) + pad) // step) + 1, -(-height // step))
    if left >= right or top >= bottom:
        return
    # The silhouette, reduced, moved to where its shadow is, and blurred twice, which is close to a Gaussian.
    small = cv2.resize(coverage, (-((x0 - x1) // step), -((y0 - y1) // step)), interpolation=cv2.INTER_AREA)
    shrunk = affine(m[:, :2], (m[:, :2] @ (x0, y0) + m[:, 2]) / step - (left, top))
    dark = cv2.warpAffine(small, shrunk, (right - left, bottom - top))
    k = int(max(shadow.soft / step, 1)) | 1
    dark = cv2.blur(cv2.blur(dark, (k, k)), (k, k))
    # Most of that region is light: only what is dark goes back to full size.
    x, y, w, h = cv2.boundingRect(dark)
    if not w:
        return
    dark = dark[max(y - 1, 0) : y + h + 1, max(x - 1, 0) : x + w + 1]  # with one pixel of light around it
    left = (left + max(x - 1, 0)) * step
    top = (top + max(y - 1, 0)) * step
    keep = cv2.resize(dark, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    region = image[:, top : top + keep.shape[0], left : left + keep.shape[1]]
    keep = keep[: region.shape[1], : region.shape[2]]
    _dim(region, cv2.LUT(keep, 1 - LEVELS * np.float32(shadow.dark / 255)))


def _dim(planes: np.ndarray, share: np.ndarray) -> None:
    """Multiply planes (n, h, w), a view of a larger image, by one (h, w): OpenCV is faster here than numpy."""
    for plane in planes:
        cv2.multiply(plane, share, dst=plane)


def paint(image: np.ndarray, placed: PlacedObject, cut: Stencil, light: Light, rng: np.random.Generator) -> None:
    """Paint an object onto the image, (3, H, W) float32 in linear light, changed in place."""
    x0, y0, x1, y1 = cut.window
    coverage = cut.coverage()
    for shadow in placed.shadows:
        cast(image, cut, coverage, shadow)
    local = placed.local()
    # Pixels a unit, from the area that a unit square takes, and how far the object is turned.
    (a, b, _), (c, d, _) = local.tolist()
    scale = sqrt(abs(a * d - b * c))
    roll = np.arctan2(c, a)
    turned_by = np.float32(np.cos(roll)), np.float32(np.sin(roll))
    clear = any(part.finish.clear for part in placed.parts)
    layers = np.zeros((5 if clear else 4, y1 - y0, x1 - x0), np.float32)  # color, weight, and opacity if it is not 1
    layers[3] = 1e-4  # never a division by zero
    # Parts are laid one over the other, back to front, on layers that are the object's alone.
    starts = rng.integers(0, 512, (len(placed.parts), 2)).tolist()
    for part, rings, (low, high), start in zip(placed.parts, cut.rings, cut.boxes, starts):
        window = _clipped(low, high, cut.window, 2)
        if window is None:
            continue
        px0, py0, px1, py1 = window
        alpha = np.zeros((py1 - py0, px1 - px0), np.uint8)
        cv2.fillPoly(alpha, rings, 255, cv2.LINE_AA, 4, (-px0 * 16, -py0 * 16))
        frame = local if part.frame is None else chained(local, part.frame)
        if part.lift:
            _drop(layers[:3], alpha, (px0 - x0, py0 - y0), part.lift * scale, light)
        # What a part covers of a pixel replaces that fraction of what was there.
        value = shade(part, Field(alpha, (px0, py0), frame, scale, turned_by), light, start)
        share = cv2.LUT(alpha, FRACTION)
        region = layers[:, py0 - y0 : py1 - y0, px0 - x0 : px1 - x0]
        region *= 1 - share
        region[:3] += value * share
        region[3] += share
        if clear:
            region[4] += share * np.float32(1 - part.finish.clear)
    # Where parts meet in a pixel, their coverage sums to less than 1. Dividing by it closes these seams; the object's
    # own coverage then says how much of the pixel it takes.
    opaque = cv2.LUT(coverage, FRACTION)
    _dim(layers, opaque / layers[3])
    layers[3] = layers[4] if clear else opaque
    if placed.blur > 0.3:
        for layer in layers[:4]:
            cv2.GaussianBlur(layer, (0, 0), placed.blur, dst=layer)
    # The finished object goes over the image once.
    view = image[:, y0:y1, x0:x1]
    _dim(view, 1 - layers[3])
    view += layers[:3]


def _drop(color: np.ndarray, alpha: np.ndarray, corner: tuple[int, int], reach: float, light: Light) -> None:
    """The soft shadow of a part on the parts painted before it, (3, h, w)."""
    # The part's own coverage, moved away from the light and blurred as far as it reaches.
    k = int(max(reach, 1)) * 2 + 1
    wide = cv2.copyMakeBorder(alpha, k, k, k, k, cv2.BORDER_CONSTANT)
    move = np.array([[1.0, 0, -light.direction[0] * k * 0.3], [0, 1.0, -light.direction[1] * k * 0.3]])
    dark = cv2.blur(cv2.warpAffine(wide, move, wide.shape[::-1]), (k, k))
    # Cut both to where they overlap.
    left = corner[0] - k
    top = corner[1] - k
    region = color[:, max(top, 0) : top + dark.shape[0], max(left, 0) : left + dark.shape[1]]
    dark = dark[max(-top, 0) :, max(-left, 0) :][: region.shape[1], : region.shape[2]]
    _dim(region, cv2.LUT(dark, DROP))
