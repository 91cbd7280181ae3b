"""Building a scene: objects are put down, under one light and before one camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from seglab.toybox.canvas import PlacedObject, Shadow
from seglab.toybox.materials import LEVELS, Light, Part, linear
from seglab.toybox.objects import NAMES, OBJECTS
from seglab.toybox.props import twig
from seglab.toybox.tiles import TILE, tile

__all__ = ["SceneBuilder"]

# What black and what white of a tile become, two sRGB colors of 0 to 255.
Tones = np.ndarray | Sequence[Sequence[float]]


def _light(rng: np.random.Generator, outdoor: bool) -> Light:
    direction = np.array(
        [rng.choice([-1, 1]) * rng.uniform(0.25, 0.85), -rng.uniform(0.45, 0.9), rng.uniform(0.45, 0.8)]
    )
    direction /= np.sqrt((direction**2).sum())
    warm = rng.uniform(-0.08, 0.2)
    cool = rng.uniform(-0.04, 0.14)
    key = rng.uniform(0.8, 1.3) * np.array([1 + warm, 1, 1 - warm * 1.2])
    sky = rng.uniform(0.25, 0.5) * (1.2 if outdoor else 1.0) * np.array([1 - cool, 1, 1 + cool])
    ground = sky * rng.uniform(0.35, 0.7) * np.array([1.08, 1, 0.9])
    return Light(tuple(direction.tolist()), key, sky, ground, (rng.uniform(0.14, 0.3), rng.uniform(0.14, 0.34)))


class DrawnObject(NamedTuple):
    """An object that is not in the image yet. factor: its size as a multiple of the toybox's."""

    class_id: int
    pose: str
    factor: float
    parts: list[Part]


