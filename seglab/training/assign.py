"""Which anchor points learn which instance: task-aligned assignment.

An anchor point is worth teaching an instance when it already both names and boxes that instance well. The alignment
score ** 0.5 * CIoU ** 6 says how well; each instance takes its ten best-aligned points, and the same number,
normalized, becomes the target of those points' class score (Feng et al., "TOOD: Task-aligned One-stage Object
Detection", 2021, with the exponents and the count that YOLOv8 and YOLO11 are trained with).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seglab.geometry.boxes import complete_iou

POINTS_PER_INSTANCE = 10
SCORE_POWER = 0.5
OVERLAP_POWER = 6
SMALLEST_SIDE = 16  # pixels; a shorter side is widened to this when points are looked for: tiny instances find some


class Assignment(NamedTuple):
    """What each of the A anchor points of each of the B images learns."""

    instance_index: Tensor  # (B, A) int64, row of the instance in the batch's tables, -1 for background
    scores: Tensor  # (B, A) target score of the instance's class, 0 for background


@torch.no_grad()
def plain_assign(
    class_logits: Tensor, predicted: Tensor, points: Tensor, classes: Tensor, boxes: Tensor, image_index: Tensor
) -> Assignment:
    """`assign` written out: image by image, every instance with every anchor point."""
    instance_index = image_index.new_full((len(predicted), len(points)), -1)  # (B, A)
    scores = predicted.new_zeros(len(predicted), len(points))  # (B, A)
    for image in image_index.unique().tolist():
        rows = (image_index == image).nonzero()[:, 0]  # (M,) the image's instances
        overlap = complete_iou(boxes[rows, None], predicted[image]).clamp(min=0)  # (M, A)
        overlap = overlap * points_inside(points, boxes[rows])
        alignment = class_logits[image, classes[rows]].sigmoid() ** SCORE_POWER * overlap**OVERLAP_POWER  # (M, A)

        best = alignment.topk(min(POINTS_PER_INSTANCE, len(points)), dim=1).indices  # (M, 10)
        chosen = torch.zeros_like(alignment, dtype=torch.bool).scatter_(1, best, True) & (alignment > 0)  # (M, A)
        contested = chosen.sum(dim=0) > 1  # (A,) such a point goes to the instance it overlaps most
        winner = torch.zeros_like(chosen).scatter_(0, overlap.argmax(dim=0, keepdim=True), True)  # (M, A)
        chosen = torch.where(contested, winner, chosen)

        best_alignment, best_overlap = ((chosen * t).amax(dim=1, keepdim=True) for t in (alignment, overlap))  # (M, 1)
        targets = chosen * alignment / (best_alignment + 1e-9) * best_overlap  # (M, A)
        scores[image] = targets.sum(dim=0)
        instance_index[image] = torch.where(chosen.any(dim=0), rows[chosen.int().argmax(dim=0)], -1)
    return Assignment(instance_index, scores)


@torch.no_grad()
def assign(
    class_logits: Tensor, predicted: Tensor, points: Tensor, classes: Tensor, boxes: Tensor, image_index: Tensor
) -> Assignment:
    """Assign the anchor points of a batch to its instances.

    Predictions: class_logits (B, C, A), predicted boxes (B, A, 4) xyxy, points (A, 2) xy. Instances, image by image in
    one table: classes (N,) int64, boxes (N, 4) xyxy, image_index (N,) int64, ascending. All coordinates are
    letterbox pixels.

    `plain_assign` says the same image by image. Here work and memory go with the pairs of an instance and a point
    inside its box, of which there are far fewer than B * M * A for the M instances of the fullest image; only the
    search for the best ten needs rows of A numbers. (Points without any alignment teach nothing: the two may choose
    others.)
    """
    batch, _, anchors = class_logits.shape

    # The K pairs of an instance and an anchor point inside its box, and how well they are aligned.
    row, anchor = points_inside(points, boxes).nonzero(as_tuple=True)  # (K,) each: instance by instance
    place = image_index[row] * anchors + anchor  # (K,) the pair's anchor point among the B * A of the batch
    overlap = complete_iou(boxes[row], predicted.reshape(-1, 4)[place]).clamp(min=0)  # (K,)
    score = class_logits[image_index[row], classes[row], anchor].sigmoid()  # (K,)
    alignment = score**SCORE_POWER * overlap**OVERLAP_POWER  # (K,)

    # Each instance chooses its best points, and each point keeps one of those that chose it.
    chosen = best_aligned(alignment, row, anchor, len(boxes), anchors)  # (K,) bool
    owner = resolve_conflicts(chosen, overlap, row, place, image_index, batch * anchors)  # (B * A,)

    # Target scores: the best-aligned point of an instance gets the instance's best overlap, the others in proportion.
    kept = owner[place] == row  # (K,) bool
    row = row[kept]
    place = place[kept]
    alignment = alignment[kept]
    overlap = overlap[kept]
    best = alignment.new_zeros(2, len(boxes))
    best_alignment = best[0].scatter_reduce_(0, row, alignment, "amax")  # (N,)
    best_overlap = best[1].scatter_reduce_(0, row, overlap, "amax")  # (N,)
    scores = alignment.new_zeros(batch * anchors)
    scores[place] = alignment * best_overlap[row] / (best_alignment[row] + 1e-9)
    return Assignment(owner.view(batch, anchors), scores.view(batch, anchors))


def points_inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Points (A, 2) strictly inside boxes (N, 4), sides widened to SMALLEST_SIDE about the center -> (N, A) bool."""
    center = (boxes[:, :2] + boxes[:, 2:]) / 2  # (N, 2)
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=SMALLEST_SIDE) / 2  # (N, 2)
    low, high = center - half, center + half
    x, y = points.T  # (A,) each
    inside_x = (x > low[:, :1]) & (x < high[:, :1])  # (N, A)
    return inside_x & (y > low[:, 1:]) & (y < high[:, 1:])


