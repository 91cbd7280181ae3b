"""The four sides of a box as the network predicts them: from an anchor point, each a distribution over 16 bins."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import cv2
import numpy as np

from seglab.drawing.overlays import class_color, draw_box, draw_label, write
from seglab.errors import SeglabError
from seglab.model.head import BINS, COEFFICIENTS, anchor_points
from seglab.widgets.closeup import closeup, side_by_side
from seglab.widgets.forward_pass import ForwardPass, detected_anchors, run_network
from seglab.widgets.images import first_sample
from seglab.widgets.panel import Drawn, Panel, slider

SIDES = ("left", "top", "right", "bottom")
DIRECTIONS = np.array([[-1, 0], [0, -1], [1, 0], [0, 1]])  # from the point to each side
# One bar chart, in pixels.
CHART_HEIGHT = 120
BAR_WIDTH = 20
CHART_MARGIN = 12
MIN_TINT = 0.02  # probability from which a bin's line is drawn
TINT_COLOR = (255, 230, 0)
BAR_COLOR = (81, 121, 255)
MEAN_COLOR = (240, 90, 20)


class Sides(NamedTuple):
    """One detection's box before it is a box."""

    point: np.ndarray  # (2,) xy of the anchor point, letterbox pixels
    stride: float
    probabilities: np.ndarray  # (4, 16) of left, top, right, bottom
    label: str
    class_id: int

    @property
    def means(self) -> np.ndarray:
        """(4,) expected distances from the point, in bins."""
        return self.probabilities @ np.arange(BINS)

    @property
    def deviations(self) -> np.ndarray:
        """(4,) standard deviations, in bins."""
        squares = (np.arange(BINS) - self.means[:, None]) ** 2  # (4, 16)
        return np.sqrt((self.probabilities * squares).sum(axis=1))

    @property
    def box(self) -> np.ndarray:
        """(4,) xyxy, letterbox frame."""
        return np.tile(self.point, 2) + self.means * self.stride * (-1, -1, 1, 1)


def distribution(model: Any, image: Any, i: int = 0, imgsz: int | None = None) -> Panel:
    """The distributions of the i-th detection on an image, highest score first. Arguments as for `explore`."""
    forward_pass = run_network(model, first_sample(image), imgsz)
    if forward_pass.raw is None:
        raise SeglabError("an exported file returns decoded boxes only: open the weights it came from")
    anchors = detected_anchors(forward_pass).tolist()
    if not anchors:
        raise SeglabError("nothing is detected on this image, so there is no box to look into: choose another")
    first = min(i, len(anchors) - 1) + 1
    controls = {"object": slider("object", first, 1, len(anchors), 1, "Which detection")}

    def draw(object: int) -> Drawn:
        return draw_sides(forward_pass, sides_of(forward_pass, anchors[object - 1], model.names))

    return Panel("sides as distributions", controls, draw)


def sides_of(forward_pass: ForwardPass, anchor: int, names: dict[int, str]) -> Sides:
    """What one anchor point says of its four sides. Errors: SeglabError for the output of an exported file."""
    if forward_pass.raw is None:
        raise SeglabError("an exported file returns decoded boxes only: open the weights it came from")
    points, strides = anchor_points(*forward_pass.letterbox.size)
    probabilities = forward_pass.raw.boxes[0, :, anchor].view(4, BINS).softmax(dim=1)
    scores = forward_pass.predictions[0, 4:-COEFFICIENTS, anchor]
    class_id = int(scores.argmax())
    label = f"{names[class_id]} {scores[class_id]:.2f}"
    return Sides(points[anchor].numpy(), float(strides[anchor]), probabilities.numpy(), label, class_id)


