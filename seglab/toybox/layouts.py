"""Layouts of a scene: a shelf, a table, a surface from above, outdoors; each with its background and its objects."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from seglab.toybox.builder import SceneBuilder, extent
from seglab.toybox.materials import clamp, linear, spread
from seglab.toybox.objects import NAMES, book
from seglab.toybox.props import blanket, board, pencil, post
from seglab.toybox.tiles import noise

__all__ = ["LAYOUTS", "PLAIN_NAMES", "above", "outdoor", "plain", "shelf", "table"]

Tone = tuple[int, ...]  # sRGB, 0 to 255


def _tones(text: str) -> list[Tone]:
    """Of colors in hexadecimal."""
    return [tuple(bytes.fromhex(color)) for color in text.split()]


WOODS = [
    _tones(dark_and_light) for dark_and_light in ("54321c 9e683c", "96704a d8b280", "38241a 6c4830", "b49674 eed8b8")
]
PAINTS = _tones("ded4c4 bac8cc 748a8e 54667a ceb698 96a48e eceae4 b88674")
CLOTHS = _tones("ce3e36 3c608c eae2d0 748e6c d4a846 545660 e4b4b4 5a3c6e")


def _choose(rng: np.random.Generator, colors: Sequence) -> np.ndarray:
    return np.array(colors[int(rng.integers(len(colors)))], float)


def _surface(rng: np.random.Generator, kinds: Sequence[str]) -> tuple[str, np.ndarray]:
    """One of `kinds` of tiles, and its dark and light tone (2, 3)."""
    kind = kinds[int(rng.integers(len(kinds)))]
    if kind in ("wood", "planks"):
        return kind, _choose(rng, WOODS)
    color = _choose(rng, CLOTHS if kind in ("weave", "gingham") else PAINTS)
    return kind, np.array([color, (245, 245, 240)] if kind == "gingham" else [color * 0.62, color * 1.1])


TOPS = ("wood", "wood", "planks", "planks", "weave", "marble", "gingham", "plaster", "paper")


def shelf(builder: SceneBuilder) -> None:
    """Boards on a wall, seen from the front, with objects side by side and some before others.

    Here as in all layouts `w` and `h` are the image's size in pixels, `unit` pixels a unit of an object (10 cm), and
    `tilt` the sine of the camera's elevation. The order of random draws is part of what a seed means.
    """
    rng = builder.rng
    h = builder.height
    w = builder.width
    builder.tip(0.015, 0.08)
    tilt = rng.uniform(0.03, 0.2)
    rows = int(rng.choice([1, 2, 3, 4], p=[0.46, 0.35, 0.14, 0.05]))
    spacing = h / rows * rng.uniform(0.95, 1.2)
    unit = spacing / rng.uniform(2.4, 3.8)
    deep = 2.0 * tilt
    # The wall, and the boards' front edges from the top down, evenly spaced; the lowest may be cut off.
    wood = linear(_choose(rng, WOODS)[1] * rng.uniform(0.55, 0.95))
    builder.image = builder.upright(*_surface(rng, ("plaster", "plaster", "paper", "planks", "weave", "gingham")))
    start = h - rng.uniform(0.04, 0.25) * spacing
    edges = [start - row * spacing for row in range(rows, -1, -1)]
    for y in edges:
        placed = builder.put(board(-2, w / unit + 2, rng.uniform(0.16, 0.24), deep, wood), 0, y, unit)
        builder.drop_shadow(placed, 0.5 * unit, 0.5 * unit, 0.6)
    # Two rows on every board: one at the back, and a few low objects before it.
    for y in edges:
        for before in (False, True):
            _row(builder, y - unit * deep * (0.1 if before else 0.6), unit, tilt, spacing, before)
    if rng.random() < 0.35:
        placed = builder.put(post(rng.uniform(0.16, 0.4), h, wood), rng.uniform(0.1, 0.9) * w, h / 2, unit)
        builder.drop_shadow(placed, 0.4 * unit, 0.3 * unit, 0.5)


def _row(builder: SceneBuilder, foot: float, unit: float, tilt: float, spacing: float, before: bool) -> None:
    """Objects along a shelf; `before`: few and low ones, in front of the others."""
    rng = builder.rng
    x = builder.rng.uniform(-0.6, 0.8) * unit
    while x < builder.width and foot > 0.2 * spacing:
        if rng.random() < (0.75 if before else 0.1):
            x += rng.uniform(0.6, 2.2) * unit
            continue
        # Books often come as a row of several, with their spines to the front.
        class_id, pose, factor, parts = builder.draw(("stand", "hang"), tilt)
        books = NAMES[class_id] == "book" and rng.random() < 0.6
        for _ in range(int(rng.integers(2, 6)) if books else 1):
            parts = book(rng, pose, tilt, spine=True) if books else parts
            scale = unit * factor * rng.uniform(0.85, 1.15)
            turn = rng.normal(0, 0.02)
            # Put down once at unit size to measure it, so that it can be made to fit under the next board.
            _, y0, _, y1 = extent(builder.put(parts, 0, 0, 1.0, turn, class_id))
            builder.objects.pop()
            # What stands has its foot at y = 0; what hangs is leant against the wall with its lowest point there.
            lowest = 0 if pose == "stand" else y1
            room = spacing * (0.45 if before else 0.9)
            scale = min(scale, room / (lowest - y0))
            placed = builder.put(parts, 0, foot - lowest * scale, scale, turn, class_id)
            # Its left edge goes where the last one ended.
            x0, _, x1, _ = extent(placed)
            placed.matrix[0, 2] += x - x0
            builder.drop_shadow(placed, 0.45 * unit, 0.35 * unit, 0.45)
            builder.ground_shadow(placed, tilt, far=False)
            x += (x1 - x0) * (rng.uniform(0.97, 1.05) if books else rng.uniform(0.8, 1.1))
        x += rng.uniform(0, 0.6) * unit


def _room(builder: SceneBuilder) -> np.ndarray:
    """(3, H, W): the far side of a room, out of focus: a wall, furniture, perhaps a window and lamps."""
    rng = builder.rng
    h = builder.height // 4
    w = builder.width // 4
    uneven = noise(rng, h, w, ((2, 3), (4, 6)), 0.8) * np.float32(0.2) + 1
    small = uneven * spread(linear(_choose(rng, PAINTS) * rng.uniform(0.5, 1.0)))

    def block(x0: float, y0: float, x1: float, y1: float, color: np.ndarray) -> None:
        """Fill a rectangle, given in fractions of the image."""
        top = max(int(y0 * h), 0)
        bottom = max(int(y1 * h), 0)
        left = max(int(x0 * w), 0)
        right = max(int(x1 * w), 0)
        small[:, top:bottom, left:right] = spread(color)

    # Furniture and pictures on the wall.
    for _ in range(int(rng.integers(1, 5))):
        x = rng.uniform(-0.1, 1)
        y = rng.uniform(-0.1, 0.4)
        wide = rng.uniform(0.06, 0.35)
        high = rng.uniform(0.1, 0.5)
        block(x, y, x + wide, y + high, linear(_choose(rng, PAINTS + CLOTHS) * rng.uniform(0.25, 0.9)))
    # A window of four panes, brighter than the room.
    if rng.random() < 0.5:
        x = rng.uniform(0, 0.75)
        pane = rng.uniform(0.07, 0.15)
        sky = np.array([0.95, 1.05, 1.15]) * rng.uniform(0.9, 1.8)
        block(x - 0.02, -0.1, x + 2 * pane + 0.004, 0.5, linear("ece8e0"))
        for left, top in ((0, -0.04), (pane, -0.04), (0, 0.2), (pane, 0.2)):
            block(x + left, top, x + left + pane - 0.016, top + 0.22, sky)
    # Lamps, which out of focus are discs.
    for _ in range(int(rng.integers(0, 9)) if rng.random() < 0.4 else 0):
        lamp = np.zeros((h, w), np.uint8)
        center = (int(rng.uniform(0, w)), int(rng.uniform(0, h * 0.5)))
        cv2.circle(lamp, center, int(w * rng.uniform(0.012, 0.035)), 255, -1)
        small += lamp * spread(np.array([1.3, 1.0, 0.6]) * rng.uniform(0.2, 0.9) / 255)
    # Drawn at a quarter of the size and blurred there, for nothing of it is in focus.
    sigma = rng.uniform(1.0, 4.0) * w / 160
    size = (builder.width, builder.height)
    image = np.empty((3, builder.height, builder.width), np.float32)
    for plane, large in zip(small, image):
        cv2.resize(cv2.GaussianBlur(plane, (0, 0), sigma), size, dst=large)
    return image


def table(builder: SceneBuilder) -> None:
    """A table before a room, seen from above at an angle; far objects are smaller, and some out of focus."""
    rng = builder.rng
    h = builder.height
    w = builder.width
    builder.tip(0.015, 0.05)
    tilt = rng.uniform(0.2, 0.62)
    builder.image = _room(builder)
    horizon = h * (0.5 - 0.75 * tilt) * rng.uniform(0.7, 1.2)
    first, top = builder.level(*_surface(rng, TOPS), horizon, rng.uniform(1.0, 2.0), rng.uniform(-0.5, 0.5))
    # A polished top mirrors the room's last row, most of all at its far edge, below which lies a dark line.
    sheen = np.linspace(rng.uniform(0.1, 0.6), 0, h - first, dtype=np.float32)[:, None] ** 2
    builder.image[:, max(first - 3, 0) : first] *= np.float32(0.5)
    for plane, ground in zip(builder.image, top):
        mirrored = plane[first - 4 : first - 3] if first > 4 else np.float32(0.3)
        np.add(ground, sheen * (mirrored - ground), out=plane[first:])
    near = w / rng.choice([rng.uniform(2.6, 6.5), rng.uniform(6.5, 16.0)])
    far = rng.uniform(0.3, 0.6)
    # Objects from far to near, in sharp focus at one depth only.
    focus = rng.uniform(0.4, 1.0)
    strength = rng.uniform(0, 2.2) * w / 640
    taken: list[tuple[float, float]] = []
    for depth in np.sort(rng.uniform(0, 1, rng.integers(2, 15))):
        y = first + (h - first) * (0.06 + 0.9 * depth)
        unit = near * (far + (1 - far) * depth) * rng.uniform(0.85, 1.15)
        # Eight tries for a free place, else the last one: objects may overlap, but seldom wholly.
        for _ in range(8):
            x = rng.uniform(0.02, 0.98) * w
            if all(abs(x - a) > 1.1 * unit or abs(y - b) > 1.1 * unit * tilt for a, b in taken):
                break
        taken.append((x, y))
        builder.set_down(x, y, unit, tilt).blur = strength * abs(depth - focus)
    builder.frame(near)


def above(builder: SceneBuilder) -> None:
    """Objects strewn over a surface, seen from straight above."""
    rng = builder.rng
    h = builder.height
    w = builder.width
    builder.tip(0.0, 0.1)
    builder.image = builder.upright(*_surface(rng, TOPS), rng.uniform(0, 6.28))
    tilt = rng.uniform(0.86, 0.98)
    count = int(rng.integers(2, 19))
    unit = w / rng.uniform(3.4, 8.0) * (1.3 if count < 7 else 0.8)
    if rng.random() < 0.3:  # from higher up
        unit = unit * rng.uniform(0.3, 0.6)
        count = count + 4
    taken: list[tuple[float, float]] = []
    for k in range(count):
        for _ in range(8):
            x = rng.uniform(0, w)
            y = rng.uniform(0, h)
            if all(np.hypot(x - a, y - b) > 1.1 * unit for a, b in taken):
                break
        taken.append((x, y))
        class_id, _, factor, parts = builder.draw(("lie", "hang"), tilt)
        scale = unit * factor * rng.uniform(0.8, 1.2)
        placed = builder.put(parts, x, y, scale, rng.uniform(0, 6.28), class_id)
        builder.drop_shadow(placed, rng.uniform(0.08, 0.16) * scale, 0.16 * scale, 0.6)
        # Now and then a pencil beside it, which has no label.
        if k % 6 == 5 and rng.random() < 0.6:
            parts = pencil(rng)
            beside_x, beside_y = rng.uniform(-1, 1, 2) * unit + (x, y)
            placed = builder.put(parts, beside_x, beside_y, unit, rng.uniform(0, 6.28))
            builder.drop_shadow(placed, 0.06 * unit, 0.06 * unit, 0.6)
    builder.frame(unit)


def outdoor(builder: SceneBuilder) -> None:
    """Kites over a meadow or a beach, and other objects on the ground."""
    rng = builder.rng
    h = builder.height
    w = builder.width
    builder.tip(0.03, 0.03)
    tilt = rng.uniform(0.12, 0.35)
    horizon = int(h * rng.uniform(0.45, 0.8))
    sand = rng.random() < 0.4
    hue = rng.random()
    haze = linear(np.array((176, 208, 232)) + hue * np.array((56, 10, -24)))
    image = np.empty((3, h, w), np.float32)
    _sky(builder, image[:, :horizon], hue, haze)
    _ridge(rng, image[:, :horizon], sand, h)
    # The ground in perspective, paler with distance.
    tones = ((176, 146, 104), (244, 222, 180)) if sand else ((34, 62, 20), (156, 184, 74))
    first, lawn = builder.level("plaster" if sand else "grass", tones, horizon, 3.0, 0.0)
    mist = np.linspace(0.7, 0, h - first, dtype=np.float32)[:, None] ** 2
    np.add(lawn, mist * (spread(haze) - lawn), out=image[:, first:])
    strings = _fly_kites(builder, horizon, tilt)
    # Far things are a little out of focus, strings with them.
    for plane in image:
        plane += (np.float32(0.6) - plane) * strings
        cv2.GaussianBlur(plane, (5, 5), 1.1, dst=plane)
    builder.image = image
    if rng.random() < 0.4:
        color = linear(_choose(rng, CLOTHS[:2] + CLOTHS[3:]))
        cloth = builder.put(blanket(color), rng.uniform(0.2, 0.8) * w, (horizon + h * 1.4) / 2.4, w * 0.4)
        builder.drop_shadow(cloth, 0, 4, 0.5)
    # Objects on the ground from far to near, so that near ones cover far ones.
    near = w / rng.uniform(5, 16)
    for depth in np.sort(rng.uniform(0, 1, rng.integers(1, 9))):
        unit = near * (0.35 + 0.65 * depth) * rng.uniform(0.8, 1.2)
        y = horizon + (h - horizon) * (0.12 + 0.83 * depth)
        builder.set_down(rng.uniform(0.03, 0.97) * w, y, unit, tilt, without=("kite",))
    builder.frame(near)


def _sky(builder: SceneBuilder, image: np.ndarray, hue: float, haze: np.ndarray) -> None:
    """Fill the rows above the horizon, (3, h, w): a gradient from the zenith down to the haze, and clouds."""
    horizon = image.shape[1]
    zenith = linear(np.array((40, 104, 196)) + hue * np.array((70, 24, -24)))
    # One gray plane of clouds, stretched, of which more or less rises above a threshold.
    x, y = builder.rng.uniform(0, 150, 2)
    to_tile = np.array([[0.7, 0, x], [0.1, 1.2, y], [0, 0, 1]])
    cloud = builder.surface("clouds", to_tile, ((0, 0, 0), (250, 250, 250)))[0]
    cloud = clamp((cloud - np.float32(builder.rng.uniform(0.25, 0.6))) * np.float32(2.2))
    rows = np.arange(horizon, dtype=np.float32)[:, None]
    sky = spread(zenith) + spread(haze - zenith) * np.minimum(rows * np.float32(1 / horizon), 1)
    np.add(sky, (np.float32(0.95) - sky) * cloud[:horizon], out=image)


def _ridge(rng: np.random.Generator, image: np.ndarray, sand: bool, height: int) -> None:
    """A ridge along the horizon, the last row of `image` (3, h, w): hills or, over sand, the far shore."""
    horizon, width = image.shape[1:]
    rough = np.abs(noise(rng, 1, width, ((1, 5), (1, 11), (1, 40), (1, 90)))[0])
    ridge = rough * np.float32(height * (0.012 if sand else 0.07)) + 2
    distant = linear("42809e" if sand else "486254")
    # Only rows that the ridge reaches are touched.
    peak = max(int(horizon - ridge.max()), 0)
    rows = np.arange(peak, horizon, dtype=np.float32)[:, None]
    hills = image[:, peak:]
    hills += (spread(distant) - hills) * clamp(rows - (np.float32(horizon) - ridge))


def _fly_kites(builder: SceneBuilder, horizon: int, tilt: float) -> np.ndarray:
    """Put one to six kites into the sky; (height, width) float32 is what their strings cover.

    Strings are drawn together, for they are laid over the image once.
    """
    rng = builder.rng
    h = builder.height
    w = builder.width
    strings = np.zeros((h, w), np.uint8)
    all_but_kites = [name for name in NAMES if name != "kite"]
    t = np.linspace(0, 1, 12)
    for _ in range(int(rng.integers(1, 7))):
        x = rng.uniform(0.05, 0.95) * w
        y = rng.uniform(0.05, 0.75) * horizon
        line = np.stack([x + rng.uniform(-0.5, 0.5) * w * t * t, y + (h * 0.95 - y) * t], 1)
        cv2.polylines(strings, [np.rint(line * 16).astype(np.int32)], False, 90, 1, cv2.LINE_AA, 4)
        kite = builder.draw(("hang",), tilt, without=all_but_kites)
        builder.put(kite.parts, x, y, w / rng.uniform(8, 44), rng.normal(0, 0.4), kite.class_id)
    return strings.astype(np.float32) * np.float32(1 / 255)


PLAIN_NAMES = ("donut", "banana", "book")


def plain(builder: SceneBuilder) -> None:
    """Two to five large objects of three classes, flat on a surface seen from above, seldom over each other."""
    rng = builder.rng
    h = builder.height
    w = builder.width
    builder.tip(0.0, 0.05)
    builder.image = builder.upright(*_surface(rng, ("wood", "planks", "plaster", "paper")))
    length = min(h, w) * rng.uniform(0.33, 0.42)  # the longer side of every object's box
    others = [name for name in NAMES if name not in PLAIN_NAMES]
    taken: list[tuple[float, float]] = []
    for _ in range(int(rng.integers(2, 6))):
        # Thirty tries for a free place, else the last one.
        for _ in range(30):
            x, y = rng.uniform(0.18, 0.82, 2) * (w, h)
            if all(np.hypot(x - a, y - b) > 0.8 * length for a, b in taken):
                break
        taken.append((x, y))
        class_id, _, _, parts = builder.draw(("lie",), 0.95, without=others)
        turn = rng.uniform(0, 6.28)
        # Put down once at unit size to measure it.
        x0, y0, x1, y1 = extent(builder.put(parts, 0, 0, 1.0, turn, class_id))
        builder.objects.pop()
        scale = length / max(x1 - x0, y1 - y0)
        placed = builder.put(parts, x - scale * (x0 + x1) / 2, y - scale * (y0 + y1) / 2, scale, turn, class_id)
        builder.drop_shadow(placed, 0.1 * scale, 0.14 * scale, 0.6)


LAYOUTS = {shelf: 0.3, table: 0.32, above: 0.22, outdoor: 0.16}  # and how often each comes
