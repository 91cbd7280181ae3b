"""Which anchor points are assigned to which object, and why: the assignment of training, point by point."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from seglab.device import images_to_float
from seglab.drawing.overlays import Color, class_color, draw_box, draw_label
from seglab.errors import SeglabError
from seglab.geometry.boxes import complete_iou
from seglab.model.head import RawOutput, anchor_points, boxes_from_distribution
from seglab.training.assign import OVERLAP_POWER, POINTS_PER_INSTANCE, SCORE_POWER, assign, points_inside
from seglab.widgets.closeup import SIDE, Closeup, closeup, side_by_side
from seglab.widgets.forward_pass import raw_output
from seglab.widgets.panel import Drawn, Panel, slider

MAX_POINTS = 14  # in the table: the ten that an object may take, and the first that it may not
OTHER_COLOR = (210, 210, 210)  # boxes of the other objects
CHOSEN_COLOR = (255, 230, 0)  # the chosen point and its box
FREE_COLOR = (255, 255, 255)  # points assigned to nothing
TAKEN_COLOR = (40, 40, 40)  # points assigned to another object


class Reasons(NamedTuple):
    """Why points are assigned as they are, for one image with N objects and A anchor points. Letterbox pixels."""

    points: Tensor  # (A, 2)
    strides: Tensor  # (A, 1)
    predicted: Tensor  # (A, 4) the boxes they propose
    inside: Tensor  # (N, A) bool: may be assigned to the object
    score: Tensor  # (N, A) for the object's class
    overlap: Tensor  # (N, A) complete IoU, at least 0
    alignment: Tensor  # (N, A) score ** 0.5 * overlap ** 6, zero outside
    assigned: Tensor  # (A,) the object, -1 for none
    target: Tensor  # (A,) the score that training aims at

    def ranked(self, number: int) -> list[int]:
        """The points inside an object, best aligned first."""
        points = self.inside[number].nonzero()[:, 0]
        order = self.alignment[number, points].argsort(descending=True, stable=True)
        return points[order].tolist()

    def verdict(self, number: int, rank: int, point: int) -> str:
        """Whether a point, of this rank (from 0) among those inside an object, is assigned to it, and why."""
        assigned = int(self.assigned[point])
        if assigned == number:
            return f"is assigned to it, with a target score of {self.target[point]:.2f}"
        if rank >= POINTS_PER_INSTANCE:
            elsewhere = f"; it is assigned to object {assigned + 1}" if assigned >= 0 else ""
            return f"is not among its {POINTS_PER_INSTANCE} best{elsewhere}"
        return (
            f"is among its {POINTS_PER_INSTANCE} best, but its box overlaps object {assigned + 1} more, to which it is "
            "assigned"
        )


def assignment(model: Any, batch: dict[str, Any], image: int = 0) -> Panel:
    """The assignment on one image of a batch, as `seglab.data.collate` makes it, for the model's present weights.

    Errors: SeglabError when the image has no object.
    """
    in_image = batch["image_index"] == image
    classes = batch["classes"][in_image]
    boxes = batch["boxes"][in_image]
    if not len(classes):
        raise SeglabError(f"image {image} of this batch has no instance to assign: choose another")
    pixels = batch["images"][image].permute(1, 2, 0).numpy()  # (H, W, 3)
    raw = raw_output(model, images_to_float(batch["images"][image : image + 1], "cpu"))
    reasons = reasons_of(raw, pixels.shape[:2], classes, boxes)
    controls = {
        "object": slider("object", 1, 1, len(classes), 1, "Which object of the image"),
        "point": slider("point", 1, 1, MAX_POINTS, 1, "Which of its points, best aligned first"),
    }

    def draw(object: int, point: int) -> Drawn:
        return draw_assignment(pixels, reasons, classes, boxes, object - 1, point - 1, model.names)

    return Panel("assignment", controls, draw)


def reasons_of(raw: RawOutput, size: tuple[int, int], classes: Tensor, boxes: Tensor) -> Reasons:
    """Raw output for one image of (height, width) `size`, and its objects (N,), (N, 4) xyxy -> the reasons."""
    points, strides = anchor_points(*size)
    predicted = boxes_from_distribution(raw.boxes, points, strides)  # (1, A, 4)
    image_index = torch.zeros_like(classes)
    result = assign(raw.classes, predicted, points, classes, boxes, image_index)
    inside = points_inside(points, boxes)
    score = raw.classes[0, classes].sigmoid()
    overlap = complete_iou(boxes[:, None], predicted).clamp(min=0)  # (N, A)
    return Reasons(
        points=points,
        strides=strides,
        predicted=predicted[0],
        inside=inside,
        score=score,
        overlap=overlap,
        alignment=score**SCORE_POWER * overlap**OVERLAP_POWER * inside,
        assigned=result.instance_index[0],
        target=result.scores[0],
    )


def draw_assignment(
    pixels: np.ndarray, reasons: Reasons, classes: Tensor, boxes: Tensor, number: int, rank: int, names: dict[int, str]
) -> Drawn:
    """The input, and an object in it enlarged with the points inside its box and the box that the chosen point
    proposes; the best points as a table.

    Points that are assigned to the object are filled, and the larger, the higher their target score.
    """
    class_id = int(classes[number])
    color = class_color(class_id)
    name = names[class_id]

    scale = SIDE / max(pixels.shape[:2])
    overview = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _draw_boxes(overview, boxes.numpy() * scale, number, color)
    draw_label(overview, name, boxes[number].numpy() * scale, color, 2)

    near = closeup(pixels, boxes[number].numpy())
    canvas = cv2.convertScaleAbs(near.image, alpha=0.7, beta=30)
    _draw_boxes(canvas, near.to_closeup(boxes.numpy()), number, color)
    ranked = reasons.ranked(number)
    rank = min(rank, len(ranked) - 1)
    _draw_points(canvas, near, reasons, ranked, number, color)
    if ranked:
        chosen = ranked[rank]
        draw_box(canvas, near.to_closeup(reasons.predicted[chosen].numpy()), CHOSEN_COLOR, 2)
        x, y = near.to_closeup(reasons.points[chosen].numpy()).round().astype(int).tolist()
        cv2.drawMarker(canvas, (x, y), CHOSEN_COLOR, cv2.MARKER_CROSS, 22, 3, cv2.LINE_AA)
    return Drawn(side_by_side(overview, canvas), table(reasons, number, name, ranked, rank))


def _draw_boxes(canvas: np.ndarray, boxes: np.ndarray, number: int, color: Color) -> None:
    """All boxes in gray, that of one object in its color."""
    for other, box in enumerate(boxes):
        if other == number:
            draw_box(canvas, box, color, 3)
        else:
            draw_box(canvas, box, OTHER_COLOR, 1)


def _draw_points(
    canvas: np.ndarray, near: Closeup, reasons: Reasons, ranked: list[int], number: int, color: Color
) -> None:
    """The points inside an object's box, the best aligned on top."""
    positions = near.to_closeup(reasons.points.numpy()).round().astype(int).tolist()
    for point in reversed(ranked):
        assigned = int(reasons.assigned[point])
        radius = 2 + round(float(reasons.strides[point]) / 8)
        if assigned == number:
            radius += round(8 * float(reasons.target[point]))
            cv2.circle(canvas, positions[point], radius, color, -1, cv2.LINE_AA)
            cv2.circle(canvas, positions[point], radius, (0, 0, 0), 1, cv2.LINE_AA)
        else:
            outline = FREE_COLOR if assigned < 0 else TAKEN_COLOR
            cv2.circle(canvas, positions[point], radius, outline, 1, cv2.LINE_AA)


