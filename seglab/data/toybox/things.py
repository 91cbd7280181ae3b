"""The ten things of the toybox. Each function draws its luck from `rng` and gives the parts of one thing, back to front.

pose: "stand" (foot at the origin, upright on a surface seen from `tilt` = sine of the camera's elevation), "lie" (flat on such a surface,
centre at the origin) or "hang" (facing the camera, centre at the origin). Frame and units as in `outlines`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from seglab.data.toybox import outlines as o
from seglab.data.toybox.materials import (
    CERAMIC,
    DOUGH,
    FABRIC,
    FUR,
    GLASS,
    ICING,
    MATTE,
    METAL,
    PAPER,
    PEEL,
    PLASTIC,
    Part,
    ball,
    flat,
    lathe,
    linear,
    round_edge,
)

BRIGHT = [(200, 44, 40), (226, 120, 34), (238, 190, 44), (70, 150, 66), (30, 120, 120), (38, 92, 168), (96, 60, 140), (206, 84, 130),
          (236, 232, 222), (40, 42, 48), (120, 190, 200), (160, 104, 66)]  # fmt: skip
SOFT = [
    (240, 236, 226),
    (214, 224, 228),
    (236, 214, 196),
    (190, 206, 190),
    (226, 190, 190),
    (110, 130, 150),
    (60, 70, 84),
    (180, 150, 120),
]


def pick(rng: np.random.Generator, colours: list, spread: float = 14.0) -> np.ndarray:
    """One of `colours` (sRGB), a little off, as linear reflectance."""
    return linear(np.clip(np.array(colours[rng.integers(len(colours))]) + rng.normal(0, spread, 3), 8, 248))


def lay(parts: list[Part], angle: float, tilt: float, thick: float = 0.0) -> list[Part]:
    """Put flat parts on a surface: turned by `angle`, foreshortened by `tilt`, with a rim `thick` units high below them."""
    c, s = np.cos(angle), np.sin(angle)
    ground = np.array([[c, -s, 0.0], [s * tilt, c * tilt, 0.0]])
    rise = thick * np.sqrt(1 - tilt * tilt)
    laid, rims = [], []
    for part in parts:
        rings = [ring @ ground[:, :2].T for ring in part.rings]
        frame = ground.copy()
        frame[1, 2] -= rise
        laid.append(replace(part, rings=[ring - (0, rise) for ring in rings], frame=frame))
        if rise > 0.01 and not part.inner:
            for step in (0.0, 0.5):
                rims.append(
                    replace(
                        part,
                        rings=[r - (0, step * rise) for r in rings],
                        colour=part.colour * 0.7,
                        form=flat(0, 0.7),
                        paint=None,
                    )
                )
    return rims + laid


def cup(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    tilt = max(tilt, 0.08)
    height, top = rng.uniform(0.85, 1.15), rng.uniform(0.38, 0.5)
    foot = top * rng.uniform(0.6, 1.0)
    h = np.linspace(0, 1, 14)
    belly = rng.uniform(-0.03, 0.12)
    radii = foot + (top - foot) * h ** rng.uniform(0.4, 1.2) + belly * np.sin(np.pi * h) * top
    radii[0] *= 0.94
    heights = h * height
    rise = np.sqrt(1 - tilt * tilt)
    glaze = pick(rng, BRIGHT + SOFT)
    inside = glaze if rng.random() < 0.4 else linear((238, 234, 226))
    side = rng.choice([-1, 1]) * rng.uniform(0.55, 1.0)
    mid, reach = -height * rise * rng.uniform(0.48, 0.6), rng.uniform(0.3, 0.42)
    edge = float(np.interp(-mid / rise, heights, radii))
    hold = o.ellipse(edge * 0.92, mid, reach, height * rng.uniform(0.27, 0.34), n=48) * (side, 1)
    handle = Part(o.loop(hold, rng.uniform(0.06, 0.085)), glaze, CERAMIC, round_edge(0.08))
    style = rng.integers(5)
    second = pick(rng, BRIGHT)
    level = rng.uniform(0.15, 0.75)
    wide = rng.uniform(0.08, 0.22)
    y_rim = -height * rise

    def decor(x, y, colour):
        v = y / y_rim
        if style == 0:
            on = np.abs(v - level) < wide
        elif style == 1:
            on = (np.sin(v * 40 * wide / 0.15) > 0.2) & (v < 0.9)
        elif style == 2:
            u = np.arcsin(np.clip(x / top, -1, 1))
            on = (np.sin(u * 9) ** 2 + np.sin(v * 13) ** 2) < 0.35
        elif style == 3:
            on = v > level
        else:
            return colour
        on = on.astype(np.float32)
        return [np.float32(c) + np.float32(d - c) * on for c, d in zip(colour, second)]

    body = Part([o.turned(radii, heights, tilt)], glaze, CERAMIC, lathe(radii, heights, tilt), decor)
    lip, hollow = (
        o.ellipse(0, y_rim, radii[-1], radii[-1] * tilt),
        o.ellipse(0, y_rim, radii[-1] * 0.92, radii[-1] * tilt * 0.9),
    )
    parts = [handle, body, Part([lip], inside * 1.05, CERAMIC, flat(0, -0.5), inner=True)]
    dark = lambda x, y, c: [
        np.float32(v) * (0.25 + 0.6 * np.clip((y - y_rim) / (top * tilt) * 0.5 + 0.5, 0, 1)) for v in c
    ]  # noqa: E731
    parts.append(Part([hollow], inside, CERAMIC, flat(0, 0.2), dark, inner=True))
    if rng.random() < 0.75 and tilt > 0.15:
        fill = rng.uniform(0.06, 0.25) * height
        drink = pick(rng, [(60, 34, 18), (150, 100, 60), (120, 50, 20), (226, 214, 190), (84, 46, 22)], 8)
        surface = o.ellipse(0, y_rim + fill * rise, radii[-1] * 0.9, radii[-1] * 0.88 * tilt, n=40)
        inside_lip = (surface[:, 0] / (radii[-1] * 0.92)) ** 2 + (
            (surface[:, 1] - y_rim) / (radii[-1] * tilt * 0.9)
        ) ** 2 <= 1.0
        near = hollow[(hollow[:, 1] > y_rim + fill * rise * 0.5)]
        if inside_lip.sum() > 3:
            keep = np.concatenate([surface[inside_lip], near])
            middle = keep.mean(0)
            keep = keep[np.argsort(np.arctan2(keep[:, 1] - middle[1], keep[:, 0] - middle[0]))]
            parts.append(Part([keep], drink, PLASTIC, flat(0, -0.4), inner=True))
    return parts


def donut(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    tilt = 1.0 if pose == "hang" else max(tilt, 0.3)
    ring, thick = rng.uniform(0.33, 0.38), rng.uniform(0.17, 0.21)
    centre = o.ellipse(0, -thick * np.sqrt(1 - tilt * tilt), ring, ring * tilt, n=64)
    dough = pick(rng, [(206, 150, 84), (190, 128, 66), (222, 170, 104)], 8)
    parts = [Part(o.loop(centre, thick), dough, DOUGH, round_edge(thick))]
    if rng.random() < 0.88:
        glaze = pick(
            rng,
            [
                (236, 140, 170),
                (92, 50, 28),
                (240, 232, 220),
                (140, 200, 220),
                (238, 200, 90),
                (180, 130, 200),
                (60, 32, 20),
            ],
            8,
        )
        angle = np.arange(64) * 2 * np.pi / 64
        wave = sum(rng.uniform(0.01, 0.03) * np.sin(k * angle + rng.uniform(0, 6.3)) for k in (3, 5, 8, 11))
        outer, inner = o.loop(centre, thick * 0.78)
        out = outer - centre
        icing = [
            centre + out * (1 + wave * 4)[:, None] - (0, 0.02),
            centre - out * (0.9 - wave * 2)[:, None] - (0, 0.02),
        ]
        parts.append(Part(icing, glaze, ICING, round_edge(thick * 0.75), inner=True, lift=0.02))
        style = rng.integers(3)
        if style == 0:
            for _ in range(4):
                spots = []
                for _ in range(int(rng.integers(6, 13))):
                    k, across, turn = rng.integers(64), rng.uniform(-0.55, 0.6), rng.uniform(0, np.pi)
                    at = centre[k] + out[k] * across
                    d = np.array([np.cos(turn), np.sin(turn) * (0.4 + 0.6 * tilt)]) * 0.035
                    spots.append(o.tube(np.stack([at - d, at, at + d]), 0.013))
                parts.append(Part(spots, pick(rng, BRIGHT), PLASTIC, flat(-0.2, -0.4), inner=True, lift=0.01))
        elif style == 1:
            swing = np.linspace(-1, 1, 26)
            zigzag = np.stack([swing * ring * 1.5, (-1.0) ** np.arange(26) * ring * 1.3 * tilt], 1)
            spots = []
            for a, b in zip(zigzag[:-1], zigzag[1:]):
                line = a + (b - a) * np.linspace(0, 1, 40)[:, None]
                r = np.hypot(line[:, 0], line[:, 1] / tilt)
                inside = np.abs(r - ring) < thick * 0.55
                cuts = np.flatnonzero(np.diff(np.r_[0, inside.astype(int), 0]))
                for lo, hi in zip(cuts[::2], cuts[1::2]):
                    if hi - lo > 3:
                        spots.append(o.tube(line[lo:hi] + centre.mean(0), 0.018))
            parts.append(
                Part(
                    spots,
                    pick(rng, [(250, 244, 236), (70, 36, 20), (240, 150, 180)]),
                    ICING,
                    round_edge(0.02),
                    inner=True,
                    lift=0.012,
                )
            )
    return parts


def bottle(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    lying = pose == "lie"
    if lying:
        tilt = 0.05
    height, wide = rng.uniform(2.1, 2.9), rng.uniform(0.32, 0.46)
    neck = wide * rng.uniform(0.28, 0.42)
    shoulder = rng.uniform(0.5, 0.68)
    keys_h = np.array([0, 0.02, 0.3, shoulder, shoulder + 0.1, shoulder + 0.2, 0.9, 0.92])
    waist = rng.uniform(0.88, 1.0)
    keys_r = np.array([wide * 0.9, wide, wide * waist, wide, wide * 0.82, neck * 1.15, neck, neck * 1.1])
    h = np.linspace(0, 0.92, 40)
    radii = np.interp(h, keys_h, keys_r)
    radii = np.convolve(np.pad(radii, 2, mode="edge"), np.ones(5) / 5, "valid")
    heights = h * height
    rise = np.sqrt(1 - tilt * tilt)
    clear = rng.random() < 0.55
    shade_of = [(26, 70, 36), (70, 38, 14), (24, 60, 90), (60, 84, 80), (110, 20, 30)] if clear else BRIGHT + SOFT
    colour = pick(rng, shade_of, 8)
    finish = GLASS if clear else PLASTIC
    body = Part([o.turned(radii, heights, tilt)], colour, finish, lathe(radii, heights, tilt))
    cap_r, cap_h = np.array([neck * 1.25, neck * 1.25]), np.array([0.9 * height, height])
    cap = Part([o.turned(cap_r, cap_h, tilt)], pick(rng, BRIGHT), PLASTIC, lathe(cap_r, cap_h, tilt))
    lid = Part(
        [o.ellipse(0, -height * rise, cap_r[1], cap_r[1] * tilt)], cap.colour * 1.1, PLASTIC, flat(0, -0.5), inner=True
    )
    parts = [body]
    if rng.random() < 0.85:
        low, high = rng.uniform(0.08, 0.2), rng.uniform(0.38, shoulder - 0.04)
        lh = np.linspace(low, high, 12) * height
        lr = np.interp(lh, heights, radii)
        ring = np.concatenate([
            np.stack([lr, -lh * rise], 1), o.ellipse(0, -lh[-1] * rise, lr[-1], lr[-1] * tilt, 0, np.pi, 15),
            np.stack([-lr, -lh * rise], 1)[::-1], o.ellipse(0, -lh[0] * rise, lr[0], lr[0] * tilt, np.pi, 0, 15),
        ])  # fmt: skip
        paper, ink = pick(rng, SOFT + BRIGHT), pick(rng, BRIGHT)
        style = rng.integers(3)
        y0, y1 = -lh[-1] * rise, -lh[0] * rise

        def print_(x, y, c):
            v = (y - y0 - tilt * np.sqrt(np.maximum(wide * wide - x * x, 0))) / (y1 - y0)
            u = np.arcsin(np.clip(x / wide, -1, 1))
            if style == 0:
                on = (np.abs(v - 0.5) < 0.2) | (np.abs(v - 0.06) < 0.03) | (np.abs(v - 0.94) < 0.03)
            elif style == 1:
                on = ((u * u * 1.6 + (v - 0.45) ** 2 * 3) < 0.22) | (
                    (np.sin(v * 60) > 0.3) & (v > 0.75) & (np.abs(u) < 0.7)
                )
            else:
                on = (v < 0.25) | (
                    (np.abs(v - 0.5) < 0.08) & (np.sin(u * 40 + np.sin(u * 13) * 3) > -0.4) & (np.abs(u) < 0.9)
                )
            on = on.astype(np.float32)
            return [np.float32(a) + np.float32(b - a) * on for a, b in zip(c, ink)]

        parts.append(Part([ring], paper, PAPER, lathe(radii, heights, tilt), print_, inner=True))
    parts += [cap, lid]
    if lying:
        return [
            replace(p, rings=[r + (0, height / 2) for r in p.rings], frame=np.array([[1, 0, 0], [0, 1, height / 2]]))
            for p in parts
        ]
    return parts


def clock(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    radius = rng.uniform(0.5, 0.7) if pose == "stand" else rng.uniform(0.8, 1.25)
    lift = radius * 1.12 if pose == "stand" else 0.0
    frame, face, ink = (
        pick(rng, BRIGHT),
        pick(rng, [(244, 240, 230), (250, 250, 248), (30, 32, 38), (230, 220, 190)], 6),
        linear((24, 24, 28)),
    )
    if face.mean() < 0.2:
        ink = linear((236, 232, 220))
    finish = PLASTIC if rng.random() < 0.6 else METAL
    c = (0.0, -lift)
    parts = []
    if pose == "stand":
        for side in (-1, 1):
            leg = np.array([[side * radius * 0.5, -radius * 0.35], [side * radius * 0.72, -0.03]])
            parts.append(Part([o.tube(leg, 0.05)], frame * 0.8, finish, round_edge(0.05)))
            if rng.random() < 0.85:
                at = np.array([side * radius * 0.62, -lift - radius * 0.98])
                bell = o.turn(o.ellipse(0, 0, radius * 0.34, radius * 0.3, np.pi, 2 * np.pi, 24), side * 0.6) + at
                parts.append(Part([bell], linear((196, 176, 120)), METAL, round_edge(radius * 0.26)))
    square = pose != "stand" and rng.random() < 0.25
    r = radius
    rim = o.box(-r, -r, r, r, 0.2 * r) if square else o.ellipse(*c, r, r, n=72)
    plate = (
        o.box(-r * 0.86, -r * 0.86, r * 0.86, r * 0.86, 0.12 * r) if square else o.ellipse(*c, r * 0.87, r * 0.87, n=72)
    )
    parts.append(Part([rim], frame, finish, round_edge(r * 0.13)))
    shade_in = lambda x, y, k: [np.float32(v) * (0.8 + 0.2 * np.clip((x + y - c[1]) / r + 0.8, 0, 1)) for v in k]  # noqa: E731
    parts.append(Part([plate], face, PAPER, flat(), shade_in, inner=True))
    ticks = []
    for k in range(12):
        a = k * np.pi / 6
        d = np.array([np.sin(a), -np.cos(a)])
        ticks.append(
            o.tube(np.array([c + d * r * (0.66 if k % 3 else 0.6), c + d * r * 0.76]), r * (0.016 if k % 3 else 0.03))
        )
    parts.append(Part(ticks, ink, MATTE, inner=True))
    hour, minute = rng.uniform(0, 12), rng.uniform(0, 60)
    for a, length, w in ((hour * np.pi / 6, 0.42, 0.04), (minute * np.pi / 30, 0.66, 0.028)):
        d = np.array([np.sin(a), -np.cos(a)]) * r
        parts.append(
            Part(
                [o.tube(np.array([c - d * 0.12, c + d * length]), w * r)],
                ink,
                PLASTIC,
                round_edge(0.03 * r),
                inner=True,
                lift=0.04 * r,
            )
        )
    a = rng.uniform(0, 6.28)
    d = np.array([np.sin(a), -np.cos(a)]) * r
    parts.append(
        Part(
            [o.tube(np.array([c - d * 0.2, c + d * 0.7]), 0.009 * r)],
            linear((190, 30, 26)),
            PLASTIC,
            inner=True,
            lift=0.03 * r,
        )
    )
    parts.append(Part([o.ellipse(*c, 0.06 * r, 0.06 * r, n=16)], frame, METAL, round_edge(0.05 * r), inner=True))
    return parts


def kite(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    colours = [pick(rng, BRIGHT[:8] + BRIGHT[10:11]) for _ in range(4)]
    wide, high, cross = rng.uniform(0.8, 1.3), rng.uniform(1.2, 1.7), rng.uniform(0.3, 0.45)
    yaw, lean = rng.uniform(-0.7, 0.7), rng.uniform(-0.5, 0.5)
    delta = rng.random() < 0.35
    if delta:
        p3 = np.array(
            [
                [0, high * 0.6, 0],
                [wide * 1.3, -high * 0.4, 0.25],
                [0, -high * 0.2, -0.2],
                [-wide * 1.3, -high * 0.4, 0.25],
            ]
        )
        spine = 2
    else:
        p3 = np.array([[0, high * cross, 0], [wide, 0, 0.18], [0, -high * (1 - cross) - 0.4, 0], [-wide, 0, 0.18]])
        spine = 2
    p = o.project(p3, yaw, lean)
    knot = o.project(np.array([[0, 0, 0]]) if not delta else p3[2:3] * 0.3, yaw, lean)[0]
    style = rng.integers(3)
    parts = []
    tail_at, tail = p[spine], rng.uniform(1.6, 2.8)
    t = np.linspace(0, 1, 24)
    sway = rng.uniform(-0.5, 0.5)
    line = tail_at + np.stack(
        [sway * t * 2 + 0.22 * t * np.sin(t * rng.uniform(6, 10) + rng.uniform(0, 6)), t * tail], 1
    )
    for k in range(5, 23, 6):
        for s in (-1, 1):
            bow = np.array([[0, 0], [s * 0.2, -0.12], [s * 0.2, 0.12]]) + line[k]
            parts.append(Part([bow], colours[(k // 6) % 4], FABRIC, flat(s * 0.3, -0.2)))
    parts.insert(0, Part([o.tube(line, 0.05)], colours[1], FABRIC, round_edge(0.05)))
    q = [p[0], p[1], p[2], p[3]]
    faces = [(q[0], q[1], knot), (q[1], q[2], knot), (q[2], q[3], knot), (q[3], q[0], knot)]
    for k, face in enumerate(faces):
        tone = colours[(k % 2, k, k // 2)[style]]
        side = 1 if k in (0, 1) else -1
        gradient = lambda x, y, c, s=side: [np.float32(v) * (0.9 + 0.25 * np.clip(s * x / wide, 0, 1)) for v in c]  # noqa: E731
        parts.append(
            Part(
                [np.array(face)],
                tone,
                FABRIC,
                flat(side * 0.22 - np.sin(yaw) * 0.5, -lean * 0.6 + (0.1 if k in (1, 2) else -0.1)),
                gradient,
            )
        )
    parts.append(
        Part(
            [o.tube(np.array([p[0], knot, p[spine]]), 0.022)],
            linear((80, 60, 40)),
            MATTE,
            round_edge(0.022),
            inner=True,
            lift=0.02,
        )
    )
    parts.append(
        Part([o.tube(np.array([p[1], knot, p[3]]), 0.02)], linear((80, 60, 40)), MATTE, round_edge(0.022), inner=True)
    )
    return parts


def banana(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    length, bend = rng.uniform(1.6, 2.0), rng.uniform(0.5, 1.0)
    ripe = rng.uniform(0, 1)
    colour = linear(np.array((232, 196, 60)) + ripe * np.array((6, -22, -20)) + rng.normal(0, 5, 3))
    green = linear((150, 170, 60)) if ripe < 0.35 else colour
    dark = linear((60, 42, 24))
    count = 1 if rng.random() < 0.6 else int(rng.integers(2, 4))
    squash = 0.45 + 0.55 * tilt
    parts = []
    for i in range(count):
        t = np.linspace(-1, 1, 26)
        b = bend * (1 - 0.16 * i)
        line = np.stack(
            [
                np.sin(t * b) * length / 2 / np.sin(b) if b > 0.1 else t * length / 2,
                (np.cos(t * b) - np.cos(b)) * length / 2 / b * 0.9,
            ],
            1,
        )
        line[:, 1] *= squash
        line[:, 1] += i * 0.22
        radius = (
            0.19
            * np.clip(1 - np.abs(t) ** 5 * 0.75, 0.2, 1)
            * np.where(t > 0.8, 1 - (t - 0.8) * 2.4, 1)
            * rng.uniform(0.95, 1.05)
        )
        ends = line[0, 0], line[-1, 0]
        spots = rng.random(10) if ripe > 0.6 else np.zeros(0)

        def peel(x, y, c, ends=ends, spots=spots, line=line):
            u = (x - ends[0]) / (ends[1] - ends[0])
            tip = np.clip((0.05 - u) * 30, 0, 1) + np.clip((u - 0.955) * 30, 0, 1)
            fresh = np.clip((u - 0.72) * 4, 0, 1)
            for k in range(len(spots) // 2):
                at = line[int(spots[2 * k] * 22) + 2]
                r2 = (x - at[0]) ** 2 + ((y - at[1] + 0.2 * (spots[2 * k + 1] - 0.5)) * 2) ** 2
                tip = np.maximum(tip, np.clip(1.3 - r2 / 0.0022, 0, 1) * 0.55)
            return [
                (np.float32(a) * (1 - fresh) + np.float32(g) * fresh) * (1 - tip) + np.float32(d) * tip
                for a, g, d in zip(c, green, dark)
            ]

        parts.append(Part([o.tube(line, radius)], colour, PEEL, round_edge(0.2, 0.5), peel, lift=0.06 if i else 0.0))
        ridge = o.tube(line[4:-4] - (0, 0.05 * squash), 0.006)
        parts.append(Part([ridge], colour * 0.62, PEEL, flat(0, -0.2), inner=True))
    middle = np.concatenate([p.rings[0] for p in parts]).mean(0)
    back = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]]])
    return [replace(p, rings=[r - middle for r in p.rings], frame=back) for p in parts]


def scissors(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    opening = rng.uniform(0.05, 0.5)
    colour = pick(rng, BRIGHT)
    parts = []
    for side in (1, -1):
        half = side * opening / 2
        blade = np.array(
            [
                [0.09 * side, 0.12],
                [-0.10 * side, 0.10],
                [-0.075 * side, -0.3],
                [-0.01 * side, -1.0],
                [0.045 * side, -0.3],
            ]
        )
        blade = o.turn(blade, half)
        parts.append(Part([blade], linear((196, 200, 206)), METAL, flat(side * 0.25, -0.15), lift=0.03))
        edge = o.turn(
            np.array([[-0.075 * side, -0.05], [-0.075 * side, -0.3], [-0.01 * side, -1.0], [-0.04 * side, -0.3]]), half
        )
        parts.append(Part([edge], linear((226, 230, 234)), METAL, flat(-side * 0.4, -0.3), inner=True))
        neck = o.turn(o.smooth([[0, 0.05], [side * 0.04, 0.25], [side * 0.13, 0.42]], closed=False), half)
        parts.append(Part([o.tube(neck, 0.085)], colour, PLASTIC, round_edge(0.08), lift=0.03))
        grip = o.smooth(
            [
                [side * 0.06, 0.42],
                [side * 0.3, 0.4],
                [side * 0.42, 0.62],
                [side * 0.34, 0.86],
                [side * 0.12, 0.86],
                [side * 0.05, 0.64],
            ],
            8,
        )
        parts.append(Part(o.loop(o.turn(grip, half), 0.068 * side), colour, PLASTIC, round_edge(0.068)))
    parts.append(
        Part([o.ellipse(0, 0.02, 0.05, 0.05, n=20)], linear((150, 150, 150)), METAL, round_edge(0.05), inner=True)
    )
    return parts if pose == "hang" else lay(parts, 0.0, tilt, 0.03)


def fuzzy(rng: np.random.Generator, ring: np.ndarray, depth: float = 0.02) -> np.ndarray:
    """A ring with hair: every other vertex stands out."""
    dense = o.smooth(ring, 5)
    middle = dense.mean(0)
    return middle + (dense - middle) * (1 + rng.uniform(-depth, depth, len(dense)))[:, None]


def teddy(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    fur = pick(
        rng, [(150, 100, 58), (190, 146, 96), (110, 72, 44), (214, 190, 156), (160, 150, 146), (222, 176, 176)], 8
    )
    pale = np.minimum(fur * 1.8 + 0.05, 0.85)
    parts = []

    def blob(x, y, rx, ry, colour=fur, angle=0.0, inner=False, lift=0.06):
        ring = fuzzy(rng, o.turn(o.ellipse(0, 0, rx, ry, n=30), angle) + (x, y))
        parts.append(Part([ring], colour, FUR, round_edge(min(rx, ry) * 0.98, 0.35), inner=inner, lift=lift))

    arm, leg, head = rng.uniform(0.4, 1.5), rng.uniform(0.35, 0.75), rng.uniform(-0.12, 0.12)
    blob(0, -0.78, 0.56, 0.72, lift=0)
    blob(0, -0.7, 0.36, 0.48, pale, inner=True, lift=0)
    for s in (-1, 1):
        a = arm * rng.uniform(0.8, 1.2)
        blob(s * (0.52 + 0.2 * np.sin(a)), -1.12 + 0.35 * np.cos(a), 0.19, 0.42, angle=-s * a)
        blob(s * leg, -0.22, 0.27, 0.25, lift=0.1)
        blob(s * leg, -0.2, 0.16, 0.15, pale, inner=True, lift=0)
    start = len(parts)
    for s in (-1, 1):
        blob(s * 0.43, -2.12, 0.21, 0.21)
        blob(s * 0.43, -2.1, 0.12, 0.12, pale, inner=True, lift=0)
    blob(0, -1.72, 0.56, 0.5, lift=0.1)
    blob(0, -1.58, 0.27, 0.2, pale, inner=True, lift=0.05)
    black = linear((22, 18, 16))
    parts.append(Part([o.ellipse(0, -1.66, 0.09, 0.065, n=20)], black, PLASTIC, round_edge(0.06), inner=True))
    for s in (-1, 1):
        parts.append(
            Part(
                [o.ellipse(s * 0.2, -1.84, 0.055, 0.06, n=16)],
                black,
                PLASTIC,
                ball(s * 0.2, -1.84, 0.055, 0.06),
                inner=True,
            )
        )
    parts.append(Part([o.tube(o.ellipse(0, -1.57, 0.09, 0.07, 0.3, np.pi - 0.3, 9), 0.012)], black, MATTE, inner=True))
    pivot = np.array([0, -1.3])
    nod = np.array([[np.cos(head), -np.sin(head)], [np.sin(head), np.cos(head)]])
    for i in range(start, len(parts)):
        shift = pivot - nod @ pivot
        parts[i] = replace(
            parts[i], rings=[r @ nod.T + shift for r in parts[i].rings], frame=np.hstack([nod, shift[:, None]])
        )
    if rng.random() < 0.6:
        ribbon = pick(rng, BRIGHT[:8])
        for s in (-1, 1):
            bow = o.smooth([[0, -1.27], [s * 0.28, -1.42], [s * 0.32, -1.26], [s * 0.26, -1.12]], 5)
            parts.append(Part([bow], ribbon, FABRIC, round_edge(0.12), inner=True, lift=0.05))
        parts.append(Part([o.ellipse(0, -1.27, 0.07, 0.08, n=18)], ribbon * 0.8, FABRIC, round_edge(0.07), inner=True))
    if pose != "stand":
        middle = np.array([0, -1.15])
        for i, p in enumerate(parts):
            f = np.hstack([np.eye(2), np.zeros((2, 1))]) if p.frame is None else p.frame
            parts[i] = replace(
                p, rings=[r - middle for r in p.rings], frame=np.hstack([f[:, :2], (f[:, 2] - middle)[:, None]])
            )
    return parts


def book(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    cover = pick(rng, BRIGHT + SOFT)
    wide, high, thick = rng.uniform(1.2, 1.7), rng.uniform(1.8, 2.4), rng.uniform(0.18, 0.5)
    elevation = float(np.arcsin(tilt))
    second, third = pick(rng, BRIGHT + SOFT), pick(rng, BRIGHT)
    style, title = int(rng.integers(4)), rng.uniform(0.1, 0.3)
    if pose == "stand":  # spine or cover towards the viewer
        yaw = rng.uniform(-0.9, 0.9) if rng.random() < 0.5 else rng.uniform(1.0, 1.57)
        size, lift = (wide, high, thick), 0.0
        cover_face, spine_face, page_faces = (
            ((-1, -1, 1), (2, 0, 0), (0, 2, 0)),
            ((-1, -1, -1), (0, 0, 2), (0, 2, 0)),
            None,
        )
    else:
        if pose == "hang":
            elevation, tilt = 1.57, 1.0
        yaw = rng.uniform(0, 6.28)
        size, lift = (wide, thick, high), 0.0
        cover_face, spine_face = ((-1, 1, 1), (2, 0, 0), (0, 0, -2)), ((-1, -1, -1), (0, 0, 2), (0, 2, 0))
    half = np.array(size) / 2
    up = np.array([0, half[1], 0])

    def face(corner, u, v):
        c, u, v = np.array(corner) * half, np.array(u) * half, np.array(v) * half
        return np.stack([c, c + u, c + u + v, c + v]) + up

    def area(ring):
        x, y = ring.T
        return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))

    def front(x, y, c):
        on = [None, None]
        if style == 0:
            on = (
                (np.abs(y - 0.72) < title / 2) & (np.abs(x - 0.5) < 0.38),
                (np.abs(y - 0.25) < 0.02) & (np.abs(x - 0.5) < 0.25),
            )
        elif style == 1:
            on = y < 0.45, (x - 0.5) ** 2 + (y - 0.45) ** 2 * 2 < 0.04 + title * 0.1
        elif style == 2:
            on = (np.sin((x + y) * 22) > 0.3) & (y < 0.6), (y > 0.68) & (y < 0.9) & (np.abs(x - 0.5) < 0.4)
        else:
            on = (
                (np.abs(x - 0.5) > 0.42) | (np.abs(y - 0.5) > 0.45),
                (np.abs(y - 0.7) < 0.05) & (np.abs(x - 0.5) < 0.3) & (np.sin(x * 70) > -0.5),
            )
        a, b = on[0].astype(np.float32), on[1].astype(np.float32)
        edge = (np.float32(1) - 0.25 * (x < 0.06)).astype(np.float32)
        return [
            (np.float32(p) * (1 - a) + np.float32(q) * a) * (1 - b) * edge + np.float32(r) * b
            for p, q, r in zip(c, second, third)
        ]

    def spine(x, y, c):
        a = ((np.abs(y - 0.12) < 0.03) | (np.abs(y - 0.88) < 0.03)).astype(np.float32)
        b = ((np.abs(x - 0.5) < 0.22) & (np.abs(y - 0.55) < 0.2) & (np.sin(y * 90) > -0.5)).astype(np.float32)
        return [
            (np.float32(p) * (1 - a) + np.float32(q) * a) * (1 - b) + np.float32(r) * b
            for p, q, r in zip(c, second, third)
        ]

    leaves = linear((232, 222, 200))

    def pages(x, y, c):
        lines = (0.86 + 0.1 * np.sin(y * 80 + np.sin(x * 3)) + 0.06 * np.sin(y * 210)).astype(np.float32)
        rim = ((y < 0.07) | (y > 0.93)).astype(np.float32)
        return [np.float32(p) * lines * (1 - rim) + np.float32(q) * rim for p, q in zip(c, cover)]

    sides = []
    if pose == "stand":
        sides.append((cover_face, cover, front, PAPER, (0, 0, 1)))
        sides.append((((1, -1, -1), (-2, 0, 0), (0, 2, 0)), cover, None, PAPER, (0, 0, -1)))
        sides.append((spine_face, cover, spine, PAPER, (-1, 0, 0)))
        sides.append((((1, -1, 1), (0, 2, 0), (0, 0, -2)), leaves, pages, MATTE, (1, 0, 0)))
        sides.append((((-1, 1, 1), (2, 0, 0), (0, 0, -2)), leaves, pages, MATTE, (0, 1, 0)))
    else:
        sides.append((cover_face, cover, front, PAPER, (0, 1, 0)))
        sides.append((((-1, -1, -1), (0, 0, 2), (0, 2, 0)), cover, None, PAPER, (-1, 0, 0)))
        sides.append((((1, -1, 1), (0, 0, -2), (0, 2, 0)), leaves, pages, MATTE, (1, 0, 0)))
        sides.append((((-1, -1, 1), (2, 0, 0), (0, 2, 0)), leaves, pages, MATTE, (0, 0, 1)))
        sides.append((((1, -1, -1), (-2, 0, 0), (0, 2, 0)), leaves, pages, MATTE, (0, 0, -1)))
    parts = []
    for (corner, u, v), colour, ink, finish, normal in sides:
        ring = o.project(face(corner, u, v), yaw, elevation, 14.0)
        if area(ring) > -0.004:  # turned away (counter-clockwise on the screen is towards the viewer)
            continue
        n = o.project(np.array([normal], float), yaw, elevation, 1e9)[0]
        frame = np.stack([ring[1] - ring[0], ring[3] - ring[0], ring[0]], 1)
        parts.append(Part([ring], colour, finish, flat(float(n[0]) * 0.98, float(n[1]) * 0.98), ink, frame))
    low = np.concatenate([p.rings[0] for p in parts])
    drop = np.array([0.0, low[:, 1].max()]) if pose == "stand" else (low.min(0) + low.max(0)) / 2
    return [
        replace(p, rings=[r - drop for r in p.rings], frame=np.column_stack([p.frame[:, :2], p.frame[:, 2] - drop]))
        for p in parts
    ]


def umbrella(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    ribs, radius, depth = int(rng.choice([6, 8])), rng.uniform(1.5, 2.0), rng.uniform(0.55, 0.95)
    colours = [pick(rng, BRIGHT) for _ in range(2)]
    if rng.random() < 0.3:
        colours[1] = colours[0]
    yaw, elevation = (
        rng.uniform(0, 6.28),
        {"stand": float(np.arcsin(tilt)) * 0.8, "hang": rng.uniform(0.7, 1.5), "lie": rng.uniform(0.9, 1.5)}[pose],
    )
    angle = np.arange(ribs) * 2 * np.pi / ribs
    s = np.linspace(0, 1, 7)
    arc = np.stack(
        [np.sin(s * 1.25) / np.sin(1.25), (np.cos(s * 1.25) - 1) / (1 - np.cos(1.25))], 1
    )  # along a rib: out, down
    rib = [
        np.stack([arc[:, 0] * radius * np.cos(a), arc[:, 1] * depth, arc[:, 0] * radius * np.sin(a)], 1) for a in angle
    ]
    panels = []
    for k in range(ribs):
        a, b = rib[k], rib[(k + 1) % ribs]
        w = np.linspace(0, 1, 7)[1:-1, None]
        hem = a[-1] * (1 - w) + b[-1] * w
        hem = hem * (1 - 0.10 * np.sin(w * np.pi)) + np.array([0, 0.1, 0]) * np.sin(w * np.pi)
        ring = o.project(np.concatenate([a, hem, b[::-1]]), yaw, elevation, 14)
        m = angle[k] + np.pi / ribs
        n3 = np.array([np.cos(m) * 0.75, 0.66, np.sin(m) * 0.75])
        c = np.cos(elevation), np.sin(elevation)
        nx, nz = n3[0] * np.cos(yaw) + n3[2] * np.sin(yaw), n3[2] * np.cos(yaw) - n3[0] * np.sin(yaw)
        ny, nz = n3[1] * c[0] - nz * c[1], nz * c[0] + n3[1] * c[1]
        x, y = ring.T
        outside = float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) < 0
        panels.append((nz, ring, colours[k % 2], (nx, -ny), outside))
    parts = []
    pole = rng.uniform(2.3, 2.9)
    shaft = o.project(np.array([[0, -depth * 0.2, 0], [0, -pole, 0]]), yaw, elevation, 14)
    behind = [p for p in panels if not p[4]]
    for _, ring, colour, n, _ in sorted(behind, key=lambda p: p[0]):
        parts.append(Part([ring], colour * 0.45, FABRIC, flat(-n[0] * 0.7, -n[1] * 0.7)))
    wood, steel = pick(rng, [(120, 70, 36), (40, 40, 44), (160, 110, 60)], 6), linear((150, 152, 158))
    if elevation < 1.2:
        parts.append(Part([o.tube(shaft, 0.045)], steel, METAL, round_edge(0.045)))
        a, b = shaft
        down = (b - a) / max(np.hypot(*(b - a)), 1e-6)
        across = np.array([-down[1], down[0]]) * 0.17
        bend = np.linspace(0, np.pi, 10)
        hook = b + across - across * np.cos(bend)[:, None] + down * 0.2 * np.sin(bend)[:, None]
        parts.append(
            Part(
                [o.tube(np.concatenate([[b - down * 0.45, b - down * 0.1], hook]), 0.065)],
                wood,
                PLASTIC,
                round_edge(0.065),
            )
        )
    for _, ring, colour, n, _ in sorted((p for p in panels if p[4]), key=lambda p: p[0]):
        parts.append(Part([ring], colour, replace(FABRIC, gloss=0.16, sharp=2), flat(n[0], n[1]), lift=0.0))
        parts.append(Part([o.tube(ring[:7], 0.014)], colour * 0.5, MATTE, inner=True))
    tip = o.project(np.array([[0, -0.02, 0], [0, 0.2, 0]]), yaw, elevation, 14)
    parts.append(Part([o.tube(tip, 0.04)], steel, METAL, round_edge(0.04)))
    low = np.concatenate([r for p in parts for r in p.rings])
    drop = np.array([0.0, low[:, 1].max()]) if pose == "stand" else (low.min(0) + low.max(0)) / 2
    return [replace(p, rings=[r - drop for r in p.rings]) for p in parts]


Maker = Callable[[np.random.Generator, str, float], list[Part]]
THINGS: dict[str, tuple[Maker, tuple[str, ...]]] = {
    "cup": (cup, ("stand",)),
    "donut": (donut, ("lie", "hang")),
    "umbrella": (umbrella, ("stand", "hang", "lie")),
    "clock": (clock, ("stand", "hang")),
    "kite": (kite, ("hang",)),
    "bottle": (bottle, ("stand", "lie")),
    "banana": (banana, ("lie",)),
    "scissors": (scissors, ("lie", "hang")),
    "teddy bear": (teddy, ("stand", "lie")),
    "book": (book, ("stand", "lie")),
}
NAMES = list(THINGS)
COCO_IDS = dict(zip(NAMES, (47, 60, 28, 85, 38, 44, 52, 87, 88, 84)))
