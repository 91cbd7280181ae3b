"""NMS made visible: which box stays, and which boxes it removes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seglab.drawing.overlays import class_color, draw_box, draw_label
from seglab.geometry.boxes import box_iou
from seglab.inference.nms import Detections
from seglab.widgets.explored_image import ExploredImage, predict_candidates
from seglab.widgets.images import first_sample
from seglab.widgets.panel import Drawn, Panel, slider

REMOVED_COLOR = (235, 235, 235)
REMOVED_BY_CHOSEN_COLOR = (240, 90, 20)
MAX_REMOVED_ROWS = 12  # removed boxes in the table
MAX_ROWS = 24  # in all


def overlap_explorer(model: Any, image: Any, imgsz: int | None = None) -> Panel:
    """All candidate boxes of an image, and what NMS does with them. Arguments as for `explore`."""
    explored = predict_candidates(model, first_sample(image), imgsz)
    controls = {
        "confidence": slider("confidence", 0.25, 0.05, 0.95, 0.05, "Min score of a candidate"),
        "overlap": slider(
            "overlap (IoU)", 0.7, 0.05, 0.95, 0.05, "Above this overlap the lower-scoring of two boxes is removed"
        ),
        "object": slider("box kept", 1, 1, 2, 1, "Number of a box that stays: what does it remove?"),
    }

    def draw(confidence: float, overlap: float, object: int) -> Drawn:
        drawn, kept = draw_suppression(explored, confidence, overlap, object - 1)
        controls["object"].max = max(2, kept)
        return drawn

    return Panel("overlap explorer", controls, draw)


def removers(detections: Detections, overlap: float) -> Tensor:
    """Greedy NMS that remembers: for each of N candidates, by falling score, itself when it stays, else which box
    removed it. (N,) int64. A box is removed by the best box that stays, has its class, and overlaps it more."""
    same_class = detections.classes[:, None] == detections.classes
    rivals = (box_iou(detections.boxes, detections.boxes) > overlap) & same_class  # (N, N)
    removed_by = torch.full((len(detections.scores),), -1)
    for number in range(len(removed_by)):
        if removed_by[number] < 0:
            newly_removed = rivals[number] & (removed_by < 0)
            removed_by[newly_removed] = number
            removed_by[number] = number
    return removed_by


def draw_suppression(explored: ExploredImage, confidence: float, overlap: float, rank: int) -> tuple[Drawn, int]:
    """The boxes that stay in their class's color, those that are removed in white, and those that the box of this
    rank (from 0, of those that stay) removes in orange; and how many stay."""
    detections = explored.candidates.pick(explored.candidates.scores > confidence)
    removed_by = removers(detections, overlap)
    kept = (removed_by == torch.arange(len(removed_by))).nonzero()[:, 0].tolist()
    text = f"<b>{len(removed_by)} candidates, {len(kept)} stay</b>"

    canvas = np.ascontiguousarray(explored.image).copy()
    for number in reversed(range(len(removed_by))):
        if removed_by[number] != number:
            draw_box(canvas, explored.boxes[number], REMOVED_COLOR, 1)
    for number in reversed(kept):
        draw_box(canvas, explored.boxes[number], class_color(int(detections.classes[number])), 2)
    if not kept:
        return Drawn(canvas, text), 0

    chosen = kept[min(rank, len(kept) - 1)]
    removed = [number for number in (removed_by == chosen).nonzero()[:, 0].tolist() if number != chosen]
    for number in reversed(removed):
        draw_box(canvas, explored.boxes[number], REMOVED_BY_CHOSEN_COLOR, 2)
    color = class_color(int(detections.classes[chosen]))
    draw_box(canvas, explored.boxes[chosen], color, 4)
    draw_label(canvas, explored.label(chosen), explored.boxes[chosen], color, 2)

    text += f"<br>Box {kept.index(chosen) + 1}, {escape(explored.label(chosen))}, removes {len(removed)}."
    text += _table(explored, detections, chosen, kept, removed)
    return Drawn(canvas, text), len(kept)


def _table(
    explored: ExploredImage, detections: Detections, chosen: int, kept: Sequence[int], removed: Sequence[int]
) -> str:
    """The boxes that the chosen one removes, and those it overlaps that stay, with the reason."""
    overlaps = box_iou(detections.boxes[chosen : chosen + 1], detections.boxes)[0]
    outcomes = [(number, "removed") for number in removed[:MAX_REMOVED_ROWS]]
    near = [number for number in kept if number != chosen and overlaps[number] > 0]
    same_class = [number for number in near if detections.classes[number] == detections.classes[chosen]]
    other_class = [number for number in near if number not in same_class]
    outcomes += [(number, "stays: overlaps less") for number in same_class]
    outcomes += [(number, "stays: another class") for number in other_class]
    rows = "".join(
        f"<tr><td>{escape(explored.label(number))}</td><td>{overlaps[number]:.2f}</td><td>{outcome}</td></tr>"
        for number, outcome in outcomes[:MAX_ROWS]
    )
    if not rows:
        return ""
    return f"<table><tr><th>box</th><th>IoU</th><th>outcome</th></tr>{rows}</table>"
