"""Materials: what surfaces are made of, the forms that say how they face, and the light they answer.

Colors are linear light (3,), made from sRGB by `linear`. Directions are in the image frame: x right, y down,
z toward the viewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from seglab.toybox.tiles import patch

LEVELS = np.arange(256, dtype=np.float32)  # what 8 bits can say


def clamp(values, low: float = 0.0, high: float = 1.0):
    """np.clip without its toll on small arrays; on large ones much faster than np.minimum and np.maximum."""
    return values.clip(np.float32(low), np.float32(high))


def linear(color) -> np.ndarray:
    """Linear light (3,) of an sRGB color, 0 to 255 or in hexadecimal."""
    levels = list(bytes.fromhex(color)) if isinstance(color, str) else color
    return (np.asarray(levels, float) / 255) ** 2.2


def spread(color) -> np.ndarray:
    """A color as (3, 1, 1) float32, to go with planes (3, h, w)."""
    return np.asarray(color, np.float32)[:, None, None]


@dataclass(frozen=True)
class Finish:
    """How a surface answers light.

    gloss: strength of its highlight, which `sharp` squarings narrow; mirror: how much of the window it reflects;
    grain, bump: depth of its texture in color and in the normals; tile, pitch: which texture, and units a tile;
    clear: fraction of the background that shines through.
    """

    gloss: float = 0.0
    sharp: int = 4
    mirror: float = 0.0
    grain: float = 0.0
    bump: float = 0.0
    tile: str = "paper"
    pitch: float = 2.0
    clear: float = 0.0


PLAIN = Finish()  # what is left of any surface on fewer than MIN_PIXELS
MIN_PIXELS = 200
MATTE = Finish(grain=0.6)
CERAMIC = Finish(gloss=0.5, sharp=6, mirror=0.5, grain=0.2)
PLASTIC = Finish(gloss=0.35, sharp=5, mirror=0.2)
METAL = Finish(gloss=0.9, sharp=5, mirror=0.6, grain=0.3, tile="brushed", pitch=1.2)
GLASS = Finish(gloss=0.9, sharp=7, mirror=0.8, clear=0.5)
FUR = Finish(grain=0.5, bump=0.55, tile="plush", pitch=2.4)
FABRIC = Finish(gloss=0.06, sharp=3, grain=0.35, bump=0.1, tile="weave", pitch=2.6)
PAPER = Finish(gloss=0.1, sharp=3, mirror=0.06, grain=0.5)
DOUGH = Finish(gloss=0.05, sharp=3, grain=0.35, bump=0.25, tile="plaster", pitch=1.0)
ICING = Finish(gloss=0.5, sharp=5, mirror=0.25, grain=0.1, bump=0.06, tile="plaster", pitch=1.0)
PEEL = Finish(gloss=0.16, sharp=4, mirror=0.05, grain=0.35, tile="peel", pitch=1.6)
WOOD = Finish(gloss=0.06, sharp=3, grain=0.9, tile="wood", pitch=6.0)


class Field:
    """The pixels of one part. alpha: (h, w) uint8 coverage, its first pixel at `corner` (x, y); frame: 2x3 from the
    part's frame to the image; scale: pixels a unit of the object; turn: cosine and sine of the rotation from the
    object to the image."""

    def __init__(self, alpha: np.ndarray, corner: tuple[int, int], frame: np.ndarray, scale: float, turn: tuple):
        self.alpha = alpha
        self.corner = corner
        self.frame = frame
        self.scale = scale
        self.cos, self.sin = turn

    @cached_property
    def x(self) -> np.ndarray:
        """(h, w) float32 x in the part's frame."""
        return self._along(0)

    @cached_property
    def y(self) -> np.ndarray:
        """(h, w) float32 y in the part's frame."""
        return self._along(1)

    def _along(self, axis: int) -> np.ndarray:
        a, b, c = cv2.invertAffineTransform(self.frame)[axis]
        rows = np.arange(self.alpha.shape[0]) + (self.corner[1] + 0.5)
        columns = np.arange(self.alpha.shape[1]) + 0.5
        across = a * (columns + self.corner[0])
        return across.astype(np.float32) + (b * rows + c).astype(np.float32)[:, None]

    def turn(self, nx, ny, nz) -> tuple:
        """Normals of the object's frame in the image frame."""
        return nx * self.cos - ny * self.sin, nx * self.sin + ny * self.cos, nz

    def inside(self, distance, units: float = 1.0) -> np.ndarray:
        """1 where `distance` (of which 1 is `units` of the object) is positive, 0 beyond, soft over a pixel."""
        return clamp(distance * np.float32(self.scale * units) + np.float32(0.5))


