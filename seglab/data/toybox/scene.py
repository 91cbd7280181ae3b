"""The scene: a place, a light, a camera, and things arranged in front of it."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from seglab.data.sample import Object, Sample
from seglab.data.toybox.canvas import Placed, paint, visible
from seglab.data.toybox.materials import TILE, Light, linear, noise, tile
from seglab.data.toybox.things import NAMES, THINGS, lay

STAGES = ("shelf", "table", "flat", "outdoor")
WOODS = [
    ((84, 50, 28), (150, 98, 56)),
    ((150, 112, 74), (206, 168, 120)),
    ((60, 38, 26), (104, 68, 44)),
    ((176, 146, 112), (226, 204, 172)),
]
WALLS = [
    (214, 206, 192),
    (186, 196, 198),
    (120, 138, 140),
    (92, 106, 120),
    (200, 178, 150),
    (150, 160, 140),
    (228, 226, 220),
    (170, 130, 116),
]
CLOTHS = [(206, 60, 54), (60, 92, 130), (226, 218, 200), (120, 140, 110), (196, 150, 60), (90, 90, 96), (220, 180, 180)]


def _surface(kind: str, matrix: np.ndarray, height: int, width: int, dark, light) -> list[np.ndarray]:
    """(height, width) planes of a tile laid out by a 3x3 `matrix` (image to tile), its tones running from `dark` to `light` (sRGB)."""
    grey = cv2.warpPerspective(
        tile(kind),
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    ).astype(np.float32)
    low, high = linear(dark), linear(light)
    return [grey * np.float32((b - a) / 255) + np.float32(a) for a, b in zip(low, high)]


def _pool(rng: np.random.Generator, height: int, width: int, depth: float) -> np.ndarray:
    """(height, width) float32 fall-off of the light: brightest near one point, 1 - depth far away."""
    x, y = rng.uniform(0.1, 0.9), rng.uniform(0.0, 0.6)
    v = (np.arange(height // 8, dtype=np.float32) / (height // 8) - np.float32(y))[:, None]
    u = (np.arange(width // 8, dtype=np.float32) / (width // 8) - np.float32(x))[None]
    return cv2.resize(1 - np.float32(depth) * np.minimum(u * u + v * v, 1), (width, height))


def _light(rng: np.random.Generator, outdoor: bool) -> Light:
    side = rng.choice([-1, 1])
    towards = np.array([side * rng.uniform(0.25, 0.8), -rng.uniform(0.45, 0.9), rng.uniform(0.45, 0.8)])
    towards /= np.sqrt((towards**2).sum())
    warm = rng.uniform(-0.12, 0.16)
    power = rng.uniform(0.9, 1.35)
    key = power * np.array([1 + warm, 1, 1 - warm * 1.3])
    cool = rng.uniform(-0.05, 0.12)
    sky = rng.uniform(0.28, 0.5) * np.array([1 - cool, 1, 1 + cool])
    ground = sky * rng.uniform(0.35, 0.7) * np.array([1.06, 1, 0.92])
    return Light(tuple(float(v) for v in towards), key, sky, ground, (rng.uniform(0.14, 0.3), rng.uniform(0.14, 0.34)))


def _place(rng, name, pose, tilt, x, y, scale, light, wall=0.0, turn=None) -> Placed:
    """Make a thing and put its origin at (x, y), `scale` pixels a unit; wall: its distance from a wall behind it, in units."""
    make, _ = THINGS[name]
    parts = make(rng, pose, tilt)
    if turn is None:
        turn = rng.normal(0, 0.02) if pose == "stand" else 0.0
        if name == "umbrella" and pose == "stand":
            turn = rng.normal(0, 0.25)
    mirror = 1.0
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    matrix = np.array([[c * mirror, -s, x], [s * mirror, c, y]])
    lx, ly, lz = light.towards
    if pose == "stand":
        slope = -lx / lz * 0.8
        length = 0.25 + 0.35 * tilt
        shadow = np.array([[1, -slope * 0.7, slope * 0.7 * y], [0, length, y - length * y]])
        soft, dark = 0.12 * scale, 0.55
        if wall:
            shadow = np.array([[1.0, 0, -lx / lz * wall * scale], [0, 1.0, -ly / lz * wall * scale * 0.6]])
            soft, dark = 0.22 * scale, 0.45
    else:
        reach = 0.10 if not wall else wall
        shadow = np.array([[1.0, 0, -lx / lz * reach * scale], [0, 1.0, -ly / lz * reach * scale]])
        soft, dark = max(0.1, 0.5 * reach) * scale, 0.6
    return Placed(parts, matrix, NAMES.index(name), 0.0, shadow, soft, dark)


def _extent(thing: Placed) -> tuple[float, float, float, float]:
    points = np.concatenate([r for p in thing.parts for r in p.rings]) @ thing.matrix[:, :2].T + thing.matrix[:, 2]
    return (*points.min(0), *points.max(0))


def _shelf(rng, height, width, light):
    tilt = rng.uniform(0.03, 0.16)
    rows = int(rng.integers(1, 5))
    spacing = height / rows * rng.uniform(0.95, 1.15)
    dark, bright = (np.array(c) for c in WOODS[rng.integers(len(WOODS))])
    wall = np.array(WALLS[rng.integers(len(WALLS))])
    zoom = TILE / max(height, width) * rng.uniform(0.5, 1.2)
    kind = ("plaster", "planks", "plaster", "weave")[rng.integers(4)]
    where = np.array([[zoom, 0, rng.uniform(0, 200)], [0, zoom, rng.uniform(0, 200)], [0, 0, 1.0]])
    planes = _surface(kind, where, height, width, wall * 0.72, np.minimum(wall * 1.15, 255))
    things = []
    unit = spacing / rng.uniform(2.9, 3.6)
    start = height - rng.uniform(0.02, 0.2) * spacing
    board = max(int(spacing * rng.uniform(0.05, 0.09)), 3)
    deep = max(int(unit * 2.2 * tilt), 2)
    grain = np.array([[1.2, 0, rng.uniform(0, 300)], [0, 1.6, 0], [0, 0, 1.0]])
    for row in range(rows, -1, -1):
        y = start - row * spacing
        if y < -board or y > height + deep:
            continue
        top, edge, low = int(y - deep), int(y), int(y + board)
        grain[1, 2] = rng.uniform(0, 300)
        for i, (a, b, gain) in enumerate(((top, edge, 1.0), (edge, low, 0.62))):
            a, b = max(a, 0), min(b, height)
            if b > a:
                strip = _surface("wood", grain, b - a, width, dark, bright)
                for plane, s in zip(planes, strip):
                    plane[a:b] = s * np.float32(gain * (1.15 if i == 0 else 1))
        a, b = max(low, 0), min(int(low + spacing * 0.3), height)
        if b > a:
            fade = (1 - 0.6 * np.linspace(1, 0, int(low + spacing * 0.3) - low, dtype=np.float32) ** 2)[
                a - low : b - low, None
            ]
            for plane in planes:
                plane[a:b] *= fade
        if row == rows or y > height + 5:
            continue
    for row in range(rows - 1, -1, -1):
        y = start - row * spacing
        for depth in (0, 1):
            x = rng.uniform(-0.5, 0.6) * unit
            while x < width:
                if rng.random() < (0.12 if depth == 0 else 0.6):
                    x += rng.uniform(0.5, 2.0) * unit
                    continue
                name = NAMES[rng.integers(len(NAMES))]
                poses = THINGS[name][1]
                pose = "stand" if "stand" in poses else poses[-1]
                scale = unit * rng.uniform(0.85, 1.1)
                if name in ("umbrella", "kite"):
                    scale *= rng.uniform(0.55, 0.75)
                base = y - deep * (0.7 if depth == 0 else 0.15)
                thing = _place(rng, name, pose, tilt, 0, base, scale, light, 0.5)
                x0, y0, x1, y1 = _extent(thing)
                if y1 - y0 > spacing * 0.93:
                    shrink = spacing * 0.93 / (y1 - y0)
                    thing.matrix[:, :2] *= shrink
                    x0, y0, x1, y1 = _extent(thing)
                if depth == 1 and y1 - y0 > spacing * 0.6:
                    continue
                thing.matrix[0, 2] += x - x0
                thing.matrix[1, 2] += base - y1 if pose != "stand" or name == "umbrella" else 0
                things.append(thing)
                x += (x1 - x0) * rng.uniform(0.75, 1.1) + rng.uniform(0, 0.5) * unit * (rng.random() < 0.6)
    return planes, things, 0.8


def _table(rng, height, width, light):
    tilt = rng.uniform(0.2, 0.6)
    horizon = height * rng.uniform(-0.1, 0.45) * (1.1 - tilt)
    wall = np.array(WALLS[rng.integers(len(WALLS))])
    where = np.array([[0.8, 0, 30], [0, 0.8, 30], [0, 0, 1.0]])
    planes = _surface(("plaster", "planks", "marble")[rng.integers(3)], where, height, width, wall * 0.6, wall * 1.1)
    far = noise(rng, height // 8, width // 8, ((3, 5), (6, 9)), 0.8) * 0.18 + 1
    far = cv2.resize(far, (width, height))
    planes = [cv2.blur(p * far, (9, 9)) for p in planes]
    h = int(np.clip(horizon, 0, height))
    kind = ("wood", "planks", "weave", "marble", "plaster")[rng.integers(5)]
    dark, bright = (
        WOODS[rng.integers(len(WOODS))]
        if kind in ("wood", "planks")
        else (np.array(c) * f for c, f in zip([CLOTHS[rng.integers(len(CLOTHS))]] * 2, (0.6, 1.12)))
    )
    near, far_w = 1.0, rng.uniform(1.8, 2.6)
    t = TILE
    a = rng.uniform(-0.3, 0.3)
    corners = np.array(
        [
            [-0.4 * width, height],
            [1.4 * width, height],
            [0.5 * width + 0.5 * width / far_w * 1.8, h],
            [0.5 * width - 0.5 * width / far_w * 1.8, h],
        ],
        np.float32,
    )
    target = np.array([[0, t], [t * 1.5, t], [t * 1.5, -t * 0.6], [0, -t * 0.6]]) / rng.uniform(1.0, 2.2)
    c, s = np.cos(a), np.sin(a)
    target = (target @ np.array([[c, s], [-s, c]])).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    plane = _surface(kind, matrix, height, width, dark, np.minimum(bright, 255))
    shine = np.linspace(0.35, 0, max(height - h, 1), dtype=np.float32)[:, None] ** 2
    for p, q in zip(planes, plane):
        p[h:] = q[h:] * np.float32(1.15) + shine * np.float32(0.5)
        if h > 3:
            p[h - 3 : h] *= 0.6
    planes = [cv2.GaussianBlur(p, (3, 3), 0.8) for p in planes]
    count = int(rng.integers(3, 17))
    big = width / rng.uniform(4.0, 9.0) * (1.25 if count < 7 else 0.8)
    things = []
    depths = np.sort(rng.uniform(0.02, 1, count))
    taken = []
    for z in depths:
        y = h + (height * 0.98 - h) * (0.10 + 0.9 * z)
        scale = big * (1 / far_w + (1 - 1 / far_w) * z) * rng.uniform(0.8, 1.15)
        name = NAMES[rng.integers(len(NAMES))]
        poses = [p for p in THINGS[name][1] if p != "hang"] or ["hang"]
        pose = poses[rng.integers(len(poses))]
        if name in ("umbrella", "kite"):
            scale *= rng.uniform(0.5, 0.75)
        for _ in range(8):
            x = rng.uniform(0.03, 0.97) * width
            if all(abs(x - u) > 0.9 * scale or abs(y - v) > 0.6 * scale * tilt for u, v in taken):
                break
        taken.append((x, y))
        lie = name in ("bottle", "teddy bear", "banana", "umbrella") and pose == "lie"
        thing = _place(
            rng,
            name,
            pose,
            tilt,
            x,
            y,
            scale,
            light,
            turn=rng.uniform(-0.5, 0.5) + np.pi / 2 * (name == "bottle") if lie else None,
        )
        things.append(thing)
    return planes, things, tilt


def _flat(rng, height, width, light):
    tilt = rng.uniform(0.85, 1.0)
    kind = ("wood", "planks", "weave", "marble", "paper", "plaster")[rng.integers(6)]
    dark, bright = (
        WOODS[rng.integers(len(WOODS))]
        if kind in ("wood", "planks")
        else (np.array(c) * f for c, f in zip([(CLOTHS + WALLS)[rng.integers(len(CLOTHS + WALLS))]] * 2, (0.65, 1.12)))
    )
    zoom, a = TILE / max(height, width) * rng.uniform(0.6, 1.3), rng.uniform(0, 6.28)
    c, s = np.cos(a) * zoom, np.sin(a) * zoom
    planes = _surface(
        kind, np.array([[c, -s, 300], [s, c, 200], [0, 0, 1.0]]), height, width, dark, np.minimum(bright, 255)
    )
    planes = [p * np.float32(1.1) for p in planes]
    count = int(rng.integers(3, 19))
    unit = width / rng.uniform(4.5, 8.0) * (1.2 if count < 7 else 0.75)
    things, taken = [], []
    for _ in range(count):
        name = NAMES[rng.integers(len(NAMES))]
        poses = [p for p in THINGS[name][1] if p != "stand"] or ["stand"]
        pose = poses[rng.integers(len(poses))]
        scale = unit * rng.uniform(0.7, 1.15) * (rng.uniform(0.5, 0.8) if name in ("umbrella", "kite") else 1)
        for _ in range(8):
            x, y = rng.uniform(0.02, 0.98) * width, rng.uniform(0.02, 0.98) * height
            if all(np.hypot(x - u, y - v) > 0.9 * (scale + w) * 0.6 for u, v, w in taken):
                break
        taken.append((x, y, scale))
        turn = rng.uniform(0, 6.28)
        view = tilt
        things.append(_place(rng, name, pose, view, x, y, scale, light, turn=turn))
    return planes, things, tilt


def _outdoor(rng, height, width, light):
    tilt = rng.uniform(0.12, 0.35)
    h = int(height * rng.uniform(0.5, 0.85))
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    hue = rng.uniform(0, 1)
    top, low = (
        np.array((52, 110, 190)) + hue * np.array((60, 20, -20)),
        np.array((176, 206, 230)) + hue * np.array((50, 10, -20)),
    )
    cloud = _surface(
        "clouds",
        np.array([[0.7, 0, rng.uniform(0, 150)], [0.1, 1.2, rng.uniform(0, 150)], [0, 0, 1.0]]),
        height,
        width,
        (0, 0, 0),
        (255, 255, 255),
    )[0]
    cloud = np.clip((cloud - np.float32(rng.uniform(0.3, 0.6))) * 2.2, 0, 1)
    planes = []
    for i in range(3):
        a, b = linear(top)[i], linear(low)[i]
        base = np.float32(a) + np.float32(b - a) * np.minimum(ramp * height / h, 1)
        planes.append(base + (np.float32(0.95) - base) * cloud)
    sand = rng.random() < 0.4
    dark, bright = ((170, 140, 100), (236, 214, 170)) if sand else ((34, 62, 20), (150, 176, 70))
    corners = np.array([[-1.2 * width, height], [2.2 * width, height], [0.9 * width, h], [0.1 * width, h]], np.float32)
    target = np.array([[0, 1.6 * TILE], [3 * TILE, 1.6 * TILE], [3 * TILE, 0], [0, 0]], np.float32)
    ground = _surface(
        "plaster" if sand else "grass", cv2.getPerspectiveTransform(corners, target), height, width, dark, bright
    )
    haze = np.linspace(0.45, 0, height - h, dtype=np.float32)[:, None] ** 2
    for p, q, s in zip(planes, ground, linear(low)):
        p[h:] = q[h:] * (1 - haze) + np.float32(s) * haze
    hills = h - np.abs(noise(rng, 1, width, ((1, 5), (1, 11), (1, 40)), 0.5)[0]) * height * 0.07 - 2
    rows = np.arange(height, dtype=np.float32)[:, None]
    mask = np.clip(rows - hills[None], 0, 1) * (rows < h)
    for p, c in zip(planes, linear((74, 98, 96) if hue < 0.5 else (96, 104, 90))):
        p += (np.float32(c) - p) * mask
    planes = [cv2.GaussianBlur(p, (5, 5), 1.2) for p in planes]
    things = []
    for _ in range(int(rng.integers(1, 7))):
        scale = width / rng.uniform(8, 36)
        thing = _place(
            rng,
            "kite",
            "hang",
            tilt,
            rng.uniform(0.05, 0.95) * width,
            rng.uniform(0.05, 0.75) * h,
            scale,
            light,
            turn=rng.normal(0, 0.4),
        )
        thing.shadow = None
        things.append(thing)
    count = int(rng.integers(2, 9))
    big = width / rng.uniform(6, 12)
    for z in np.sort(rng.uniform(0, 1, count)):
        name = NAMES[rng.integers(len(NAMES))]
        if name == "kite" or rng.random() < 0.25:
            name = "umbrella"
        poses = [p for p in THINGS[name][1] if p != "hang"]
        pose = poses[rng.integers(len(poses))] if poses else "hang"
        y = h + (height - h) * (0.15 + 0.8 * z)
        turn = (
            rng.uniform(-0.5, 0.5) + np.pi / 2 * (name == "bottle")
            if pose == "lie" and name not in ("donut", "book", "scissors")
            else None
        )
        things.append(
            _place(
                rng,
                name,
                pose,
                tilt,
                rng.uniform(0.03, 0.97) * width,
                y,
                big * (0.45 + 0.55 * z) * rng.uniform(0.8, 1.2),
                light,
                turn=turn,
            )
        )
    return planes, things, tilt


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    """(1024, 1024) float32 sensor noise of unit strength, a little blurred as a camera's demosaicing leaves it."""
    raw = np.random.default_rng(72).standard_normal((1024, 1024)).astype(np.float32)
    return cv2.GaussianBlur(raw, (3, 3), 0.55) * np.float32(1.6)


