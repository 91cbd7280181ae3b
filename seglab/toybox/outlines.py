"""Outlines: closed rings of xy vertices that objects are cut from.

Every function gives (n, 2) float64 vertices in the frame of its object: x to the right, y down, one unit about 10 cm.
"""

from __future__ import annotations

import numpy as np

FULL = 2 * np.pi


def vertices(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, 2) from the two coordinates: np.stack without its toll on short arrays."""
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points


def ellipse(
    x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = FULL, n: int = 40
) -> np.ndarray:
    """Arc of an ellipse between two angles (radians, clockwise on the screen); the whole ring by default."""
    angle = start + (stop - start) * np.arange(n) / (n if stop - start == FULL else n - 1)
    return vertices(x + rx * np.cos(angle), y + ry * np.sin(angle))


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> np.ndarray:
    """Rectangle, its corners rounded by `radius`."""
    if not radius:
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)
    centers = [
        (x1 - radius, y0 + radius),
        (x1 - radius, y1 - radius),
        (x0 + radius, y1 - radius),
        (x0 + radius, y0 + radius),
    ]
    quarters = [ellipse(x, y, radius, radius, (i - 1) * FULL / 4, i * FULL / 4, 7) for i, (x, y) in enumerate(centers)]
    return np.concatenate(quarters)


def smooth(points, n: int = 8, closed: bool = True) -> np.ndarray:
    """Catmull-Rom curve through `points`, `n` vertices from each to the next."""
    p = np.asarray(points, float)
    if closed:
        a = np.roll(p, 1, 0)
        b = p
        c = np.roll(p, -1, 0)
        d = np.roll(p, -2, 0)
    else:
        q = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
        a = q[:-3]
        b = q[1:-2]
        c = q[2:-1]
        d = q[3:]
    t = (np.arange(n) / n)[None, :, None]
    a = a[:, None]
    b = b[:, None]
    c = c[:, None]
    d = d[:, None]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, p[-1:]])


def _sides(line: np.ndarray, radius, closed: bool) -> np.ndarray:
    """Vectors from the line to its right side, `radius` long."""
    if closed:
        along = np.concatenate([line[1:], line[:1]]) - np.concatenate([line[-1:], line[:-1]])
    else:
        along = np.concatenate([line[1:], line[-1:]]) - np.concatenate([line[:1], line[:-1]])
    along = along * (radius / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9))[:, None]
    return vertices(along[:, 1], -along[:, 0])


CAP = np.linspace(0, FULL / 2, 7)[1:-1, None]
AHEAD = np.cos(CAP)
ASIDE = np.sin(CAP)


def tube(line, radius) -> np.ndarray:
    """Ring around an open center line, `radius` (a number or one a vertex) to either side, with round ends."""
    line = np.asarray(line, float)
    side = _sides(line, radius, closed=False)

    def cap(end, first):
        return end + AHEAD * first + ASIDE * np.array((-first[1], first[0]))

    return np.concatenate([line + side, cap(line[-1], side[-1]), (line - side)[::-1], cap(line[0], -side[0])])


def sticks(starts, ends, radius: float) -> list[np.ndarray]:
    """Many straight bars with round ends at once: from `starts` to `ends`, both (k, 2)."""
    starts = np.asarray(starts, float)
    ends = np.asarray(ends, float)
    along = (ends - starts) * (radius / np.maximum(np.hypot(*(ends - starts).T), 1e-9))[:, None]
    side = vertices(along[:, 1], -along[:, 0])
    corners = (
        starts + side,
        ends + side,
        ends + 0.7 * (side + along),
        ends + along,
        ends + 0.7 * (along - side),
        ends - side,
    )
    return list(np.stack([*corners, starts - side, starts - along], 1))


def loop(line: np.ndarray, radius: float) -> list[np.ndarray]:
    """Two rings around a closed, clockwise center line: the outside, and the hole unless it closes up."""
    side = _sides(line, np.full(len(line), radius), closed=True)
    inside = line - side
    clear = ((inside[:, None] - line[None]) ** 2).sum(2).min(1) > (
        0.985 * radius
    ) ** 2  # else the offset has folded over
    return [line + side, inside[clear]] if clear.sum() > 7 else [line + side]


def turned(radii: np.ndarray, heights: np.ndarray, tilt: float) -> np.ndarray:
    """Silhouette of a body turned on a lathe, upright, seen from `tilt` = sine of the camera's elevation.

    radii, heights: (n,) from the foot upwards. Its axis is x = 0, its foot's center the origin.
    """
    y = -heights * np.sqrt(1 - tilt * tilt)
    top = ellipse(0, y[-1], radii[-1], radii[-1] * tilt, FULL, FULL / 2, 17)
    foot = ellipse(0, y[0], radii[0], radii[0] * tilt, FULL / 2, 0, 17)
    return np.concatenate([vertices(radii, y), top, vertices(-radii, y)[::-1], foot])


def affine(square: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """2x3 from its 2x2 part and its last column."""
    matrix = np.empty((2, 3))
    matrix[:, :2] = square
    matrix[:, 2] = offset
    return matrix


def chained(after: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The 2x3 affine map that does `first` and then `after`, both 2x3."""
    return affine(after[:, :2] @ first[:, :2], after[:, :2] @ first[:, 2] + after[:, 2])


def turn(points: np.ndarray, angle: float) -> np.ndarray:
    """Rotate xy points about the origin, clockwise on the screen."""
    c = np.cos(angle)
    s = np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def project(points, yaw: float, elevation: float, distance: float = 14.0) -> np.ndarray:
    """Perspective image (n, 2) of 3-D points (n, 3) turned by `yaw` about the vertical.

    x is to the right, y up, z toward the viewer, who looks down by `elevation` from `distance` units away.
    """
    x, y, z = np.asarray(points, float).T
    x, z = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
    y, z = y * np.cos(elevation) - z * np.sin(elevation), z * np.cos(elevation) + y * np.sin(elevation)
    near = distance / (distance - z)
    return vertices(x * near, -y * near)