Form = Callable[[Field], tuple]  # -> (nx, ny, nz), each a number or (h, w)
Layers = list[tuple[np.ndarray, np.ndarray]]  # weight (h, w) and color (3,), laid one over the other
Paint = Callable[[Field], Layers]


def flat(nx: float = 0.0, ny: float = 0.0) -> Form:
    """A plane with one normal."""
    nz = np.float32(np.sqrt(max(1 - nx * nx - ny * ny, 0.04)))
    return lambda f: f.turn(np.float32(nx), np.float32(ny), nz)


def rounded(radius: float, nx: float = 0.0, ny: float = 0.0, soft: float = 0.25) -> Form:
    """A plane that bends away toward its outline within `radius`: a disc becomes a ball, a band a tube."""

    def form(f: Field) -> tuple:
        # How far inside the outline a pixel is, smoothed, says how much the surface still falls away.
        depth = cv2.distanceTransform((f.alpha > 127).view(np.uint8), cv2.DIST_L2, 5)
        k = int(max(1, min(soft * radius * f.scale, 15))) * 2 + 1
        depth = cv2.blur(depth, (k, k))
        fall = clamp(1 - depth * np.float32(1 / (radius * f.scale)), 0, 0.96)
        # It falls toward the nearest edge: against the gradient of the depth.
        gx = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3, scale=-1 / 8) * fall
        gy = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3, scale=-1 / 8) * fall
        nz = cv2.sqrt(1 - fall * fall)
        if nx or ny:
            # A leaning plane: add its lean, and shorten what faces the viewer.
            bx, by, _ = f.turn(np.float32(nx), np.float32(ny), 0)
            gx = gx + bx
            gy = gy + by
            nz = nz * np.float32(np.sqrt(max(1 - nx * nx - ny * ny, 0.1)))
        return gx, gy, nz

    return form


def lathe(radii: np.ndarray, heights: np.ndarray, tilt: float) -> Form:
    """A body turned about the vertical axis x = 0; radii at heights as for `outlines.turned`."""
    y = -heights[::-1] * float(np.sqrt(1 - tilt * tilt))
    r = radii[::-1]
    slope = np.clip(np.gradient(r, y), -1.2, 1.2)

    def form(f: Field) -> tuple:
        # Radius and slope in every row, looked up in 256 steps instead of interpolated for every pixel.
        rows = np.interp(np.linspace(y[0], y[-1], 256), y, np.arange(len(y)))
        at = clamp((f.y - np.float32(y[0])) * np.float32(255 / (y[-1] - y[0])), 0, 255).astype(np.uint8)
        radius = np.interp(rows, np.arange(len(y)), r).astype(np.float32)[at]
        lean = np.interp(rows, np.arange(len(y)), slope).astype(np.float32)[at]
        # Across a row the wall is a circle seen from the side.
        u = clamp(f.x / radius, -0.97, 0.97)
        front = cv2.sqrt(1 - u * u)
        ny = -(lean + np.float32(tilt) * front)
        length = 1 / cv2.sqrt(1 + ny * ny)
        return f.turn(u * length, ny * length, front * length)

    return form


@dataclass
class Part:
    """One piece of an object: `rings` in the object's frame, filled even-odd.

    paint: what lies on its color; frame: 2x3 from the frame that `form` and `paint` see to the object's; inner: it adds
    nothing to the silhouette, for it lies within other parts; lift: how far, in units, its shadow reaches over them.
    """

    rings: list[np.ndarray]
    color: np.ndarray
    finish: Finish = MATTE
    form: Form = field(default_factory=flat)
    paint: Paint | None = None
    frame: np.ndarray | None = None
    inner: bool = False
    lift: float = 0.0