@lru_cache(maxsize=1)
def _tone() -> np.ndarray:
    """4096 steps of linear light 0..1.6 to 8-bit: a soft shoulder, then gamma."""
    x = np.linspace(0, 1.6, 4096)
    y = x * (1 + x / 1.6**2) / (1 + x)
    y = y / y[-1] * 1.02
    return np.clip(np.round(255 * y ** (1 / 2.2)), 0, 255).astype(np.uint8)


def _expose(planes: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Linear light to the photograph: lens, vignette, white balance, exposure, noise, tone curve. (H, W, 3) uint8."""
    height, width = planes[0].shape
    v = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    u = np.linspace(-1, 1, width, dtype=np.float32)[None]
    vignette = 1 - np.float32(rng.uniform(0.05, 0.3)) * np.minimum((u * u + v * v) * np.float32(0.6), 1)
    gains = rng.uniform(0.93, 1.07, 3) * rng.uniform(0.85, 1.2)
    sigma, strength = rng.uniform(0.35, 0.75), rng.uniform(0.004, 0.02)
    channels = []
    for plane, gain in zip(planes, gains):
        plane = cv2.GaussianBlur(plane, (3, 3), sigma) * (vignette * np.float32(gain))
        top, left = rng.integers(0, 1024 - min(height, 1023)), rng.integers(0, 1024 - min(width, 1023))
        grain = np.tile(_grain(), (height // 1024 + 1, width // 1024 + 1))[top : top + height, left : left + width]
        grain = grain if grain.shape == plane.shape else cv2.resize(grain, (width, height))
        plane = plane + grain * np.float32(strength) * np.sqrt(np.maximum(plane, 0) + np.float32(0.02))
        index = np.clip(plane * np.float32(4095 / 1.6), 0, 4095).astype(np.uint16)
        channels.append(_tone()[index])
    return cv2.merge(channels)


def scene(seed: int | tuple[int, ...], size: tuple[int, int] = (480, 640)) -> Sample:
    """A photograph of things with its exact truth.

    seed: a number or several; the same seed and size give the same picture. size: (height, width) in pixels.
    Objects are ordered back to front; their rings are the visible shape, in the image frame, parts and holes kept.
    """
    rng = np.random.default_rng([73, *np.atleast_1d(seed).tolist()])
    height, width = size
    stage = STAGES[rng.choice(4, p=[0.3, 0.3, 0.22, 0.18])]
    light = _light(rng, stage == "outdoor")
    planes, things, _ = {"shelf": _shelf, "table": _table, "flat": _flat, "outdoor": _outdoor}[stage](
        rng, height, width, light
    )
    pool = _pool(rng, height, width, rng.uniform(0.2, 0.6)) if stage != "outdoor" else np.float32(1)
    planes = [
        np.ascontiguousarray(p * (pool * np.float32(k)), np.float32)
        for p, k in zip(planes, 0.75 * light.key + 0.3 * light.sky)
    ]
    objects = []
    for thing, cut, rings in visible(things, height, width):
        paint(planes, thing, cut, light, rng)
        objects.append(Object(thing.class_id, rings))
    return Sample(_expose(planes, rng), objects)