class SceneBuilder:
    """A scene being built. image: (3, H, W) float32 of linear light; objects: back to front; lens: the camera's."""

    def __init__(self, rng: np.random.Generator, height: int, width: int, outdoor: bool):
        self.rng = rng
        self.height = height
        self.width = width
        self.outdoor = outdoor
        self.light = _light(rng, outdoor)
        self.image: np.ndarray  # the place sets it
        self.objects: list[PlacedObject] = []
        self.lens = np.eye(3)

    def tip(self, roll: float, keystone: float) -> None:
        """Hold the camera askew: by about `roll` radians, and one side nearer, by a fraction of up to `keystone`."""
        rng = self.rng
        # About the image's middle: a rotation, and a row of perspective that makes one side nearer.
        cx = self.width / 2
        cy = self.height / 2
        a = rng.normal(0, roll)
        k, m = rng.uniform(-keystone, keystone, 2) / (cx, cy)
        tilted = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [k, m, 1.0]])
        to_middle = np.array([[1, 0, -cx], [0, 1, -cy], [0, 0, 1.0]])
        self.lens = np.linalg.inv(to_middle) @ tilted @ to_middle

    def surface(self, kind: str, to_tile: np.ndarray, tones: Tones, top: int = 0) -> np.ndarray:
        """(3, height - top, width): a tile laid out by a 3x3 matrix from the level image to it, seen below row `top`.

        tones: what its black and its white become (sRGB).
        """
        # From the pixels of the real camera back to the level image, and on to the tile.
        matrix = to_tile @ np.linalg.inv(self.lens) @ np.array([[1, 0, 0], [0, 1, top], [0, 0, 1.0]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.width, self.height - top)
        gray = cv2.warpPerspective(tile(kind), matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT)
        # Tones by a table over the 256 levels, in linear light.
        dark, light = (linear(np.minimum(tone, 250)) for tone in tones)
        image = np.empty((3, *gray.shape), np.float32)
        for plane, low, range_ in zip(image, dark.astype(np.float32), ((light - dark) / 255).astype(np.float32)):
            cv2.LUT(gray, LEVELS * range_ + low, dst=plane)
        return image

    def upright(self, kind: str, tones: Tones, angle: float = 0.0) -> np.ndarray:
        """(3, H, W): a surface that faces the camera."""
        size = TILE / max(self.height, self.width) * self.rng.uniform(0.5, 1.3)
        c = np.cos(angle) * size
        s = np.sin(angle) * size
        x, y = self.rng.uniform(0, 300, 2)
        return self.surface(kind, np.array([[c, -s, x], [s, c, y], [0, 0, 1]]), tones)

    def level(self, kind: str, tones: Tones, horizon: float, repeats: float, angle: float) -> tuple[int, np.ndarray]:
        """First row and (3, rows, width) of a surface that runs from the lower edge, `repeats` tiles wide, back."""
        w, h = self.width, self.height
        first = int(np.clip(horizon, 0, h - 2))
        vanish = first - 0.35 * h if first else -0.5 * h  # the row of infinity
        far = h - vanish
        to_ground = np.array(
            [[repeats / w, 0, -repeats / 2], [0, 0, 0.75 * repeats * far / h], [0, 1 / far, -vanish / far]]
        )
        c = np.cos(angle) * TILE
        s = np.sin(angle) * TILE
        return first, self.surface(
            kind, np.array([[c, -s, TILE / 2], [s, c, TILE / 2], [0, 0, 1]]) @ to_ground, tones, first
        )

    def put(
        self, parts: list[Part], x: float, y: float, scale: float, turn: float = 0.0, class_id: int = -1
    ) -> PlacedObject:
        """Put an object's origin at (x, y) of the level image, `scale` pixels a unit, before all others."""
        c = np.cos(turn) * scale
        s = np.sin(turn) * scale
        placed = PlacedObject(parts, np.array([[c, -s, x], [s, c, y]]), class_id, lens=self.lens)
        self.objects.append(placed)
        return placed

    def draw(self, poses: Sequence[str], tilt: float, without: Sequence[str] = ()) -> DrawnObject:
        """One of the ten objects by chance, in one of `poses` if it has one."""
        names = [name for name in NAMES if name not in without]
        name = names[int(self.rng.integers(len(names)))]
        make, all_poses, (low, high) = OBJECTS[name]
        fit = [pose for pose in all_poses if pose in poses] or all_poses
        pose = fit[int(self.rng.integers(len(fit)))]
        factor = self.rng.uniform(low, high)
        return DrawnObject(NAMES.index(name), pose, factor, make(self.rng, pose, tilt))

    def set_down(self, x: float, y: float, unit: float, tilt: float, without: Sequence[str] = ()) -> PlacedObject:
        """Put one of the ten objects on the ground at (x, y)."""
        class_id, pose, factor, parts = self.draw(("stand", "lie"), tilt, without)
        flexible = pose == "lie" and NAMES[class_id] in ("bottle", "teddy bear", "umbrella")
        turn = self.rng.uniform(-0.5, 0.5) if flexible else 0.0
        placed = self.put(parts, x, y, unit * factor, turn, class_id)
        if pose == "stand":
            self.ground_shadow(placed, tilt)
        else:
            self.drop_shadow(placed, 0.1 * unit * factor, 0.14 * unit * factor, 0.6)
        return placed

    def drop_shadow(self, placed: PlacedObject, reach: float, soft: float, dark: float) -> None:
        """The shadow on a surface parallel to the image, `reach` pixels behind the object."""
        lx, ly, lz = self.light.direction
        placed.shadows.append(Shadow(np.array([[1.0, 0, -lx / lz * reach], [0, 1.0, -ly / lz * reach]]), soft, dark))

    def ground_shadow(self, placed: PlacedObject, tilt: float, far: bool = True) -> None:
        """What stands at its origin darkens the ground close by and, if `far`, throws a shadow away from the light."""
        lx, _, lz = self.light.direction
        x, y = placed.matrix[:, 2]
        scale = float(np.hypot(*placed.matrix[:, 0]))
        if far:
            lean = lx / lz * 0.6
            length = 0.2 + 0.3 * tilt
            away = np.array([[1, lean, -lean * y], [0, length, y - length * y]])
            placed.shadows.append(Shadow(away, 0.22 * scale, 0.42))
        touch = 0.04 + 0.1 * tilt
        close = np.array([[1.04, 0, -0.04 * x], [0, touch, y - touch * y]])
        placed.shadows.append(Shadow(close, 0.07 * scale, 0.6))

    def frame(self, unit: float) -> None:
        """Now and then let a twig reach into the image before everything else."""
        rng = self.rng
        if rng.random() < 0.25:
            side = rng.choice([0, 1])
            y = rng.uniform(0.2, 1) * self.height
            placed = self.put(twig(rng), side * self.width, y, unit * 1.2, np.pi * side + rng.uniform(-0.6, 0.6))
            placed.blur = rng.uniform(0.5, 1.6)


def extent(placed: PlacedObject) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of an object in the level image."""
    points = np.concatenate([ring for part in placed.parts for ring in part.rings]) @ placed.matrix[:, :2].T
    return (*(points.min(0) + placed.matrix[:, 2]).tolist(), *(points.max(0) + placed.matrix[:, 2]).tolist())