@dataclass(frozen=True)
class Light:
    """A key light (direction: unit vector toward it), the sky above and the ground below, as colors.

    window: half width and height of the bright rectangle that glossy objects reflect.
    """

    direction: tuple[float, float, float]
    key: np.ndarray
    sky: np.ndarray
    ground: np.ndarray
    window: tuple[float, float]

    @cached_property
    def directions(self) -> np.ndarray:
        """(2, 3) float32: unit vectors toward the light, and half way between it and the viewer."""
        lx, ly, lz = np.array(self.direction, np.float32)
        half = np.array([lx, ly, lz + 1.0]) / np.sqrt(float(lx * lx + ly * ly + (lz + 1) ** 2))
        return np.array([self.direction, half], np.float32)

    @cached_property
    def spreads(self) -> tuple[np.ndarray, ...]:
        """The key, what comes from all around, how that changes downwards, and what shines in highlights."""
        around = (self.sky + self.ground) / 2
        slope = (self.ground - self.sky) / 2
        return tuple(spread(c) for c in (self.key, around, slope, 0.6 * self.key + self.sky))


def shade(part: Part, f: Field, light: Light, start: tuple[int, int]) -> np.ndarray:
    """Radiance of a part's pixels, (3, h, w) or (3, 1, 1) float32. start: where in the tile its texture begins."""
    finish = part.finish
    shape = f.alpha.shape
    if f.alpha.size < MIN_PIXELS:
        finish = PLAIN
    form = part.form if finish is not PLAIN else flat()
    nx, ny, nz = form(f)
    # The texture tilts the normals (bump) and later scales the color (grain).
    if finish.bump or finish.grain:
        texture = patch(finish.tile, finish.pitch * f.scale, shape, start)
        grain = 1 + np.float32(finish.grain) * texture
        if finish.bump:
            nx = nx + cv2.Sobel(texture, cv2.CV_32F, 1, 0, ksize=3, scale=0.5 * finish.bump)
            ny = ny + cv2.Sobel(texture, cv2.CV_32F, 0, 1, ksize=3, scale=0.5 * finish.bump)
    # Diffuse light falls with the cosine; a little reaches past the edge of the shadow, as from a wide lamp.
    (lx, ly, lz), (hx, hy, hz) = light.directions
    lit = clamp((nx * lx + ny * ly + nz * lz + np.float32(0.12)) * np.float32(1 / 1.12), 0, np.inf)
    # The highlight: a cosine to the half vector (Blinn, 1977), squared again and again until it is narrow.
    shine = None
    if finish.gloss:
        shine = clamp(nx * hx + ny * hy + nz * hz, 0, np.inf)
        for _ in range(finish.sharp):
            shine *= shine
        shine *= np.float32(finish.gloss)
    # The window and the bright rim that smooth surfaces reflect: the view direction mirrored at the normal.
    if finish.mirror:
        twice = 2 * nz
        across = np.abs(twice * nx - lx)
        down = np.abs(twice * ny - ly)
        wide = np.float32(light.window[0])
        high = np.float32(light.window[1])
        pane = clamp((wide - across) * 9) * clamp((high - down) * 9)
        pane = pane * (1 - np.float32(0.7) * clamp(1 - across * 30))  # the window's bar
        rim = 1 - nz
        reflection = np.float32(finish.mirror) * (pane + np.float32(0.35) * rim * rim * (1 - ny))
        shine = (0 if shine is None else shine) + reflection
    # The sky lights what faces up (ny = -1), the ground what faces down; the color goes in where it costs least.
    key, mean, slope, bright = light.spreads
    color = spread(part.color)
    layers = part.paint(f) if part.paint else ()
    for weight, over in layers:
        color = color + (spread(over) - color) * weight
    if layers:
        glow = (key * lit + slope * ny + mean) * color
    else:
        glow = key * color * lit + slope * color * ny + mean * color
    if finish.grain:
        glow = glow * grain
    return glow if shine is None else glow + bright * shine
