"""The ten classes of the toybox. Each function makes one object: its parts, back to front.

rng: where it draws its variety from; tilt: sine of the camera's elevation over the surface; pose: "stand" (upright, its
foot at the origin), "lie" (on the surface, middle at the origin) or "hang" (facing the camera, middle at the origin).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from seglab.toybox import materials as m
from seglab.toybox.materials import Field, Layers, Paint, Part, clamp, flat, lathe, linear, rounded
from seglab.toybox.outlines import FULL, box, ellipse, loop, project, smooth, sticks, tube, turn, turned, vertices
from seglab.toybox.parts import (
    ANY,
    BLACK,
    BRASS,
    BRIGHT,
    STEEL,
    WHITE,
    WOODS,
    laid,
    moved,
    pick,
    settled,
    shifted,
    writing,
)


def cup(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    tilt = max(tilt, 0.08)
    rise = np.sqrt(1 - tilt**2)
    height = rng.uniform(0.8, 1.15)
    top = rng.uniform(0.38, 0.52)
    # The outline of the wall, from the foot to the brim.
    h = np.linspace(0, 1, 16)
    taper = (1 - h ** rng.uniform(0.3, 1.3)) * rng.uniform(0, 0.45)
    belly = rng.uniform(-0.05, 0.12) * np.sin(np.pi * h)
    radii = top * (1 - taper + belly)
    radii[0] *= 0.95
    heights = h * height
    # Two glazes, and one of five patterns or none.
    glaze = pick(rng, ANY)
    second = pick(rng, ANY)
    inside = glaze if rng.random() < 0.4 else WHITE
    brim = -height * rise
    style = rng.integers(6)
    level = rng.uniform(0.15, 0.75)
    wide = rng.uniform(0.08, 0.2)

    def decor(f: Field) -> Layers:
        # Height over the foot, 0 to 1, and the angle around the wall.
        v = f.y / np.float32(brim)
        u = np.arcsin(clamp(f.x / np.float32(top), -1, 1))
        if style == 0:
            return [(f.inside(wide - np.abs(v - level), height), second)]
        if style == 1:
            return [(f.inside(np.sin(v * 6 / wide) * 0.06, height) * (v < 0.9), second)]
        if style == 2:
            return [(f.inside((0.35 - np.sin(u * 8) ** 2 - np.sin(v * 12) ** 2) * 0.1), second)]
        if style == 3:  # dipped in a second glaze, which ran a little
            return [(f.inside(v - level + 0.04 * np.sin(u * 5) + 0.02 * np.sin(u * 13), height), second)]
        if style == 4:  # a heart
            a = u * 2.4
            b = (v - 0.5) * 2.6
            return [(f.inside((0.35 - a * a - (b - 0.6 * np.sqrt(np.abs(a))) ** 2) * 0.2), second)]
        return []

    # The handle comes first: the body covers where it is attached.
    side = rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
    middle = brim * rng.uniform(0.46, 0.58)
    reach = rng.uniform(0.3, 0.42)
    edge = float(np.interp(-middle / rise, heights, radii)) * 0.92
    ear = ellipse(edge, middle, reach, height * rng.uniform(0.26, 0.33), n=48) * (side, 1)
    thick = rng.uniform(0.06, 0.085)
    parts = [Part(loop(ear if side > 0 else ear[::-1], thick), glaze, m.CERAMIC, rounded(thick))]
    parts.append(Part([turned(radii, heights, tilt)], glaze, m.CERAMIC, lathe(radii, heights, tilt), decor))
    # The brim and the opening, whose inner wall is darker the deeper it lies.
    r = radii[-1]
    q = 0.91
    parts.append(Part([ellipse(0, brim, r, r * tilt)], inside * 1.05, m.CERAMIC, flat(0, -0.5), inner=True))

    def hollow(f: Field) -> Layers:  # deeper is darker, and the wall toward the light lies in its own shade
        depth = clamp((np.float32(brim) - f.y) / np.float32(r * tilt) * 0.4 + 0.55, 0, 0.85)
        return [(depth, inside * 0.12)]

    mouth = ellipse(0, brim, r * q, r * tilt * q)
    parts.append(Part([mouth], inside, m.CERAMIC, flat(0, 0.1), hollow, inner=True))
    # A drink shows only where the opening is seen from above.
    if rng.random() < 0.75 and tilt > 0.15:
        drop = rng.uniform(0.08, 0.25) * height * rise
        drink = pick(rng, "3a2012 96643c 783414 e2d6be 542e16", 8)
        surface = ellipse(0, brim + drop, r * q, r * q * tilt)
        # What can be seen of its surface lies within the mouth, and ends at the near edge of the brim.
        below = (surface[:, 0] / r) ** 2 + ((surface[:, 1] - brim) / (r * tilt)) ** 2 <= q * q
        seen = np.concatenate([surface[below], mouth[mouth[:, 1] > brim + drop / 2]])
        if below.sum() > 3:
            # Both arcs as one ring, by the angle about its middle.
            order = np.argsort(np.arctan2(*(seen - seen.mean(0)).T))
            parts.append(Part([seen[order]], drink, m.PLASTIC, rounded(0.06, 0, -0.3), inner=True))
    return parts


def donut(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    tilt = 1.0 if pose == "hang" else max(tilt, 0.35)
    rise = np.sqrt(1 - tilt * tilt)
    big = rng.uniform(0.32, 0.38)
    small = rng.uniform(0.16, 0.2)
    # A ring of dough with a pale belt where it lay in the oil.
    angle = np.arange(72) * FULL / 72
    around = vertices(np.cos(angle), np.sin(angle) * tilt)
    center = around * big - (0, small * rise)
    dough = pick(rng, "ce924e ba783c e0ac68", 6)
    body = loop(center, small)
    pale = linear("f0ce96")

    def belt(f: Field) -> Layers:
        return [(clamp(1 - np.abs(f.y + np.float32(small * rise * 0.4)) * 2) * np.float32(0.25), pale)]

    parts = [Part(body, dough, m.DOUGH, rounded(small), belt)]
    if rng.random() < 0.12:
        return parts
    glaze = pick(rng, "ee8cac 5c321c f2eade 8ccae0 f0c854 b884cc 3a1e12", 8)
    # The edge of the icing runs down in waves of several lengths.
    wave = np.zeros(len(angle))
    for k in (3, 5, 8, 11):
        wave += rng.uniform(0.02, 0.06) * np.sin(k * angle + rng.uniform(0, FULL))
    low = np.deg2rad(28) + wave * 2
    front = around * (big + small * np.cos(low))[:, None] - vertices(0 * angle, small * rise * (1 + np.sin(low)))
    back = center + (body[0] - center) * (0.93 + wave * 0.4)[:, None]
    hidden = clamp(0.5 - np.sin(angle) * 2.5, 0, 1)[:, None] * min(rise * 3, 1)
    # At the front its edge is seen on the dough; at the back the ring itself hides it.
    icing = [front * (1 - hidden) + back * hidden]
    # The hole is a little wider in the icing, in four ripples.
    if len(body) > 1:
        middle = body[1].mean(0)
        ripple = 1.12 + 0.08 * np.sin(4 * np.arange(len(body[1])) * FULL / len(body[1]))
        icing.append(middle + (body[1] - middle) * ripple[:, None])
    parts.append(Part(icing, glaze, m.ICING, rounded(small * 0.8), inner=True, lift=0.02))
    # Sprinkles, drizzle or nothing on top.
    out = body[0] - center
    top = (0, small * rise * 0.35)
    style = rng.integers(4)
    if style < 2:  # sprinkles
        for _ in range(4):
            spots = rng.integers(0, 72, 9)
            across = rng.uniform(-0.5, 0.5, 9)
            swing = rng.uniform(0, np.pi, 9)
            at = center[spots] + out[spots] * across[:, None] - top
            half = vertices(np.cos(swing), np.sin(swing) * (0.4 + 0.6 * tilt)) * 0.034
            grains = sticks(at - half, at + half, 0.014)
            parts.append(Part(grains, pick(rng, BRIGHT), m.PLASTIC, flat(-0.2, -0.4), inner=True, lift=0.01))
    elif style == 2:  # drizzle
        lines = []
        for x in np.arange(-0.95, 0.95, rng.uniform(0.13, 0.2)):
            t = np.linspace(-1, 1, 24)
            line = vertices((x + 0.12 * t) * (big + small), t * (big + small) * tilt)
            # Each line lies on the ring's near and far side; between them is the hole.
            far = np.hypot(line[:, 0], line[:, 1] / tilt)
            for side in (t < 0, t >= 0):
                on = side & (np.abs(far - big) < small * 0.6)
                if on.sum() > 2:
                    lines.append(tube(line[on] + center.mean(0) - top, 0.017))
        sugar = pick(rng, "faf4ec 462414 f096b4", 5)
        parts.append(Part(lines, sugar, m.ICING, rounded(0.02), inner=True, lift=0.012))
    return parts


def bottle(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    tilt = 0.05 if pose == "lie" else tilt
    rise = np.sqrt(1 - tilt * tilt)
    height = rng.uniform(2.1, 2.9)
    wide = rng.uniform(0.32, 0.46)
    neck = wide * rng.uniform(0.28, 0.45)
    shoulder = rng.uniform(0.5, 0.68)
    waist = rng.uniform(0.86, 1.0)
    # The outline of the wall, smoothed, so that shoulder and waist run into each other.
    h = np.linspace(0, 0.92, 44)
    knots = [0, 0.015, 0.3, shoulder, shoulder + 0.09, shoulder + 0.19, 0.9, 0.92]
    widths = [wide * 0.9, wide, wide * waist, wide, wide * 0.82, neck * 1.15, neck, neck * 1.1]
    radii = np.convolve(np.pad(np.interp(h, knots, widths), 2, mode="edge"), np.ones(5) / 5, "valid")
    heights = h * height
    # Clear bottles are filled up to a level; the others are opaque.
    clear = rng.random() < 0.5
    tints = "1a5028 562c0e 18466e 46605a 78141e 6e8282"
    color = pick(rng, tints if clear else ANY, 8)
    level = np.float32(-height * rise * rng.uniform(0.3, 0.8))

    def filled(f: Field) -> Layers:
        return [(f.inside(f.y - level) * np.float32(0.75), color * 0.35)] if clear else []

    form = lathe(radii, heights, tilt)
    parts = [Part([turned(radii, heights, tilt)], color, m.GLASS if clear else m.PLASTIC, form, filled)]
    # A label around the belly, bent like the wall that it sticks to.
    if rng.random() < 0.85:
        lh = np.linspace(rng.uniform(0.08, 0.2), rng.uniform(0.38, shoulder - 0.04), 12) * height
        lr = np.interp(lh, heights, radii)
        y0 = -lh[0] * rise
        y1 = -lh[-1] * rise
        # Up the right side, along the lower edge, and back.
        ring = [vertices(lr, -lh * rise), ellipse(0, y1, lr[-1], lr[-1] * tilt, 0, np.pi, 15)]
        ring += [vertices(-lr, -lh * rise)[::-1], ellipse(0, y0, lr[0], lr[0] * tilt, np.pi, 0, 15)]
        ink = pick(rng, ANY)
        style = rng.integers(3)
        turned_by = rng.uniform(-0.6, 0.6)
        words = rng.uniform(0, 99)

        def label(f: Field) -> Layers:
            # Height in the label, its edges bent as seen from above, and the angle around the bottle.
            v = (f.y - y1 - tilt * np.sqrt(np.maximum(wide * wide - f.x * f.x, 0))) / (y0 - y1)
            u = np.arcsin(clamp(f.x / wide, -1, 1)) + turned_by
            long = y0 - y1
            edges = f.inside(np.abs(v - 0.5) - 0.42, long)
            text = writing(f, words, u, v - 0.74, 0.8, 0.02, long) + writing(f, -words, u, v - 0.83, 0.6, 0.015, long)
            if style == 0:
                return [(f.inside(0.18 - np.abs(v - 0.45), long), ink), (edges, ink), (text, BLACK)]
            if style == 1:
                sun = f.inside(0.42 - np.sqrt(u * u + (v - 0.4) ** 2 * 4), wide)
                return [(sun, ink), (text, ink * 0.3)]
            leaf = f.inside((0.16 - np.abs(v - 0.4)) - 0.2 * np.abs(np.sin(u * 4)), long)
            return [(f.inside(0.25 - v, long), ink), (leaf, ink * 0.5), (text, BLACK)]

        parts.append(Part([np.concatenate(ring)], pick(rng, ANY), m.PAPER, form, label, inner=True))
    # A cap with ridges, and its lid.
    cap_r = np.full(2, neck * 1.25)
    cap_h = np.array([0.9 * height, height])

    def ridges(f: Field) -> Layers:
        return [(np.float32(0.25) + np.float32(0.25) * np.sin(24 * np.arcsin(clamp(f.x / cap_r[0], -1, 1))), BLACK)]

    cap = Part([turned(cap_r, cap_h, tilt)], pick(rng, ANY), m.PLASTIC, lathe(cap_r, cap_h, tilt), ridges)
    disc = ellipse(0, -height * rise, cap_r[1], cap_r[1] * tilt)
    lid = Part([disc], cap.color * 1.1, m.PLASTIC, flat(0, -0.5), inner=True)
    parts += [cap, lid]
    return moved(parts, [[0, 1, height / 2], [-1, 0, 0]]) if pose == "lie" else parts


def clock(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    # Size, material and colors; dark dials get white marks.
    r = rng.uniform(0.5, 0.7) if pose == "stand" else rng.uniform(0.75, 1.2)
    finish = (m.PLASTIC, m.METAL, replace(m.WOOD, gloss=0.2))[rng.integers(3)]
    frame = BRASS if finish is m.METAL else pick(rng, f"{BRIGHT} {WOODS}")
    face = pick(rng, "f6f2e8 fafaf8 1e2026 e8dec2 c8dce2", 5)
    ink = WHITE if face.mean() < 0.2 else BLACK
    parts = []
    if pose == "stand":  # an alarm clock: legs, bells and a hammer between them
        for side in (-1, 1):
            leg = np.array([[side * r * 0.5, r * 0.8], [side * r * 0.74, r * 1.12]])
            parts.append(Part([tube(leg, 0.05)], frame * 0.8, finish, rounded(0.05)))
        if rng.random() < 0.8:
            hammer = [tube([[0, -r], [0, -r * 1.2]], 0.025), ellipse(0, -r * 1.22, 0.07, 0.07, n=16)]
            parts.append(Part(hammer, BRASS, m.METAL, rounded(0.05)))
            for side in (-1, 1):
                # Domes on stems, leaning outwards.
                stem = tube([[side * r * 0.4, -r * 0.6], [side * r * 0.66, -r * 1.06]], 0.035)
                bell = turn(ellipse(0, 0, r * 0.36, r * 0.32, np.pi, FULL, 24), side * 0.6) + (
                    side * r * 0.62,
                    -r * 0.94,
                )
                parts.append(Part([stem], BRASS, m.METAL, rounded(0.035)))
                parts.append(Part([bell], BRASS, m.METAL, rounded(r * 0.28)))
    # The case, round or square, and the dial in it with a colored band.
    square = pose != "stand" and rng.random() < 0.25

    def disc(size: float, corner: float) -> np.ndarray:
        if square:
            return box(-r * size, -r * size, r * size, r * size, corner * r)
        return ellipse(0, 0, r * size, r * size, n=72)

    parts.append(Part([disc(1, 0.2)], frame, finish, rounded(r * 0.13)))
    band = rng.uniform(0.5, 0.62) if rng.random() < 0.35 else 2.0
    tone = pick(rng, ANY)

    def dial(f: Field) -> Layers:
        far = np.sqrt(f.x * f.x + f.y * f.y) / np.float32(r)
        # The glass before it shines toward the upper left.
        glare = clamp((f.x * np.float32(-0.5) - f.y) / np.float32(r) * 1.5 - 0.2, 0, 1) * np.float32(0.16)
        return [(f.inside(far - band, r), tone), (clamp((far - 0.72) * 3, 0, 0.35), face * 0.4), (glare, WHITE)]

    parts.append(Part([disc(0.87, 0.12)], face, m.PAPER, flat(), dial, inner=True))

    def hands(turns: np.ndarray, start: float, end: float, width: float) -> list[np.ndarray]:
        d = vertices(np.sin(turns * FULL), -np.cos(turns * FULL)) * r
        return sticks(d * start, d * end, width * r)

    # Marks of quarters, hours and sometimes minutes, then three hands over them.
    k = np.arange(60)
    quarters = k[::15]
    hours = k[(k % 5 == 0) & (k % 15 > 0)]
    minutes = k[k % 5 > 0]
    ticks = hands(quarters / 60, 0.58, 0.78, 0.03) + hands(hours / 60, 0.68, 0.78, 0.016)
    if rng.random() < 0.4:
        ticks += hands(minutes / 60, 0.76, 0.79, 0.006)
    parts.append(Part(ticks, ink, m.MATTE, inner=True))
    hour, minute, second = rng.random((3, 1))
    parts.append(Part(hands(hour, -0.12, 0.42, 0.042), ink, m.PLASTIC, rounded(0.03 * r), inner=True, lift=0.05 * r))
    parts.append(Part(hands(minute, -0.14, 0.66, 0.028), ink, m.PLASTIC, rounded(0.03 * r), inner=True, lift=0.05 * r))
    parts.append(Part(hands(second, -0.2, 0.7, 0.01), linear("c41e1a"), m.PLASTIC, inner=True, lift=0.04 * r))
    parts.append(Part([ellipse(0, 0, 0.06 * r, 0.06 * r, n=16)], frame, m.METAL, rounded(0.05 * r), inner=True))
    return settled(parts, pose) if pose == "stand" else parts


def kite(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    colors = [pick(rng, BRIGHT) for _ in range(4)]
    wide = rng.uniform(0.8, 1.25)
    high = rng.uniform(1.3, 1.8)
    cross = rng.uniform(0.28, 0.42)
    bend = rng.uniform(0.1, 0.3)
    if rng.random() < 0.35:  # a delta: swept wings
        corners = [
            (0, high * 0.55, 0),
            (wide * 1.3, -high * 0.4, -bend),
            (0, -high * 0.15, bend),
            (-wide * 1.3, -high * 0.4, -bend),
        ]
    else:
        corners = [(0, high * cross, 0), (wide, 0, -bend), (0, high * (cross - 1), 0), (-wide, 0, -bend)]
    # Corners of a bent cloth in space, seen from below at an angle; `knot` is where the spars cross.
    yaw = rng.uniform(-0.6, 0.6)
    lean = rng.uniform(-0.5, 0.5)
    nose, right, tail, left, knot = project([*corners, (0, 0, bend * 0.6)], yaw, lean)
    # A tail that waves, with a bow at every fifth vertex.
    t = np.linspace(0, 1, 26)
    sway = rng.uniform(-1, 1)
    length = rng.uniform(1.5, 2.6)
    wave = 0.25 * t * np.sin(t * rng.uniform(6, 10) + rng.uniform(0, FULL))
    line = tail + vertices(sway * t + wave, t * length)
    parts = [Part([tube(line, 0.045)], colors[1], m.FABRIC, rounded(0.05))]
    wing = np.array([[0, 0], [0.24, -0.13], [0.24, 0.13]])
    for k in range(5, 26, 5):
        parts.append(Part([wing + line[k], line[k] - wing], colors[k // 5 % 4], m.FABRIC, rounded(0.08)))
    # Four panels about the knot, colored by halves, quarters, or with stripes; each faces its own way.
    style = rng.integers(4)
    stripe = rng.uniform(4, 9)
    for k, (a, b) in enumerate(((nose, right), (right, tail), (tail, left), (left, nose))):
        side = 1 if k < 2 else -1
        tone = colors[(k % 2, k, k // 2, 0)[style]]
        striped = (lambda f: [(f.inside(np.sin(f.y * stripe) / stripe), colors[1])]) if style == 3 else None
        nx = side * bend * 0.9 - np.sin(yaw) * 0.4
        ny = (0.15 if k in (1, 2) else -0.15) - lean * 0.5
        parts.append(
            Part([np.array([a, b, knot])], tone, replace(m.FABRIC, gloss=0.14), rounded(0.25, nx, ny), striped)
        )
    # The spars lie on the cloth.
    spars = [tube([nose, knot, tail], 0.022), tube([left, knot, right], 0.02)]
    parts += [Part([spar], linear("5c422a"), m.MATTE, rounded(0.02), inner=True, lift=0.03) for spar in spars]
    return parts


def banana(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    # Ripeness sets the color, the green end and the spots; bunches have three or four fruits.
    ripe = rng.random()
    color = linear(np.array((236, 198, 56)) + ripe * np.array((4, -24, -20)) + rng.normal(0, 4, 3))
    green = linear("96ac3e") if ripe < 0.35 else color
    dark = linear("362414")
    bruise = color * 0.72
    count = 1 if rng.random() < 0.55 else int(rng.integers(3, 5))
    length = rng.uniform(1.5, 1.9)
    bend = rng.uniform(0.5, 0.85)
    fan = rng.uniform(0.15, 0.24)
    # One fruit: a circular arc, `thick` in thousandths of a unit along it.
    t = np.linspace(-1, 1, 30)
    along = [-1, -0.95, -0.85, -0.6, 0, 0.55, 0.8, 0.86, 1]
    thick = [50, 70, 130, 175, 190, 165, 90, 60, 55]
    girth = np.interp(t, along, thick) / 1000
    circle = length / 2 / np.sin(bend)
    arc = vertices(np.sin(t * bend), np.cos(bend) - np.cos(t * bend)) * circle
    parts = []
    # Fruits of a bunch fan out about the stem that they share.
    for i in range(count):
        spots = rng.random((6 if ripe > 0.6 else 0, 2))
        ridge = rng.uniform(-0.08, 0.06)

        def peel(f: Field, spots: np.ndarray = spots, ridge: float = ridge) -> Layers:
            # Along the fruit, -1 to 1, and across it: straightened, so that marks follow the bend.
            u = f.x * np.float32(2 / length)
            rise = np.cos(np.arcsin(clamp(f.x * np.float32(1 / circle), -1, 1))) - np.float32(np.cos(bend))
            v = f.y + rise * np.float32(circle)  # across the fruit, from its middle
            layers = [(clamp((u - 0.4) * 2.5, 0, 1), green), (f.inside(v - ridge) * np.float32(0.5), bruise)]
            for a, b in spots:
                speck = 1.2 - ((u - a * 1.4 + 0.7) ** 2 * 500 + (v - b * 0.2 + 0.1) ** 2 * 900)
                layers.append((clamp(speck, 0, 0.7), dark))
            return [*layers, (clamp((np.abs(u + 0.02) - 0.945) * 30, 0, 1), dark)]

        fruit = [Part([tube(arc, girth)], color, m.PEEL, rounded(0.19, 0, 0, 0.5), peel, lift=0.08 if i else 0.0)]
        swing = (i - (count - 1) / 2) * fan
        c = np.cos(swing)
        s = np.sin(swing)
        stem = arc[-1]
        parts += moved(shifted(fruit, *-stem), [[c, -s, stem[0]], [s, c, stem[1]]])
    # The crown, where they are grown together.
    if count > 1:
        x, y = arc[-1] + (0.02, 0.0)
        parts.append(Part([ellipse(x, y, 0.1, 0.11, n=20)], dark * 1.6, m.PEEL, rounded(0.09)))
    # Any way round when seen from above, else lengthwise, foreshortened.
    angle = rng.uniform(0, FULL) if tilt > 0.8 else rng.uniform(-0.5, 0.5) + rng.choice([0, np.pi])
    c = np.cos(angle)
    s = np.sin(angle)
    squash = 0.5 + 0.5 * tilt
    return settled(moved(parts, [[c, -s, 0], [s * squash, c * squash, 0]]), pose)


def scissors(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    opening = rng.uniform(0.1, 0.6)
    color = pick(rng, f"{BRIGHT} 688098 343e4e")
    long = rng.uniform(0.85, 1.1)
    # Two halves, mirrored, each turned about the screw by half the opening.
    parts = []
    for side in (1, -1):
        blade = np.array([[0.09, 0.14], [-0.11, 0.12], [-0.09, -0.3], [-0.02, -long], [0.05, -0.3]]) * (side, 1)
        bevel = np.array([[-0.09, -0.05], [-0.09, -0.3], [-0.02, -long], [-0.045, -0.3]]) * (side, 1)
        shank = smooth([[0, 0.05], [side * 0.05, 0.25], [side * 0.14, 0.42]], closed=False)
        grip = smooth([[0.06, 0.42], [0.3, 0.4], [0.43, 0.62], [0.34, 0.88], [0.13, 0.88], [0.05, 0.64]]) * (side, 1)
        half = [
            Part([blade], STEEL, m.METAL, flat(side * 0.3, -0.2), lift=0.04),
            Part([bevel], STEEL * 1.3, m.METAL, flat(-side * 0.5, -0.3), inner=True),
            Part([tube(shank, 0.09)], color, m.PLASTIC, rounded(0.09), lift=0.04),
            Part(loop(grip[::side], 0.075), color, m.PLASTIC, rounded(0.075)),
        ]
        c = np.cos(side * opening / 2)
        s = np.sin(side * opening / 2)
        parts += moved(half, [[c, -s, 0], [s, c, 0]])
    parts.append(Part([ellipse(0, 0.02, 0.055, 0.055, n=20)], STEEL * 0.7, m.METAL, rounded(0.05), inner=True))
    return parts if pose == "hang" else laid(parts, rng.uniform(0, FULL), tilt, 0.05)


def teddy(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    # One fur, paler on belly and muzzle, and a little paler on ears and soles.
    fur = pick(rng, "9e683a c49660 704a2e dac29e a49a96 e2b4b4 f0e8dc", 8)
    pale = np.minimum(fur * 1.6 + 0.06, 0.85)
    pads = np.minimum(fur * 1.3 + 0.03, 0.8)
    coat = replace(m.FUR, pitch=rng.uniform(1.2, 3.6), bump=rng.uniform(0.3, 0.7))

    def blob(
        x: float,
        y: float,
        rx: float,
        ry: float,
        color: np.ndarray = fur,
        angle: float = 0.0,
        inner: bool = False,
        lift: float = 0.08,
    ) -> Part:
        dense = ellipse(0, 0, rx, ry, n=110) * (1 + rng.uniform(-0.02, 0.02, 110))[:, None]  # hair stands out
        hair = turn(dense, angle) + (x, y)
        return Part([hair], color, coat, rounded(min(rx, ry), 0, 0, 0.35), inner=inner, lift=lift)

    # Body and limbs, each side with a swing of its own.
    arm = rng.uniform(0.3, 1.7, 2)
    leg = rng.uniform(0.35, 0.75)
    nod = rng.uniform(-0.15, 0.15)
    body = [blob(0, -0.78, 0.56, 0.72, lift=0), blob(0, -0.68, 0.37, 0.48, pale, inner=True, lift=0)]
    for side, a in zip((-1, 1), arm):
        body.append(blob(side * (0.52 + 0.2 * np.sin(a)), -1.12 + 0.35 * np.cos(a), 0.19, 0.42, angle=-side * a))
        body.append(blob(side * leg, -0.22, 0.28, 0.26, lift=0.12))
        body.append(blob(side * leg, -0.2, 0.17, 0.16, pads, inner=True, lift=0))
    # The head is built upright and nods as a whole.
    head = []
    for side in (-1, 1):
        head.append(blob(side * 0.43, -2.12, 0.21, 0.21))
        head.append(blob(side * 0.43, -2.1, 0.12, 0.12, pads, inner=True, lift=0))
    head += [blob(0, -1.72, 0.56, 0.5, lift=0.12), blob(0, -1.58, 0.27, 0.21, pale, inner=True, lift=0.05)]
    head.append(Part([ellipse(0, -1.67, 0.095, 0.068, n=20)], BLACK, m.PLASTIC, rounded(0.06), inner=True))
    eyes = [ellipse(side * 0.2, -1.85, 0.058, 0.062, n=16) for side in (-1, 1)]
    head.append(Part(eyes, BLACK, m.CERAMIC, rounded(0.06), inner=True))
    head.append(Part([tube(ellipse(0, -1.57, 0.09, 0.07, 0.3, np.pi - 0.3, 9), 0.013)], BLACK, m.MATTE, inner=True))
    # Turned about the neck, the point (0, neck).
    c = np.cos(nod)
    s = np.sin(nod)
    neck = -1.3
    parts = body + moved(head, [[c, -s, s * neck], [s, c, neck - c * neck]])
    if rng.random() < 0.6:
        ribbon = pick(rng, BRIGHT)
        for side in (-1, 1):
            bow = smooth(np.array([[0, -1.27], [0.28, -1.43], [0.33, -1.26], [0.27, -1.11]]) * (side, 1), 5)
            parts.append(Part([bow], ribbon, m.FABRIC, rounded(0.12), inner=True, lift=0.06))
        parts.append(Part([ellipse(0, -1.27, 0.07, 0.08, n=18)], ribbon * 0.8, m.FABRIC, rounded(0.07), inner=True))
    return parts if pose == "stand" else shifted(parts, 0, 1.15)


class Face(NamedTuple):
    """A side of a standing block. corner, across, down: in half sizes, the edges right and down from the corner."""

    corner: tuple[int, int, int]
    across: tuple[int, int, int]
    down: tuple[int, int, int]
    color: np.ndarray
    paint: Paint | None


def book(rng: np.random.Generator, pose: str, tilt: float, spine: bool = False) -> list[Part]:
    # Colors, half sizes, and which of five covers it has.
    cover = pick(rng, ANY)
    second = pick(rng, ANY)
    third = pick(rng, f"{BRIGHT} f0ece2 d4e0e4")
    wide = rng.uniform(1.2, 1.7)
    high = rng.uniform(1.7, 2.4)
    thick = rng.uniform(0.2, 0.5)
    style = int(rng.integers(5))
    share = rng.uniform(0.1, 0.3)
    words = rng.uniform(0, 99)
    leaves = linear("eae0ca")

    def front(f: Field) -> Layers:
        # Fractions of the cover, from its top left.
        x = f.x
        y = f.y
        # Two lines of title over the art, and the crease along the spine.
        title = writing(f, words, x - 0.5, y - 0.16, 0.36, 0.035, high)
        title = title + writing(f, -words, x - 0.5, y - 0.26, 0.28, 0.025, high)
        hinge = clamp(1 - np.abs(x - 0.07) * 40, 0, 0.4)
        if style == 0:
            art = [(f.inside(share - np.abs(y - 0.62), high), second)]
        elif style == 1:
            far = np.sqrt((x - 0.5) ** 2 + (y - 0.62) ** 2 * 2)
            art = [(f.inside(y - 0.4, high), second), (f.inside(share - far, wide), third)]
        elif style == 2:
            art = [(f.inside(np.sin((x + y) * 22) / 22, wide) * (y > 0.36), second)]
        elif style == 3:  # hills under a sun
            hill = 0.62 + 0.08 * np.sin(x * 7 + share * 40)
            near = 0.8 + 0.06 * np.sin(x * 5 + share * 90)
            sun = f.inside(0.1 - np.sqrt((x - 0.68) ** 2 + (y - 0.48) ** 2 * 2), wide)
            art = [(sun, third), (f.inside(y - hill, high), second), (f.inside(y - near, high), second * 0.4)]
        else:
            rim = np.maximum(np.abs(x - 0.5) * wide / high, np.abs(y - 0.5) - 0.5 + wide / high / 2)
            art = [(f.inside(0.012 - np.abs(rim - wide / high * 0.42), high), third)]
        return [*art, (title, WHITE if cover.mean() < 0.35 else BLACK), (hinge, BLACK)]

    def back(f: Field) -> Layers:
        x, y = f.x, f.y
        bands = f.inside(0.02 - np.abs(np.abs(y - 0.5) - 0.38), high)
        title = writing(f, words * 3, (y - 0.48) * 4, x - 0.5, 1.0, 0.17, thick)
        return [(bands, second), (title, third), (np.abs(x - 0.5) * 0.5, BLACK)]

    def pages(f: Field) -> Layers:
        lines = 0.12 + 0.1 * np.sin(f.y * 80 + np.sin(f.x * 3)) + 0.1 * np.sin(f.y * 210)
        return [(lines, leaves * 0.3), (f.inside(np.abs(f.y - 0.5) - 0.43, thick), cover)]

    # A block of six sides: cover, spine, three cuts of the pages, and the back, which is never seen painted.
    faces = [
        Face((-1, 1, 1), (2, 0, 0), (0, -2, 0), cover, front),
        Face((-1, 1, -1), (0, 0, 2), (0, -2, 0), cover, back),
        Face((1, 1, -1), (0, -2, 0), (0, 0, 2), leaves, pages),
        Face((-1, 1, -1), (2, 0, 0), (0, 0, 2), leaves, pages),
        Face((-1, -1, 1), (2, 0, 0), (0, 0, -2), leaves, pages),
        Face((1, 1, -1), (-2, 0, 0), (0, -2, 0), cover, None),
    ]
    # How it is turned: any way when it lies, its spine to the viewer in a shelf, else half open to the front.
    if pose == "lie":
        yaw = rng.uniform(0, FULL)
    elif spine:
        yaw = rng.uniform(1.32, 1.67)
    else:
        yaw = rng.uniform(-0.5, 1.5)
    elevation = float(np.arcsin(min(tilt, 0.98)))
    # Corners and outward normals of all sides in one array, so that one projection serves them all.
    c, u, v = (np.array([face[:3] for face in faces]) * (wide / 2, high / 2, thick / 2)).transpose(1, 0, 2)
    outwards = np.cross(v, u)
    outwards /= np.linalg.norm(outwards, axis=1)[:, None]
    points = np.concatenate([c, c + u, c + u + v, c + v, outwards])
    if pose == "lie":  # on its back, the cover up
        points = points[:, [0, 2, 1]] * (1, 1, -1)
    rings = project(points[:24], yaw, elevation).reshape(4, 6, 2).transpose(1, 0, 2)
    # Sides whose corners run clockwise in the image face the viewer; the others are hidden.
    parts = []
    for face, ring, (nx, ny) in zip(faces, rings, project(points[24:], yaw, elevation, 1e9)):
        a = ring[1] - ring[0]
        b = ring[3] - ring[0]
        faces_viewer = a[0] * b[1] - a[1] * b[0] > 1e-3
        if faces_viewer:
            finish = m.MATTE if face.paint is pages else m.PAPER
            frame = np.array([a, b, ring[0]]).T
            parts.append(Part([ring], face.color, finish, flat(nx * 0.98, ny * 0.98), face.paint, frame))
    return settled(parts, pose)


class Panel(NamedTuple):
    """The cloth between two ribs. near: how near to the viewer; ring: its outline; nx, ny: where it faces."""

    near: float
    ring: np.ndarray
    color: np.ndarray
    nx: float
    ny: float


def umbrella(rng: np.random.Generator, pose: str, tilt: float) -> list[Part]:
    # Size, two colors for alternate panels, and how it is held.
    ribs = int(rng.choice([6, 8, 8]))
    radius = rng.uniform(1.5, 2.0)
    depth = rng.uniform(0.55, 0.95)
    colors = [pick(rng, BRIGHT), pick(rng, f"{BRIGHT} f0ece2")]
    colors[1] = colors[rng.integers(2)]
    yaw = rng.uniform(0, FULL)
    elevation = float(np.arcsin(min(tilt, 1))) * 0.8 if pose == "stand" else rng.uniform(0.8, 1.5)
    # Ribs in space, bent down from the top.
    s = np.linspace(0, 1, 8)
    out = np.sin(s * 1.25) / np.sin(1.25) * radius
    down = (np.cos(s * 1.25) - 1) / (1 - np.cos(1.25)) * depth
    angle = np.arange(ribs + 1) * FULL / ribs
    rib = [np.stack([out * np.cos(a), down, out * np.sin(a)], 1) for a in angle]
    # The cloth between two ribs, seen from inside or from outside, as its corners run.
    under: list[Panel] = []  # seen from inside
    over: list[Panel] = []
    for a, b, middle in zip(rib[:-1], rib[1:], angle + np.pi / ribs):
        w = np.linspace(0, 1, 7)[1:-1, None]
        dip = np.sin(w * np.pi)
        # The hem sags between the ribs' ends.
        hem = (a[-1] * (1 - w) + b[-1] * w) * (1 - 0.1 * dip) + dip * (0, 0.1, 0)
        ring = project(np.concatenate([a, hem, b[::-1]]), yaw, elevation)
        x, y = ring.T
        # Where the panel faces, how near it is, and by its turning sense which side of the cloth is seen.
        normal = np.array([[np.cos(middle) * 0.72, 0.7, np.sin(middle) * 0.72]])
        nx, ny = project(normal, yaw, elevation, 1e9)[0]
        near = np.sin(middle) * np.cos(yaw) - np.cos(middle) * np.sin(yaw)
        outside = float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) < 0
        panel = Panel(near, ring, colors[len(over + under) % 2], nx, ny)
        (over if outside else under).append(panel)
    # Back to front: the inside, its stays, the stick, then the outside over them.
    wood = pick(rng, WOODS, 6)
    cloth = replace(m.FABRIC, gloss=0.16, sharp=2)
    parts = []
    for panel in sorted(under, key=lambda panel: panel.near):
        parts.append(Part([panel.ring], panel.color * 0.4, cloth, flat(-panel.nx * 0.7, -panel.ny * 0.7)))

    def stays(panels: list[Panel]) -> list[np.ndarray]:
        return [tube(panel.ring[:8], 0.012) for panel in panels]

    if under:
        parts.append(Part(stays(under), STEEL * 0.6, m.MATTE, inner=True))
    # The stick ends in a hook; from above it is hidden.
    if elevation < 1.2:
        top, foot = project([(0, -depth * 0.2, 0), (0, -rng.uniform(2.3, 2.9), 0)], yaw, elevation)
        along = (foot - top) / np.hypot(*(foot - top))
        across = np.array([-along[1], along[0]]) * 0.17
        bend = np.linspace(0, np.pi, 10)[:, None]
        hook = foot + across * (1 - np.cos(bend)) + along * 0.2 * np.sin(bend)
        parts.append(Part([tube([top, foot], 0.05)], STEEL, m.METAL, rounded(0.05)))
        parts.append(Part([tube(np.concatenate([[foot - along * 0.45], hook]), 0.07)], wood, m.PLASTIC, rounded(0.07)))
    for panel in sorted(over, key=lambda panel: panel.near):
        bulge = rounded(0.3, panel.nx * 0.85, panel.ny * 0.85, 0.5)
        parts.append(Part([panel.ring], panel.color, cloth, bulge))
    if over:
        parts.append(Part(stays(over), colors[0] * 0.4, m.MATTE, inner=True))
    # The spike stands on top of everything.
    spike = tube(project([(0, -0.02, 0), (0, 0.2, 0)], yaw, elevation), 0.045)
    parts.append(Part([spike], STEEL, m.METAL, rounded(0.045)))
    return settled(parts, pose)


Make = Callable[[np.random.Generator, str, float], list[Part]]  # (rng, pose, tilt) -> parts
LIFE_SIZE = (0.9, 1.05)
# Class name -> how to make an object of it, the poses it has, and the range of its size in the toybox.
OBJECTS: dict[str, tuple[Make, tuple[str, ...], tuple[float, float]]] = {
    "cup": (cup, ("stand",), LIFE_SIZE),
    "donut": (donut, ("lie", "hang"), LIFE_SIZE),
    "umbrella": (umbrella, ("stand", "hang", "lie"), (0.5, 0.75)),
    "clock": (clock, ("stand", "hang"), LIFE_SIZE),
    "kite": (kite, ("hang",), (0.5, 0.75)),
    "bottle": (bottle, ("stand", "lie"), LIFE_SIZE),
    "banana": (banana, ("lie",), LIFE_SIZE),
    "scissors": (scissors, ("lie", "hang"), LIFE_SIZE),
    "teddy bear": (teddy, ("stand", "lie"), LIFE_SIZE),
    "book": (book, ("stand", "lie"), LIFE_SIZE),
}
NAMES = list(OBJECTS)
