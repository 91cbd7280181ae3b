"""Suppression made visible: which box stays, and which boxes it removes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seglab.drawing.overlays import class_color, draw_box, draw_label
from seglab.geometry.boxes import box_iou
from seglab.inference.nms import Detections
from seglab.widgets.panel import Drawn, Panel, slider
from seglab.widgets.scene import Scene, look, one_sample

WEAK = (235, 235, 235)  # boxes that go
GONE = (240, 90, 20)  # boxes that the chosen one removes
LISTED = 12


def overlap_explorer(model: Any, image: Any, imgsz: int | None = None) -> Panel:
    """All candidate boxes of an image, and what suppression does with them. Arguments as for `explore`."""
    scene = look(model, one_sample(image), imgsz)
    controls = {
        "confidence": slider("confidence", 0.25, 0.05, 0.95, 0.05, "Lowest score of a candidate"),
        "overlap": slider("overlap (IoU)", 0.7, 0.05, 0.95, 0.05, "Above this overlap the poorer of two boxes goes"),
        "object": slider("box kept", 1, 1, 2, 1, "Number of a box that stays: what does it remove?"),
    }

    def draw(confidence: float, overlap: float, object: int) -> Drawn:
        drawn, kept = draw_suppression(scene, confidence, overlap, object - 1)
        controls["object"].max = max(2, kept)
        return drawn

    return Panel("overlap explorer", controls, draw)


def removers(found: Detections, overlap: float) -> Tensor:
    """Greedy suppression that remembers: for each of N candidates, best first, itself when it stays, else which box
    removed it. (N,) int64. A box is removed by the best box that stays, has its class, and overlaps it more."""
    alike = found.classes[:, None] == found.classes
    rivals = (box_iou(found.boxes, found.boxes) > overlap) & alike
    by = torch.full((len(found.scores),), -1)
    for number in range(len(by)):
        if by[number] < 0:
            mine = rivals[number] & (by < 0)
            by[mine] = by[number] = number
    return by


def draw_suppression(scene: Scene, confidence: float, overlap: float, place: int) -> tuple[Drawn, int]:
    """The boxes that stay in their class's color, those that go in white, and those that the `place`-th removes."""
    found = scene.candidates.pick(scene.candidates.scores > confidence)
    by = removers(found, overlap)
    kept = (by == torch.arange(len(by))).nonzero()[:, 0].tolist()
    canvas = np.ascontiguousarray(scene.image).copy()
    for number in reversed(range(len(by))):
        if by[number] != number:
            draw_box(canvas, scene.boxes[number], WEAK, 1)
    for number in reversed(kept):
        draw_box(canvas, scene.boxes[number], class_color(int(found.classes[number])), 2)
    text = f"<b>{len(by)} candidates, {len(kept)} stay</b>"
    if not kept:
        return Drawn(canvas, text), 0
    chosen = kept[min(place, len(kept) - 1)]
    overlaps = box_iou(found.boxes[chosen : chosen + 1], found.boxes)[0]
    removed = [number for number in (by == chosen).nonzero()[:, 0].tolist() if number != chosen]
    for number in reversed(removed):
        draw_box(canvas, scene.boxes[number], GONE, 2)
    color = class_color(int(found.classes[chosen]))
    draw_box(canvas, scene.boxes[chosen], color, 4)
    draw_label(canvas, scene.label(chosen), scene.boxes[chosen], color, 2)
    rows = [(number, "goes") for number in removed[:LISTED]]
    near = [number for number in kept if number != chosen and overlaps[number] > 0]
    same = [number for number in near if found.classes[number] == found.classes[chosen]]
    rows += [(number, "stays: overlaps less") for number in same]
    rows += [(number, "stays: another class") for number in near if number not in same]
    body = "".join(
        f"<tr><td>{scene.label(number)}</td><td>{overlaps[number]:.2f}</td><td>{fate}</td></tr>"
        for number, fate in rows[: 2 * LISTED]
    )
    text += f"<br>Box {kept.index(chosen) + 1}, {scene.label(chosen)}, removes {len(removed)}."
    if body:
        text += f"<table><tr><th>box</th><th>IoU</th><th>fate</th></tr>{body}</table>"
    return Drawn(canvas, text), len(kept)
