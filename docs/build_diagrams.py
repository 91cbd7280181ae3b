"""Draw the course's diagrams: docs/images/diagram-*.svg.

    python docs/build_diagrams.py

Each is one SVG of its own light background, so that it reads the same on a light page and on a dark one.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

FOLDER = Path(__file__).resolve().parent / "images"
INK = "#1f2933"
FAINT = "#52606d"
BLUE = "#cfe3f7"
ORANGE = "#fbe0c3"
GREEN = "#d3efd8"
GRAY = "#e8ebee"
FIRST = "#0b6db7"
SECOND = "#c4560c"


class Drawing:
    """SVG elements in the order in which they are drawn; coordinates in pixels of the drawing."""

    def __init__(self, width: int, height: int, title: str):
        self.width = width
        self.height = height
        self.title = title
        self.elements: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, fill: str, lines: list[str]) -> None:
        """A rounded rectangle with lines of text in its middle, the first of them bold."""
        self.elements.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{INK}"/>'
        )
        top = y + height / 2 - 9 * (len(lines) - 1) + 5
        for number, line in enumerate(lines):
            self.text(x + width / 2, top + 18 * number, line, bold=number == 0)

    def text(self, x: float, y: float, text: str, bold: bool = False, anchor: str = "middle", fill: str = INK) -> None:
        """A line of text whose baseline is at y."""
        weight = ' font-weight="600"' if bold else ""
        self.elements.append(
            f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}"{weight}>{escape(text)}</text>'
        )

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line along the points with a head at its end."""
        path = " ".join(f"{x},{y}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.elements.append(
            f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-width="1.6" marker-end="url(#head)"{dash}/>'
        )

    def svg(self) -> str:
        """The drawing as a file's text."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" font-family="Helvetica, Arial, sans-serif" font-size="14" role="img">'
        )
        marker = (
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" fill="{INK}"/></marker></defs>'
        )
        ground = f'<rect width="{self.width}" height="{self.height}" rx="12" fill="#ffffff" stroke="{GRAY}"/>'
        title = f"<title>{escape(self.title)}</title>"
        return "\n".join([head, title, marker, ground, *self.elements, "</svg>"]) + "\n"


def network() -> Drawing:
    """Backbone, neck and head with the shapes of a 640 x 640 input, size n."""
    d = Drawing(980, 500, "YOLO11-seg: backbone, neck and head, with shapes for an input of 640 x 640")
    for x, name, what in (
        (115, "backbone", "what is there, coarser and coarser"),
        (435, "neck", "maps exchange what and where"),
        (800, "head", "three answers per anchor point"),
    ):
        d.text(x, 30, name, bold=True)
        d.text(x, 50, what, fill=FAINT)

    d.box(30, 70, 170, 52, GRAY, ["image", "640 x 640 x 3"])
    rows = {"8": 165, "16": 265, "32": 365}
    shapes = {"8": ("80 x 80 x 128", "80 x 80 x 64"), "16": ("40 x 40 x 128",) * 2, "32": ("20 x 20 x 256",) * 2}
    for stride, y in rows.items():
        d.box(30, y, 170, 56, BLUE, [f"stride {stride}", shapes[stride][0]])
        d.box(480, y, 150, 56, GREEN, [f"out {stride}", shapes[stride][1]])
    d.box(270, 265, 150, 56, GREEN, ["stride 16", "40 x 40 x 128"])
    d.arrow((115, 122), (115, 165))
    d.arrow((115, 221), (115, 265))
    d.arrow((115, 321), (115, 365))
    d.text(125, 348, "SPPF, attention", anchor="start", fill=FAINT)

    # The neck: up to the finer maps, then down to the coarser ones.
    d.arrow((200, 293), (270, 293))
    d.arrow((200, 393), (345, 393), (345, 321))
    d.text(352, 352, "up", anchor="start", fill=FAINT)
    d.arrow((345, 393), (480, 393))
    d.arrow((200, 193), (480, 193))
    d.arrow((345, 265), (345, 193))
    d.text(352, 240, "up", anchor="start", fill=FAINT)
    d.arrow((420, 293), (480, 293))
    d.arrow((555, 221), (555, 265))
    d.arrow((555, 321), (555, 365))
    d.text(562, 249, "down", anchor="start", fill=FAINT)
    d.text(562, 349, "down", anchor="start", fill=FAINT)

    # The head.
    d.box(720, 165, 230, 56, ORANGE, ["prototypes, for the image", "32 maps of 160 x 160"])
    d.box(720, 240, 230, 46, ORANGE, ["sides: 4 x 16 bins"])
    d.box(720, 296, 230, 46, ORANGE, ["classes: 80 scores"])
    d.box(720, 352, 230, 46, ORANGE, ["mask: 32 coefficients"])
    d.arrow((630, 193), (720, 193))
    for y in (193, 293, 393):
        d.arrow((630, y), (675, y), (675, 319), (720, 319))
    d.arrow((675, 263), (720, 263))
    d.arrow((675, 375), (720, 375))
    d.text(835, 422, "at 80² + 40² + 20² = 8,400 points", fill=FAINT)
    d.box(
        240,
        440,
        710,
        42,
        GRAY,
        ["mask of a point = its 32 coefficients x the 32 prototypes, in its box, where the sum is > 0"],
    )
    d.arrow((835, 427), (835, 440))
    return d


def data() -> Drawing:
    """The way of an image from a file to results, and where training leaves it."""
    d = Drawing(980, 330, "The way of an image: from a file to the network, then to a loss or to results")
    d.text(30, 32, "always", bold=True, anchor="start")
    steps = [
        (["files", "JPEG + labels"], GRAY),
        (["sample", "pixels + outlines"], BLUE),
        (["letterbox", "scaled, gray border"], BLUE),
        (["batch", "B x 3 x H x W"], BLUE),
        (["network", "raw numbers"], GREEN),
    ]
    for number, (lines, fill) in enumerate(steps):
        x = 30 + 190 * number
        d.box(x, 46, 160, 60, fill, lines)
        if number:
            d.arrow((x - 30, 76), (x, 76))
    d.text(30, 150, "in training", bold=True, anchor="start")
    d.box(125, 164, 180, 60, ORANGE, ["augment", "outlines move along"])
    d.arrow((300, 106), (300, 164))
    d.arrow((305, 194), (410, 194), (410, 106))
    chain = [["assign", "which point learns what"], ["loss", "box, class, bins, mask"], ["step", "weights change"]]
    for number, lines in enumerate(chain):
        x, width = ((440, 175), (635, 160), (815, 135))[number]
        d.box(x, 164, width, 60, ORANGE, lines)
    d.arrow((830, 106), (830, 135), (530, 135), (530, 164))
    d.arrow((615, 194), (635, 194))
    d.arrow((795, 194), (815, 194))
    d.text(30, 268, "in use", bold=True, anchor="start")
    use = [
        ["decode", "boxes and scores"],
        ["suppress", "one box per object"],
        ["assemble", "masks in pixels"],
        ["Results", "in the image's frame"],
    ]
    for number, lines in enumerate(use):
        x = 125 + 210 * number
        d.box(x, 250, 170, 60, GREEN if number < 3 else GRAY, lines)
        if number:
            d.arrow((x - 40, 280), (x, 280))
    d.arrow((910, 106), (965, 120), (965, 238), (210, 238), (210, 250), dashed=True)
    return d


def assignment() -> Drawing:
    """Which point learns which object, in three steps."""
    d = Drawing(
        980, 330, "Task-aligned assignment in three steps: candidates, the best of each object, contested points"
    )
    titles = [
        ("1. candidates", "points inside an object's box"),
        ("2. the best of each object", "highest score^0.5 x overlap^6 (here 4, not 10)"),
        ("3. a contested point", "goes to the larger overlap"),
    ]
    first = Box(30, 90, 180, 220, FIRST, {(80, 149), (110, 149), (110, 181), (140, 181)})
    second = Box(110, 140, 240, 260, SECOND, {(140, 181), (170, 181), (170, 213), (200, 213)})
    for panel, (title, below) in enumerate(titles):
        left = 20 + 320 * panel
        d.text(left + 150, 32, title, bold=True)
        d.text(left + 150, 52, below, fill=FAINT)
        for box in (first, second):
            line = f'fill="none" stroke="{box.color}" stroke-width="2.5"'
            size = f'width="{box.right - box.left}" height="{box.bottom - box.top}"'
            d.elements.append(f'<rect x="{left + box.left}" y="{box.top}" {size} {line}/>')
        for y in range(85, 280, 32):
            for x in range(20, 270, 30):
                chosen = [box for box in (first, second) if box.inside(x, y) and (panel == 0 or (x, y) in box.best)]
                colors = [box.color for box in chosen]
                d.elements.append(_point(left + x, y, colors[-1:] if panel == 2 else colors))
    d.text(
        490,
        312,
        "All objects with a contested point in their box compete for it, also one that did not choose it.",
        fill=FAINT,
    )
    return d


class Box(NamedTuple):
    """An object's box in a panel; best: the points (x, y) that it selects."""

    left: int
    top: int
    right: int
    bottom: int
    color: str
    best: set[tuple[int, int]]

    def inside(self, x: float, y: float) -> bool:
        return self.left < x < self.right and self.top < y < self.bottom


def _point(x: float, y: float, colors: list[str]) -> str:
    """A small dot for background, a large one for an object's point, two halves for a contested one."""
    if not colors:
        return f'<circle cx="{x}" cy="{y}" r="2.5" fill="#b8c0c8"/>'
    if len(colors) == 1:
        return f'<circle cx="{x}" cy="{y}" r="6" fill="{colors[0]}"/>'
    halves = ((0, colors[0]), (1, colors[1]))
    return "".join(f'<path d="M{x},{y - 7} a7,7 0 0 {flag} 0,14 z" fill="{color}"/>' for flag, color in halves)


DIAGRAMS = {"network": network, "data": data, "assignment": assignment}


def main() -> None:
    for name, draw in DIAGRAMS.items():
        (FOLDER / f"diagram-{name}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
