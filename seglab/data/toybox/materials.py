"""Materials: the tiles surfaces are textured with, the forms that tell how a surface faces, and the light that falls on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

TILE = 512


def noise(
    rng: np.random.Generator, height: int, width: int, cells: tuple[tuple[int, int], ...], gain: float = 0.5
) -> np.ndarray:
    """Sum of smooth random fields, one for each (rows, columns) of `cells`, every one `gain` as strong as the last; about -1..1."""
    total = np.zeros((height, width), np.float32)
    strength = 1.0
    for rows, columns in cells:
        small = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        total += strength * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        strength *= gain
    return total


def octaves(first: int, count: int, stretch: int = 1) -> tuple[tuple[int, int], ...]:
    """Cell counts for `noise`: doubling from `first`, rows `stretch` times as many as columns."""
    return tuple((first * 2**i * stretch, first * 2**i) for i in range(count))


@lru_cache(maxsize=None)
def tile(kind: str) -> np.ndarray:
    """(TILE, TILE) uint8 grey texture, mean about 128, made once a process from a seed of its own."""
    kinds = ("wood", "weave", "plaster", "marble", "fur", "speckle", "clouds", "grass", "paper", "planks")
    rng = np.random.default_rng([71, kinds.index(kind)])
    n = TILE
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)
    if kind in ("wood", "planks"):
        rows = 6
        bend = noise(rng, n, n, ((5, 3), (12, 5)), 0.5)
        v = y / n * 13 + bend * 1.6
        if kind == "planks":
            board = np.floor(y / n * rows).astype(int)
            v = v + rng.uniform(0, 40, rows).astype(np.float32)[board]
        saw = v - np.floor(v)
        grain = (
            1.2 * saw * saw
            - 0.35
            + 0.8 * noise(rng, n, n, ((256, 8), (512, 24)), 0.8)
            + 0.5 * noise(rng, n, n, ((8, 2),))
        )
        out = 128 + 34 * grain
        if kind == "planks":
            out += rng.uniform(-22, 22, rows).astype(np.float32)[board]
            edge = np.abs(y / n * rows - np.round(y / n * rows)) * n / rows
            out -= 70 * np.clip(1.6 - edge / 1.2, 0, 1)
    elif kind == "weave":
        warp = np.abs(((x / 4) % 2) - 1) * (((y // 4 + x // 8) % 2) * 0.6 + 0.4)
        weft = np.abs(((y / 4) % 2) - 1)
        out = 128 + 60 * (warp * weft - 0.3) + 16 * noise(rng, n, n, ((256, 256), (8, 8)), 1.0)
    elif kind == "plaster":
        out = 128 + 16 * noise(rng, n, n, octaves(4, 7), 0.75)
    elif kind == "marble":
        v = (x + y) / n * 3 + 1.2 * noise(rng, n, n, octaves(3, 5), 0.55)
        vein = np.abs(v - np.round(v)) * 2
        out = 150 - 90 * np.clip(1 - vein * 5, 0, 1) ** 2 + 10 * noise(rng, n, n, octaves(4, 6), 0.7)
    elif kind == "fur":
        strands = rng.uniform(0, 1, (n, n)).astype(np.float32)
        strands = cv2.filter2D(strands, -1, np.eye(9, dtype=np.float32) / 9) + cv2.blur(strands, (2, 9))
        out = 128 + 230 * (strands - strands.mean()) + 22 * noise(rng, n, n, octaves(16, 3), 0.7)
    elif kind == "speckle":
        out = 128 + 20 * noise(rng, n, n, ((512, 512), (128, 128), (32, 32)), 0.9)
    elif kind == "clouds":
        out = 118 + 75 * noise(rng, n, n, ((4, 3), (8, 6), (16, 12), (32, 24), (64, 48), (128, 96)), 0.55)
    elif kind == "grass":
        blades = rng.uniform(0, 1, (n, n)).astype(np.float32)
        blades = cv2.blur(blades, (1, 11)) + cv2.filter2D(blades, -1, np.fliplr(np.eye(7, dtype=np.float32)) / 7)
        out = 128 + 260 * (blades - blades.mean()) + 30 * noise(rng, n, n, octaves(6, 4), 0.7)
    else:
        out = 128 + 9 * noise(rng, n, n, octaves(64, 4), 1.0)
    return np.clip(out, 0, 255).astype(np.uint8)


def linear(colour) -> np.ndarray:
    """Linear-light reflectance (3,) of an sRGB colour 0..255."""
    return (np.asarray(colour, float) / 255) ** 2.2


@dataclass(frozen=True)
class Finish:
    """How a surface answers light. gloss: strength of highlights; sharp: halvings of their width; mirror: how much of the
    window it mirrors; bump: depth of its texture `tile` in the normals, grain: the same in its colour, pitch: tiles a unit;
    clear: share of the background that shines through."""

    gloss: float = 0.0
    sharp: int = 4
    mirror: float = 0.0
    bump: float = 0.0
    grain: float = 0.0
    tile: str = "speckle"
    pitch: float = 0.6
    clear: float = 0.0


MATTE = Finish(grain=0.06)
CERAMIC = Finish(gloss=0.55, sharp=6, mirror=0.5, grain=0.03)
PLASTIC = Finish(gloss=0.35, sharp=5, mirror=0.18, grain=0.02)
METAL = Finish(gloss=0.9, sharp=5, mirror=0.5, grain=0.10, tile="wood", pitch=0.5)
GLASS = Finish(gloss=0.9, sharp=7, mirror=0.8, clear=0.45)
FUR = Finish(bump=0.9, grain=0.42, tile="fur", pitch=0.32)
FABRIC = Finish(gloss=0.08, sharp=3, bump=0.12, grain=0.16, tile="weave", pitch=0.25)
PAPER = Finish(gloss=0.10, sharp=3, mirror=0.05, grain=0.10, tile="paper")
DOUGH = Finish(gloss=0.05, sharp=3, bump=0.25, grain=0.16, tile="plaster", pitch=1.0)
ICING = Finish(gloss=0.5, sharp=5, mirror=0.25, grain=0.04, bump=0.05, tile="plaster", pitch=1.2)
PEEL = Finish(gloss=0.18, sharp=4, mirror=0.05, grain=0.10, tile="plaster", pitch=0.7)


Normals = tuple  # (nx, ny, nz) in the image frame, each a number or (h, w): x right, y down, z towards the viewer


class Field:
    """The pixels of one part. x, y: (h, w) float32 in the part's frame; alpha: (h, w) uint8 coverage; scale: pixels a unit;
    roll: the thing's rotation in the picture."""

    def __init__(self, x: np.ndarray, y: np.ndarray, alpha: np.ndarray, scale: float, roll: float):
        self.x, self.y, self.alpha, self.scale = x, y, alpha, scale
        self.cos, self.sin = np.float32(np.cos(roll)), np.float32(np.sin(roll))

    def turn(self, nx, ny, nz) -> Normals:
        """Normals of the thing's frame in the image frame."""
        return nx * self.cos - ny * self.sin, nx * self.sin + ny * self.cos, nz

    def depth(self) -> np.ndarray:
        """(h, w) float32 distance to the outline, in units."""
        inside = cv2.distanceTransform((self.alpha > 127).astype(np.uint8), cv2.DIST_L2, 5)
        return inside / np.float32(self.scale)


