"""One scene: a synthetic image with its exact ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import cv2
import numpy as np

from seglab.sample import Instance, Sample
from seglab.toybox.builder import SceneBuilder
from seglab.toybox.canvas import paint, visible
from seglab.toybox.layouts import LAYOUTS, PLAIN_NAMES, outdoor, plain
from seglab.toybox.materials import clamp, spread
from seglab.toybox.objects import NAMES
from seglab.toybox.outlines import box


def scene(seed: int | Sequence[int], size: tuple[int, int] = (480, 640)) -> Sample:
    """A rendered image of objects, and its exact ground truth.

    seed: a number or several; the same seed and size give the same image. size: (height, width) in pixels.
    Objects come back to front; their rings are what can be seen of them, in the image frame, parts and holes kept.
    """
    rng = np.random.default_rng([73, *np.atleast_1d(seed).tolist()])
    layout = list(LAYOUTS)[rng.choice(len(LAYOUTS), p=list(LAYOUTS.values()))]
    builder = SceneBuilder(rng, *size, outdoor=layout is outdoor)
    layout(builder)
    return _painted(builder)


def plain_scene(seed: int | Sequence[int], size: tuple[int, int] = (128, 128)) -> Sample:
    """A scene that a small network learns within minutes: two to five large objects, seen from above.

    Arguments and result as of `scene`, except that class ids are positions in `PLAIN_NAMES`.
    """
    rng = np.random.default_rng([74, *np.atleast_1d(seed).tolist()])
    builder = SceneBuilder(rng, *size, outdoor=False)
    plain(builder)
    sample = _painted(builder)
    instances = [Instance(PLAIN_NAMES.index(NAMES[each.class_id]), each.rings) for each in sample.instances]
    return Sample(sample.image, instances)


def _painted(builder: SceneBuilder) -> Sample:
    """The image of what was put down, and what can be seen of each object."""
    image = builder.image
    image *= spread(0.75 * builder.light.key + 0.3 * builder.light.sky)
    instances = []
    for placed, cut, rings in visible(builder.objects, builder.height, builder.width):
        paint(image, placed, cut, builder.light, builder.rng)
        if placed.class_id >= 0:
            instances.append(Instance(placed.class_id, rings))
    return Sample(_expose(image, builder.rng, builder.outdoor), instances)


def _expose(image: np.ndarray, rng: np.random.Generator, outdoor: bool) -> np.ndarray:
    """Linear light (3, H, W), overwritten, to an image (H, W, 3) uint8: illumination, vignette, lens, exposure,
    noise, tones."""
    height, width = image.shape[1:]
    v, u = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 * np.float32(0.6) for n in (height, width))
    # Light over the image: where it comes from, and what the lens loses toward the corners.
    field = _illumination(rng, height, width, outdoor)
    field *= 1 - np.float32(rng.uniform(0.05, 0.35)) * clamp(v[:, None] + u)
    # Exposure for the image's mean, with a color cast of a few percent.
    mean = float((image[:, ::8, ::8] * field[::8, ::8]).mean())
    gains = rng.uniform(0.94, 1.06, 3) * rng.uniform(0.24, 0.42) / max(mean, 0.05)
    sigma = rng.uniform(0.35, 0.75)
    strength = np.float32(rng.uniform(0.003, 0.014))
    # Each channel takes its noise from a random place of one field, which is made once.
    grain = _grain(height + 256, width + 256)
    channels = []
    noise = np.empty_like(field)
    for plane, gain in zip(image, gains):
        top, left = rng.integers(0, 256, 2)
        cv2.GaussianBlur(plane, (3, 3), sigma, dst=plane)
        plane *= field
        plane.clip(0, np.inf, out=plane)
        plane *= np.float32(gain)
        cv2.sqrt(plane, dst=plane)  # the root, in which photon noise is even
        plane += np.multiply(grain[top : top + height, left : left + width], strength, out=noise)
        plane *= np.float32(4095 / 2)
        plane.clip(0, 4095, out=plane)
        channels.append(np.take(_tones(), plane.astype(np.uint16)))
    return cv2.merge(channels)


def _illumination(rng: np.random.Generator, height: int, width: int, outdoor: bool) -> np.ndarray:
    """(height, width) float32: the light falls off over the image; indoors it may come through a window's panes."""
    # At an eighth of the size, for light changes slowly.
    h = (height + 7) // 8
    w = (width + 7) // 8
    v = np.arange(h, dtype=np.float32)[:, None] / h - np.float32(rng.uniform(0, 0.6))
    u = np.arange(w, dtype=np.float32)[None] / w - np.float32(rng.uniform(0.1, 0.9))
    field = 1 - np.float32(0.2 if outdoor else rng.uniform(0.15, 0.5)) * np.minimum(u * u + v * v, 1)
    if not outdoor and rng.random() < 0.3:
        panes = np.zeros((h, w), np.uint8)
        lean = rng.uniform(-0.6, 0.6)
        corner = rng.uniform(-0.2, 0.6, 2) * (w, h)
        size = rng.uniform(0.18, 0.35) * w
        for x, y in ((i * 1.1, j * 0.85) for i in range(2) for j in range(3)):
            pane = box(x, y, x + 1, y + 0.75) @ np.array([[1, lean * 0.3], [lean, 1]]) * size + corner
            cv2.fillConvexPoly(panes, np.rint(pane * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        k = int(rng.integers(1, 4)) * 2 + 1
        field = field * np.float32(0.7) * (1 + cv2.blur(panes, (k, k)) * np.float32(rng.uniform(0.5, 1.1) / 255))
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)


@lru_cache(maxsize=4)
def _grain(height: int, width: int) -> np.ndarray:
    """(height, width) float32 sensor noise of unit strength, a little blurred, as demosaicing leaves it."""
    raw = np.random.default_rng(72).standard_normal((height, width), np.float32)
    return cv2.GaussianBlur(raw, (3, 3), 0.55) * np.float32(1.6)


@cache
def _tones() -> np.ndarray:
    """4096 steps of the root of linear light, 0 to 2, as 8 bits: a filmic curve (Narkowicz, 2015), then gamma."""
    x = np.linspace(0, 2, 4096) ** 2 * 0.8
    y = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    return np.rint(255 * y ** (1 / 2.2)).astype(np.uint8)