def draw_sides(forward_pass: ForwardPass, sides: Sides) -> Drawn:
    """The network's input around the box, with the point and the lines on which bins put the sides; bar charts."""
    near = closeup(forward_pass.letterbox.apply(forward_pass.image), sides.box)
    canvas = near.image
    color = class_color(sides.class_id)
    box = near.to_closeup(sides.box)
    point = near.to_closeup(sides.point)
    shade_bins(canvas, box, point, sides, near.scale)
    draw_box(canvas, box, color, 3)
    draw_label(canvas, sides.label, box, color, 3)
    x, y = np.round(point).astype(int).tolist()
    cv2.circle(canvas, (x, y), 7, (255, 255, 255), -1, cv2.LINE_AA)
    cv2.circle(canvas, (x, y), 5, (0, 0, 0), -1, cv2.LINE_AA)

    charts = [
        bar_chart(name, probabilities, mean, deviation)
        for name, probabilities, mean, deviation in zip(SIDES, sides.probabilities, sides.means, sides.deviations)
    ]
    return Drawn(side_by_side(canvas, np.concatenate(charts)), _text(sides))


def _text(sides: Sides) -> str:
    distances = sides.means * sides.stride  # pixels
    deviations = sides.deviations * sides.stride
    rows = "".join(
        f"<tr><th scope=row>{name}</th><td>{distance:.1f} px</td><td>± {deviation:.1f} px</td></tr>"
        for name, distance, deviation in zip(SIDES, distances, deviations)
    )
    return (
        f"<b>{escape(sides.label)}</b>, seen from a point of stride {sides.stride:.0f}: a bin is "
        f"{sides.stride:.0f} px of the network's input wide, and the mean of the bins is the side."
        f"<table><tr><th>side</th><th>distance</th><th>standard deviation</th></tr>{rows}</table>"
    )


def shade_bins(canvas: np.ndarray, box: np.ndarray, point: np.ndarray, sides: Sides, scale: float) -> None:
    """Tint, for every side and bin, the line on which that bin would put the side, by its probability.

    box, point: in pixels of the canvas; scale: canvas pixels per letterbox pixel.
    """
    tint = canvas.copy()
    x0, y0, x1, y1 = box.round().astype(int).tolist()
    for side, (probabilities, direction) in enumerate(zip(sides.probabilities, DIRECTIONS)):
        axis = side % 2  # left and right are distances in x, top and bottom in y
        for number, probability in enumerate(probabilities.tolist()):
            if probability < MIN_TINT:
                continue
            distance = number * sides.stride * scale
            position = round(float(point[axis] + direction[axis] * distance))
            if axis == 0:
                start, end = (position, y0), (position, y1)
            else:
                start, end = (x0, position), (x1, position)
            thickness = max(1, round(1 + 12 * probability))
            cv2.line(tint, start, end, TINT_COLOR, thickness)
    cv2.addWeighted(tint, 0.7, canvas, 0.3, 0, dst=canvas)


def bar_chart(name: str, probabilities: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    """One side's 16 bins as a bar chart, its mean as a line (which falls between the bins)."""
    left = CHART_MARGIN
    bottom = CHART_HEIGHT - 26
    right = CHART_MARGIN + BINS * BAR_WIDTH
    canvas = np.full((CHART_HEIGHT, right + CHART_MARGIN, 3), 255, np.uint8)
    tallest = max(0.25, float(probabilities.max()))
    for number, probability in enumerate(probabilities.tolist()):
        x = left + number * BAR_WIDTH
        height = round(probability / tallest * (bottom - 26))
        cv2.rectangle(canvas, (x + 2, bottom - height), (x + BAR_WIDTH - 3, bottom), BAR_COLOR, -1)
        write(canvas, str(number), x + (3 if number > 9 else 7), bottom + 4, 10, (110, 110, 110))
    cv2.line(canvas, (left, bottom + 1), (right, bottom + 1), (160, 160, 160), 1)
    x = round(left + (mean + 0.5) * BAR_WIDTH)
    cv2.line(canvas, (x, 22), (x, bottom), MEAN_COLOR, 2)
    write(canvas, f"{name}: mean {mean:.2f} bins, std {deviation:.2f}", left, 2, 12, (40, 40, 40))
    return canvas
