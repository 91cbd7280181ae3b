"""Which anchor points learn which object, and why: the assignment of training, point by point."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from seglab.drawing.overlays import class_color, draw_box, draw_label
from seglab.errors import SeglabError
from seglab.geometry.boxes import complete_iou
from seglab.model.head import RawOutput, anchor_points, boxes_from_distribution
from seglab.training.assign import OVERLAP_POWER, POINTS_PER_INSTANCE, SCORE_POWER, assign, points_inside
from seglab.widgets.closeup import SIDE, closeup, side_by_side
from seglab.widgets.panel import Drawn, Panel, slider
from seglab.widgets.scene import raw_output

LISTED = 14  # points in the table: the ten that an object may take, and the first that it may not


class Reasons(NamedTuple):
    """Why points learn what they learn, for one image with N objects and A anchor points. Letterbox pixels."""

    points: Tensor  # (A, 2)
    strides: Tensor  # (A, 1)
    predicted: Tensor  # (A, 4) the boxes they propose
    inside: Tensor  # (N, A) bool: may learn the object
    score: Tensor  # (N, A) for the object's class
    overlap: Tensor  # (N, A) complete IoU, at least 0
    alignment: Tensor  # (N, A) score ** 0.5 * overlap ** 6, zero outside
    owner: Tensor  # (A,) the object that is learned, -1 for none
    asked: Tensor  # (A,) the score asked for it

    def ranked(self, number: int) -> list[int]:
        """The points inside an object, best aligned first."""
        points = self.inside[number].nonzero()[:, 0]
        return points[self.alignment[number, points].argsort(descending=True, stable=True)].tolist()

    def verdict(self, number: int, place: int, point: int) -> str:
        """Whether a point, the `place`-th best (from 0) of an object, learns it, and why."""
        owner = int(self.owner[point])
        if owner == number:
            return f"learns it, and is asked for a score of {self.asked[point]:.2f}"
        if place >= POINTS_PER_INSTANCE:
            return f"is not among its {POINTS_PER_INSTANCE} best" + (
                f"; learns object {owner + 1}" if owner >= 0 else ""
            )
        return f"is among its {POINTS_PER_INSTANCE} best, but its box overlaps object {owner + 1} more, and learns that"


def assignment(model: Any, batch: dict, image: int = 0) -> Panel:
    """The assignment on one image of a batch, as `seglab.data.collate` makes it, for the model's present weights.

    Errors: SeglabError when the image has no object.
    """
    mine = batch["image_index"] == image
    classes, boxes = batch["classes"][mine], batch["boxes"][mine]
    if not len(classes):
        raise SeglabError(f"image {image} of this batch has no object to be learned: choose another")
    pixels = batch["images"][image].permute(1, 2, 0).numpy()
    raw = raw_output(model, batch["images"][image : image + 1].float() / 255)
    reasons = reasons_of(raw, pixels.shape[:2], classes, boxes)
    controls = {
        "object": slider("object", 1, 1, len(classes), 1, "Which object of the image"),
        "point": slider("point", 1, 1, LISTED, 1, "Which of its points, best aligned first"),
    }

    def draw(object: int, point: int) -> Drawn:
        return draw_assignment(pixels, reasons, classes, boxes, object - 1, point - 1, model.names)

    return Panel("assignment", controls, draw)


def reasons_of(raw: RawOutput, size: tuple[int, int], classes: Tensor, boxes: Tensor) -> Reasons:
    """Raw output for one image of (height, width) `size`, and its objects (N,), (N, 4) xyxy -> the reasons."""
    points, strides = anchor_points(*size)
    predicted = boxes_from_distribution(raw.boxes, points, strides)  # (1, A, 4)
    learnt = assign(raw.classes, predicted, points, classes, boxes, torch.zeros_like(classes))
    inside = points_inside(points, boxes)
    score = raw.classes[0, classes].sigmoid()
    overlap = complete_iou(boxes[:, None], predicted).clamp(min=0)  # (N, A)
    alignment = score**SCORE_POWER * overlap**OVERLAP_POWER * inside
    return Reasons(
        points, strides, predicted[0], inside, score, overlap, alignment, learnt.instance_index[0], learnt.scores[0]
    )


def draw_assignment(
    pixels: np.ndarray, reasons: Reasons, classes: Tensor, boxes: Tensor, number: int, place: int, names: dict[int, str]
) -> Drawn:
    """The input, an object in it enlarged with the points inside its box (filled: learn it; the more is asked, the
    larger) and the box that the chosen point proposes; the best points as a table."""
    color, name = class_color(int(classes[number])), names[int(classes[number])]
    own = boxes[number].numpy()
    scale, near = SIDE / max(pixels.shape[:2]), closeup(pixels, own)
    overview = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for other, box in enumerate(boxes.numpy() * scale):
        draw_box(overview, box, color if other == number else (210, 210, 210), 3 if other == number else 1)
    draw_label(overview, name, own * scale, color, 2)

    canvas = cv2.convertScaleAbs(near.image, alpha=0.7, beta=30)
    for other, box in enumerate(near.place(boxes.numpy())):
        draw_box(canvas, box, color if other == number else (210, 210, 210), 3 if other == number else 1)
    ranked = reasons.ranked(number)
    places = near.place(reasons.points.numpy()).round().astype(int).tolist()
    for point in reversed(ranked):
        owner, reach = int(reasons.owner[point]), 2 + round(float(reasons.strides[point]) / 8)
        if owner == number:
            reach += round(8 * float(reasons.asked[point]))
            cv2.circle(canvas, places[point], reach, color, -1, cv2.LINE_AA)
            cv2.circle(canvas, places[point], reach, (0, 0, 0), 1, cv2.LINE_AA)
        else:
            cv2.circle(canvas, places[point], reach, (255, 255, 255) if owner < 0 else (40, 40, 40), 1, cv2.LINE_AA)
    place = min(place, len(ranked) - 1)
    if ranked:
        draw_box(canvas, near.place(reasons.predicted[ranked[place]].numpy()), (255, 230, 0), 2)
        cv2.drawMarker(canvas, places[ranked[place]], (255, 230, 0), cv2.MARKER_CROSS, 22, 3, cv2.LINE_AA)
    canvas = side_by_side(overview, canvas)
    return Drawn(canvas, table(reasons, number, name, ranked, place))


def table(reasons: Reasons, number: int, name: str, ranked: list[int], chosen: int) -> str:
    """The best points of an object, one a row, and the verdict on the chosen one."""
    taken = int((reasons.owner == number).sum())
    lines = [f"<b>object {number + 1}, {name}</b>: {len(ranked)} points inside, {taken} learn it."]
    if ranked:
        lines.append(f"Point {chosen + 1} (yellow) {reasons.verdict(number, chosen, ranked[chosen])}.")
    rows = []
    for place, point in enumerate(ranked[:LISTED]):
        values = reasons.score[number, point], reasons.overlap[number, point], reasons.alignment[number, point]
        numbers = "".join(f"<td>{value:.3f}</td>" for value in values)
        learns = "✓" if int(reasons.owner[point]) == number else ""
        weight = ' style="background:rgba(255,230,0,.35)"' if place == chosen else ""
        stride = f"{reasons.strides[point].item():.0f}"
        rows.append(f"<tr{weight}><td>{place + 1}</td><td>{stride}</td>{numbers}<td>{learns}</td></tr>")
    head = "".join(f"<th>{text}</th>" for text in ("point", "stride", "score", "overlap", "alignment", "learns"))
    return "<br>".join(lines) + f"<table><tr>{head}</tr>{''.join(rows)}</table>"