def table(reasons: Reasons, number: int, name: str, ranked: list[int], chosen: int) -> str:
    """The best points of an object, one per row, and the verdict on the chosen one, by its rank."""
    assigned = int((reasons.assigned == number).sum())
    title = f"<b>object {number + 1}, {escape(name)}</b>"
    lines = [f"{title}: {len(ranked)} points inside its box, {assigned} are assigned to it."]
    if ranked:
        lines.append(f"Point {chosen + 1} (yellow) {reasons.verdict(number, chosen, ranked[chosen])}.")

    columns = ("point", "stride", "score", "overlap", "alignment", "assigned")
    head = "".join(f"<th>{column}</th>" for column in columns)
    rows = []
    for rank, point in enumerate(ranked[:MAX_POINTS]):
        cells = [
            str(rank + 1),
            f"{reasons.strides[point].item():.0f}",
            f"{reasons.score[number, point]:.3f}",
            f"{reasons.overlap[number, point]:.3f}",
            f"{reasons.alignment[number, point]:.3f}",
            "✓" if int(reasons.assigned[point]) == number else "",
        ]
        style = ' style="background:rgba(255,230,0,.35)"' if rank == chosen else ""
        rows.append(f"<tr{style}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return "<br>".join(lines) + f"<table><tr>{head}</tr>{''.join(rows)}</table>"
