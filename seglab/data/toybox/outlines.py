"""Outlines: closed rings of xy vertices that things are cut from.

Every function gives an (n, 2) float64 array in the frame of its thing: x to the right, y down, one unit is about ten centimetres.
"""

from __future__ import annotations

import numpy as np


def ellipse(
    x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 2 * np.pi, n: int = 40
) -> np.ndarray:
    """Arc of an ellipse from angle `start` to `stop` (radians, clockwise on the screen); the whole ring by default."""
    angle = np.linspace(start, stop, n, endpoint=abs(stop - start) < 2 * np.pi - 1e-9)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> np.ndarray:
    """Rectangle, its corners rounded by `radius`."""
    if radius <= 0:
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)
    corners = [
        (x1 - radius, y0 + radius),
        (x1 - radius, y1 - radius),
        (x0 + radius, y1 - radius),
        (x0 + radius, y0 + radius),
    ]
    return np.concatenate(
        [ellipse(x, y, radius, radius, (i - 1) * np.pi / 2, i * np.pi / 2, 7) for i, (x, y) in enumerate(corners)]
    )


def smooth(points, n: int = 8, closed: bool = True) -> np.ndarray:
    """Catmull-Rom curve through `points`, `n` vertices between two neighbours."""
    p = np.asarray(points, float)
    if closed:
        a, b, c, d = np.roll(p, 1, 0), p, np.roll(p, -1, 0), np.roll(p, -2, 0)
    else:
        q = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
        a, b, c, d = q[:-3], q[1:-2], q[2:-1], q[3:]
    t = (np.arange(n) / n)[None, :, None]
    a, b, c, d = a[:, None], b[:, None], c[:, None], d[:, None]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, p[-1:]])


def _normals(line: np.ndarray, closed: bool) -> np.ndarray:
    if closed:
        along = np.roll(line, -1, 0) - np.roll(line, 1, 0)
    else:
        along = np.gradient(line, axis=0)
    along = along / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    return np.stack([along[:, 1], -along[:, 0]], 1)


def tube(line: np.ndarray, radius) -> np.ndarray:
    """Ring around an open centre line, `radius` (a number or one a vertex) to either side, with round ends."""
    line = np.asarray(line, float)
    radius = np.broadcast_to(np.asarray(radius, float), (len(line),))
    side = _normals(line, False) * radius[:, None]
    caps = []
    for end, first in ((line[-1], side[-1]), (line[0], -side[0])):
        turn = np.linspace(0, np.pi, 7)[1:-1]
        caps.append(
            end
            + np.stack(
                [first[0] * np.cos(turn) - first[1] * np.sin(turn), first[0] * np.sin(turn) + first[1] * np.cos(turn)],
                1,
            )
        )
    return np.concatenate([line + side, caps[0], (line - side)[::-1], caps[1]])


def loop(line: np.ndarray, radius: float) -> list[np.ndarray]:
    """Two rings around a closed centre line: the outside and the hole."""
    line = np.asarray(line, float)
    side = _normals(line, True) * radius
    return [line + side, line - side]


def turned(radii: np.ndarray, heights: np.ndarray, tilt: float) -> np.ndarray:
    """Silhouette of a body turned on a lathe that stands upright, seen from `tilt` = sine of the camera's elevation.

    radii, heights: (n,) from the foot upwards. Its axis is x = 0, its foot's centre the origin.
    """
    rise = np.sqrt(1 - tilt * tilt)
    y = -np.asarray(heights, float) * rise
    top = ellipse(0, y[-1], radii[-1], radii[-1] * tilt, 2 * np.pi, np.pi, 17)
    foot = ellipse(0, y[0], radii[0], radii[0] * tilt, np.pi, 0, 17)
    return np.concatenate([np.stack([radii, y], 1), top, np.stack([-radii, y], 1)[::-1], foot])


def turn(points: np.ndarray, angle: float) -> np.ndarray:
    """Rotate xy points about the origin, clockwise on the screen."""
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def project(points, yaw: float, elevation: float, distance: float = 12.0) -> np.ndarray:
    """Perspective picture (n, 2) of 3-D points (n, 3): x right, y up, z towards the viewer, turned by `yaw` about the vertical."""
    p = np.asarray(points, float)
    x = p[:, 0] * np.cos(yaw) + p[:, 2] * np.sin(yaw)
    z = p[:, 2] * np.cos(yaw) - p[:, 0] * np.sin(yaw)
    y = p[:, 1] * np.cos(elevation) - z * np.sin(elevation)
    z = z * np.cos(elevation) + p[:, 1] * np.sin(elevation)
    near = distance / (distance - z)
    return np.stack([x * near, -y * near], 1)