def best_aligned(alignment: Tensor, row: Tensor, anchor: Tensor, instances: int, anchors: int) -> Tensor:
    """Which pairs (K,) are among the POINTS_PER_INSTANCE best of their instance -> (K,) bool."""
    table = alignment.new_zeros(instances, anchors)  # (N, A)
    table[row, anchor] = alignment
    best = table.topk(min(POINTS_PER_INSTANCE, anchors), dim=1).indices  # (N, 10)
    is_best = torch.zeros_like(table, dtype=torch.bool).scatter_(1, best, True)  # (N, A)
    return is_best[row, anchor]


def resolve_conflicts(
    chosen: Tensor, overlap: Tensor, row: Tensor, place: Tensor, image_index: Tensor, places: int
) -> Tensor:
    """The instance that each anchor point of the batch learns -> (places,) int64, -1 for none.

    A point that several instances chose goes to the one that its box overlaps most, whether that one chose it or not;
    equal overlaps go to the first, and a point that overlaps none of them to the first instance of its image.
    """
    owner = torch.full((places,), -1, dtype=torch.int64, device=row.device)
    owner[place[chosen]] = row[chosen]

    # The pairs at contested points are rivals, also those of instances that did not choose the point.
    contested = torch.bincount(place[chosen], minlength=places) > 1  # (places,)
    rival = contested[place].nonzero()[:, 0]
    row = row[rival]
    place = place[rival]
    overlap = overlap[rival]

    # Every rival names an instance, and the lowest row wins: its own where its overlap is the largest, none (a number
    # above all rows) where it is not, and the image's first where nobody overlaps.
    nobody = len(image_index)
    most = overlap.new_zeros(places).scatter_reduce_(0, place, overlap, "amax")[place]
    first_of_image = torch.searchsorted(image_index, image_index[row])
    largest_overlap = torch.where(overlap == most, row, nobody)
    winner = torch.where(most > 0, largest_overlap, first_of_image)
    owner.masked_fill_(contested, nobody)
    return owner.scatter_reduce_(0, place, winner, "amin")
