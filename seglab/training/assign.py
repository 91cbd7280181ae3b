"""Which anchor points learn which object: task-aligned assignment.

An anchor point is worth teaching an object when it already both names and boxes that object well. The alignment
score ** 0.5 * CIoU ** 6 says how well; each object takes its ten best-aligned points, and the same number, normalised,
becomes the class score those points are asked to give (Feng et al., "TOOD: Task-aligned One-stage Object Detection",
2021, with the exponents and the count that YOLOv8 and YOLO11 are trained with).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seglab.geometry.boxes import complete_iou

POINTS_PER_OBJECT = 10
SCORE_POWER = 0.5
OVERLAP_POWER = 6
SMALLEST_SIDE = 16  # pixels; a shorter side is widened to this when points are looked for: tiny objects find some


class Assignment(NamedTuple):
    """What each of the A anchor points of each of the B images learns."""

    object_index: Tensor  # (B, A) int64, row of the object in the batch's tables, -1 for background
    scores: Tensor  # (B, A) the score asked for the object's class, 0 for background


@torch.no_grad()
def assign(
    class_logits: Tensor, predicted: Tensor, points: Tensor, classes: Tensor, boxes: Tensor, image_index: Tensor
) -> Assignment:
    """Assign the anchor points of a batch to its objects.

    Predictions: class_logits (B, C, A), predicted boxes (B, A, 4) xyxy, points (A, 2) xy. Objects, image by image in
    one table: classes (N,) int64, boxes (N, 4) xyxy, image_index (N,) int64, ascending. All coordinates are
    letterbox pixels.

    Work and memory go with the pairs of an object and a point inside its box, of which there are far fewer
    than B * M * A for the M objects of the fullest image; only the search for the best ten needs rows of A numbers.
    """
    batch, _, anchors = class_logits.shape
    row, anchor = points_inside(points, boxes).nonzero(as_tuple=True)  # (K,) each: the pairs, object by object
    place = image_index[row] * anchors + anchor  # (K,) the pair's anchor point among the B * A of the batch
    overlap = complete_iou(boxes[row], predicted.reshape(-1, 4)[place]).clamp(min=0)  # (K,)
    score = class_logits[image_index[row], classes[row], anchor].sigmoid()  # (K,)
    alignment = score**SCORE_POWER * overlap**OVERLAP_POWER  # (K,)

    chosen = best_aligned(alignment, row, anchor, len(boxes), anchors)  # (K,) bool
    owner = resolve_conflicts(chosen, overlap, row, place, image_index, batch * anchors)  # (B * A,)

    kept = owner[place] == row  # (K,) bool
    row, place, alignment, overlap = row[kept], place[kept], alignment[kept], overlap[kept]
    best = alignment.new_zeros(2, len(boxes))
    best_alignment = best[0].scatter_reduce_(0, row, alignment, "amax")  # (N,)
    best_overlap = best[1].scatter_reduce_(0, row, overlap, "amax")  # (N,)
    scores = alignment.new_zeros(batch * anchors)
    scores[place] = alignment * best_overlap[row] / (best_alignment[row] + 1e-9)
    return Assignment(owner.view(batch, anchors), scores.view(batch, anchors))


def points_inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Points (A, 2) strictly inside boxes (N, 4), sides widened to SMALLEST_SIDE about the centre -> (N, A) bool."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2  # (N, 2)
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=SMALLEST_SIDE) / 2  # (N, 2)
    low, high = centre - half, centre + half
    x, y = points.T  # (A,) each
    inside_x = (x > low[:, :1]) & (x < high[:, :1])  # (N, A)
    return inside_x & (y > low[:, 1:]) & (y < high[:, 1:])


def best_aligned(alignment: Tensor, row: Tensor, anchor: Tensor, instances: int, anchors: int) -> Tensor:
    """Which pairs (K,) are among the POINTS_PER_OBJECT best of their object -> (K,) bool."""
    table = alignment.new_zeros(instances, anchors)
    table[row, anchor] = alignment
    best = table.topk(min(POINTS_PER_OBJECT, anchors), dim=1).indices  # (N, 10)
    return torch.zeros_like(table, dtype=torch.bool).scatter_(1, best, True)[row, anchor]


def resolve_conflicts(
    chosen: Tensor, overlap: Tensor, row: Tensor, place: Tensor, image_index: Tensor, places: int
) -> Tensor:
    """The object that each anchor point of the batch learns -> (places,) int64, -1 for none.

    A point that several objects chose goes to the object that its box overlaps most, whether that one chose it or
    not; equal overlaps go to the first, and a point that overlaps none of them to the first object of its image.
    """
    owner = torch.full((places,), -1, dtype=torch.int64, device=row.device)
    owner[place[chosen]] = row[chosen]

    contested = torch.bincount(place[chosen], minlength=places) > 1  # (places,)
    rival = contested[place].nonzero()[:, 0]  # pairs at contested points
    row, place, overlap = row[rival], place[rival], overlap[rival]
    most = overlap.new_zeros(places).scatter_reduce_(0, place, overlap, "amax")[place]
    first_of_image = torch.searchsorted(image_index, image_index[row])
    winner = torch.where(most > 0, torch.where(overlap == most, row, len(image_index)), first_of_image)
    owner.masked_fill_(contested, len(image_index))
    return owner.scatter_reduce_(0, place, winner, "amin")