Form = Callable[[Field], Normals]


def flat(nx: float = 0.0, ny: float = 0.0) -> Form:
    """A plane with one normal."""
    nz = float(np.sqrt(max(1 - nx * nx - ny * ny, 0.04)))
    return lambda f: f.turn(np.float32(nx), np.float32(ny), np.float32(nz))


def round_edge(radius: float, soft: float = 0.25) -> Form:
    """A plane whose edge falls off like a quarter of a tube: a disc becomes a ball, a band a tube."""

    def form(f: Field) -> Normals:
        depth = f.depth()
        k = int(max(1, min(soft * radius * f.scale, 15))) * 2 + 1
        depth = cv2.blur(depth, (k, k))
        gx = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3, scale=f.scale / 8)
        gy = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3, scale=f.scale / 8)
        fall = np.clip(1 - depth / np.float32(radius), 0, 0.96)
        return -gx * fall, -gy * fall, np.sqrt(1 - fall * fall)

    return form


def lathe(radii: np.ndarray, heights: np.ndarray, tilt: float) -> Form:
    """A body turned about the vertical axis x = 0; radii at heights as for `outlines.turned`."""
    rise = float(np.sqrt(1 - tilt * tilt))
    y = -np.asarray(heights)[::-1] * rise
    r = np.asarray(radii)[::-1]
    slope = np.gradient(r, y)

    def form(f: Field) -> Normals:
        radius = np.interp(f.y, y, r).astype(np.float32)
        lean = np.clip(np.interp(f.y, y, slope), -1.2, 1.2).astype(np.float32)
        u = np.clip(f.x / radius, -0.97, 0.97)
        front = np.sqrt(1 - u * u)
        ny = -(lean + np.float32(tilt) * front)
        length = np.sqrt(1 + ny * ny)
        return f.turn(u / length, ny / length, front / length)

    return form


