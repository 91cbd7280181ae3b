"""The four sides of a box as the network gives them: from an anchor point, each as a distribution over 16 bins."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np

from seglab.drawing.overlays import class_color, draw_box, draw_label, write
from seglab.errors import SeglabError
from seglab.model.head import BINS, COEFFICIENTS, anchor_points
from seglab.widgets.closeup import closeup, side_by_side
from seglab.widgets.panel import Drawn, Panel, slider
from seglab.widgets.scene import Seen, detected_anchors, one_sample, see

SIDES = ("left", "top", "right", "bottom")
CHART = 120  # pixels of one bar chart's height
DIRECTION = np.array([[-1, 0], [0, -1], [1, 0], [0, 1]])


class Sides(NamedTuple):
    """One detection's box before it is a box."""

    point: np.ndarray  # (2,) xy of the anchor point, letterbox pixels
    stride: float
    probabilities: np.ndarray  # (4, 16) of left, top, right, bottom
    label: str
    class_id: int

    @property
    def distances(self) -> np.ndarray:
        """(4,) expected distances from the point, letterbox pixels."""
        return self.probabilities @ np.arange(BINS) * self.stride

    @property
    def doubt(self) -> np.ndarray:
        """(4,) standard deviations, letterbox pixels."""
        bins = np.arange(BINS)
        mean = self.probabilities @ bins
        return np.sqrt((self.probabilities * (bins - mean[:, None]) ** 2).sum(axis=1)) * self.stride

    @property
    def box(self) -> np.ndarray:
        """(4,) xyxy, letterbox frame."""
        return np.tile(self.point, 2) + self.distances * (-1, -1, 1, 1)


def distribution(model: Any, image: Any, i: int = 0, imgsz: int | None = None) -> Panel:
    """The distributions of the i-th detection on an image, best score first. Arguments as for `explore`."""
    seen = see(model, one_sample(image), imgsz)
    if seen.raw is None:
        raise SeglabError("an exported file gives boxes only: open the weights it came from")
    anchors = detected_anchors(seen).tolist()
    if not anchors:
        raise SeglabError("nothing is found on this image, so there is no box to look into: choose another")
    controls = {"object": slider("object", min(i, len(anchors) - 1) + 1, 1, len(anchors), 1, "Which detection")}

    def draw(object: int) -> Drawn:
        return draw_sides(seen, sides_of(seen, anchors[object - 1], model.names))

    return Panel("sides as distributions", controls, draw)


def sides_of(seen: Seen, anchor: int, names: dict[int, str]) -> Sides:
    """What one anchor point says of its four sides."""
    points, strides = anchor_points(*seen.letterbox.size)
    probabilities = seen.raw.boxes[0, :, anchor].view(4, BINS).softmax(dim=1)
    scores = seen.predictions[0, 4:-COEFFICIENTS, anchor]
    kind = int(scores.argmax())
    label = f"{names[kind]} {scores[kind]:.2f}"
    return Sides(points[anchor].numpy(), float(strides[anchor]), probabilities.numpy(), label, kind)


def draw_sides(seen: Seen, sides: Sides) -> Drawn:
    """The network's input around the box, with the point and the lines on which bins put the sides; bar charts."""
    near = closeup(seen.letterbox.apply(seen.image), sides.box)
    photo, color, box, point = near.image, class_color(sides.class_id), near.place(sides.box), near.place(sides.point)
    shade_bins(photo, box, point, sides, near.scale)
    draw_box(photo, box, color, 3)
    draw_label(photo, sides.label, box, color, 3)
    centre = tuple(np.round(point).astype(int).tolist())
    cv2.circle(photo, centre, 7, (255, 255, 255), -1, cv2.LINE_AA)
    cv2.circle(photo, centre, 5, (0, 0, 0), -1, cv2.LINE_AA)
    in_bins = sides.distances / sides.stride, sides.doubt / sides.stride
    charts = [bars(*values) for values in zip(SIDES, sides.probabilities, *in_bins)]
    canvas = side_by_side(photo, np.concatenate(charts))
    rows = "".join(
        f"<tr><th scope=row>{name}</th><td>{distance:.1f} px</td><td>± {doubt:.1f} px</td></tr>"
        for name, distance, doubt in zip(SIDES, sides.distances, sides.doubt)
    )
    text = (
        f"<b>{sides.label}</b>, seen from a point of stride {sides.stride:.0f}: a bin is {sides.stride:.0f} px of the "
        f"network's input wide, and the mean of the bins is the side."
        f"<table><tr><th>side</th><th>distance</th><th>doubt</th></tr>{rows}</table>"
    )
    return Drawn(canvas, text)


def shade_bins(photo: np.ndarray, box: np.ndarray, point: np.ndarray, sides: Sides, zoom: float) -> None:
    """Tint, for every side and bin, the line on which that bin would put the side, by its probability."""
    tint = photo.copy()
    for side, (probabilities, direction) in enumerate(zip(sides.probabilities, DIRECTION)):
        along = (box[[1, 3]] if side % 2 == 0 else box[[0, 2]]).round().astype(int)
        for k, share in enumerate(probabilities.tolist()):
            if share < 0.02:
                continue
            place = round(float(point[side % 2] + direction[side % 2] * k * sides.stride * zoom))
            ends = [(place, along[0]), (place, along[1])] if side % 2 == 0 else [(along[0], place), (along[1], place)]
            cv2.line(tint, *[tuple(map(int, end)) for end in ends], (255, 230, 0), max(1, round(1 + 12 * share)))
    cv2.addWeighted(tint, 0.7, photo, 0.3, 0, dst=photo)


def bars(name: str, probabilities: np.ndarray, mean: float, doubt: float) -> np.ndarray:
    """One side's 16 bins as a bar chart, its mean as a line (which falls between the bins)."""
    step, bottom, left = 20, CHART - 26, 12
    canvas = np.full((CHART, 2 * left + BINS * step, 3), 255, np.uint8)
    tallest = max(0.25, float(probabilities.max()))
    for k, share in enumerate(probabilities.tolist()):
        x, height = left + k * step, round(share / tallest * (bottom - 26))
        cv2.rectangle(canvas, (x + 2, bottom - height), (x + step - 3, bottom), (81, 121, 255), -1)
        write(canvas, str(k), x + (3 if k > 9 else 7), bottom + 4, 10, (110, 110, 110))
    cv2.line(canvas, (left, bottom + 1), (left + BINS * step, bottom + 1), (160, 160, 160), 1)
    x = round(left + (mean + 0.5) * step)
    cv2.line(canvas, (x, 22), (x, bottom), (240, 90, 20), 2)
    write(canvas, f"{name}: mean {mean:.2f} bins, doubt {doubt:.2f}", left, 2, 12, (40, 40, 40))
    return canvas