def ball(x: float, y: float, rx: float, ry: float) -> Form:
    """An ellipsoid seen from the front."""

    def form(f: Field) -> Normals:
        u, v = (f.x - np.float32(x)) / np.float32(rx), (f.y - np.float32(y)) / np.float32(ry)
        square = u * u + v * v
        shrink = 1 / np.sqrt(np.maximum(square, 0.94) / np.float32(0.94))
        return f.turn(u * shrink, v * shrink, np.sqrt(np.maximum(1 - square, 0.06)))

    return form


@dataclass
class Part:
    """One piece of a thing: even-odd `rings` in the thing's frame, filled with a colour (linear light, (3,)).

    form: how it faces; paint: (x, y, colour) -> three planes or numbers of reflectance; frame: 2x3 from the part's frame, which form
    and paint see, to the thing's; inner: it lies within other parts, so it adds nothing to the silhouette; lift: how far (units) its
    shadow reaches on the parts below.
    """

    rings: list[np.ndarray]
    colour: np.ndarray
    finish: Finish = MATTE
    form: Form = field(default_factory=flat)
    paint: Callable | None = None
    frame: np.ndarray | None = None
    inner: bool = False
    lift: float = 0.0


@dataclass(frozen=True)
class Light:
    """A key light (unit vector towards it, image frame) with the sky above and the ground below; colours are linear (3,).

    window: half width and height of the bright rectangle that glossy things mirror.
    """

    towards: tuple[float, float, float]
    key: np.ndarray
    sky: np.ndarray
    ground: np.ndarray
    window: tuple[float, float]


def shade(part: Part, f: Field, light: Light, offset: tuple[int, int]) -> list:
    """Radiance of a part's pixels: three planes (h, w). offset: where in the tile its texture starts."""
    finish = part.finish
    nx, ny, nz = part.form(f)
    shape = f.alpha.shape
    texture = None
    if finish.bump or finish.grain:
        step = TILE * finish.pitch / f.scale  # tile pixels an image pixel
        reach = min(max(int(max(shape) * step), 2), TILE)
        top, left = offset[0] % (TILE - reach + 1), offset[1] % (TILE - reach + 1)
        cut = tile(finish.tile)[top : top + reach, left : left + reach]
        side = max(shape)
        method = cv2.INTER_AREA if reach > side else cv2.INTER_LINEAR
        texture = cv2.resize(cut, (side, side), interpolation=method)[: shape[0], : shape[1]].astype(np.float32)
        texture = texture * np.float32(1 / 128) - 1
    if finish.bump:
        nx = nx + np.float32(finish.bump) * cv2.Sobel(texture, cv2.CV_32F, 1, 0, ksize=3, scale=0.5)
        ny = ny + np.float32(finish.bump) * cv2.Sobel(texture, cv2.CV_32F, 0, 1, ksize=3, scale=0.5)
    lx, ly, lz = (np.float32(v) for v in light.towards)
    lit = np.maximum((nx * lx + ny * ly + nz * lz + np.float32(0.12)) * np.float32(1 / 1.12), 0)
    up = np.float32(0.5) - np.float32(0.5) * ny
    if finish.grain:
        grain = 1 + np.float32(finish.grain) * texture
        lit, up, floor = lit * grain, up * grain, grain
    else:
        floor = np.float32(1)
    colours = part.paint(f.x, f.y, part.colour) if part.paint else part.colour
    shine = None
    if finish.gloss:
        half = np.array([lx, ly, lz + 1.0]) / np.sqrt(float(lx * lx + ly * ly + (lz + 1) ** 2))
        shine = np.maximum(nx * np.float32(half[0]) + ny * np.float32(half[1]) + nz * np.float32(half[2]), 0)
        for _ in range(finish.sharp):
            shine = shine * shine
        shine = shine * np.float32(finish.gloss)
    if finish.mirror:
        rx, ry = 2 * nz * nx - lx, 2 * nz * ny - ly
        pane = np.clip((np.float32(light.window[0]) - np.abs(rx)) * 9, 0, 1) * np.clip(
            (np.float32(light.window[1]) - np.abs(ry)) * 9, 0, 1
        )
        edge = 1 - nz
        pane = pane * np.float32(finish.mirror) + edge * edge * np.float32(0.35 * finish.mirror) * (1 - ny)
        shine = pane if shine is None else shine + pane
    planes = []
    for i in range(3):
        glow = (
            np.float32(light.key[i]) * lit
            + np.float32(light.sky[i] - light.ground[i]) * up
            + np.float32(light.ground[i]) * floor
        )
        plane = glow * np.asarray(colours[i], np.float32)
        if shine is not None:
            plane = plane + shine * np.float32(0.6 * light.key[i] + light.sky[i])
        planes.append(np.broadcast_to(plane, shape))
    return planes
