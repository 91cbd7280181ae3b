"""How far two computations of one network differ: in numbers, and in the detections they lead to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from seglab.export.reference import Outputs
from seglab.geometry.boxes import box_iou, xywh_to_xyxy
from seglab.geometry.letterbox import Letterbox
from seglab.inference.masks import MaskCrop, assemble
from seglab.inference.nms import Detections, suppress
from seglab.model.head import COEFFICIENTS

MAX_DETECTIONS = 100  # per image; the highest-scoring ones, whatever their scores, so that untrained networks count too
SAME_SCORE = 1e-3  # class probabilities this close are a tie
SAME_BOX = 0.9  # IoU from which two detections of one class are the same
ROUNDING_RMS = 12**0.5  # rounding to steps errs by a step over this, in the root mean square

BOXES = "boxes of all anchors"
PROBABILITIES = "class probabilities"
MASK_COEFFICIENTS = "coefficients"
PROTOTYPES = "prototypes"
PREDICTION_ROWS = {  # which rows of the predictions (B, 4 + C + 32, A) are what
    BOXES: slice(0, 4),
    PROBABILITIES: slice(4, -COEFFICIENTS),
    MASK_COEFFICIENTS: slice(-COEFFICIENTS, None),
}
RELATIVE = (MASK_COEFFICIENTS, PROTOTYPES)  # in units of their largest value, since they have none of their own
UNITS = {BOXES: " (px)", PROBABILITIES: "", MASK_COEFFICIENTS: " (relative)", PROTOTYPES: " (relative)"}


@dataclass
class Differences:
    """Two computations of one network, image after image: how far their numbers and their detections differ.

    errors: row name -> max error, which one wrong number raises, or RMS error, which small errors of all numbers raise.
    magnitudes: row name -> what rounding grows with.
    matched: detections of either side that the other has too, of `total` on both sides; ious: mask IoU of the pairs.
    """

    errors: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    magnitudes: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    matched: int = 0
    total: int = 0
    ious: list[float] = field(default_factory=list)

    def add_numbers(self, expected: Outputs, given: Outputs) -> None:
        """Count in the dense outputs of a batch, number by number."""
        for name, rows in PREDICTION_ROWS.items():
            self._add_quantity(name, expected.predictions[:, rows], given.predictions[:, rows])
        self._add_quantity(PROTOTYPES, expected.prototypes, given.prototypes)

    def add_detections(self, expected: Outputs, given: Outputs, box: Letterbox) -> None:
        """Count in the detections of one image: boxes in numbers, the rest as sets."""
        expected_best = top_detections(expected.predictions)
        given_best = top_detections(given.predictions)
        self._add_boxes(expected, given, expected_best)
        # The last of one side may just miss the other side's list, so each is looked up in a longer list of the other.
        expected_more = top_detections(expected.predictions, 2 * MAX_DETECTIONS)
        given_more = top_detections(given.predictions, 2 * MAX_DETECTIONS)
        self.matched += len(match_detections(expected_best, given_more)[0])
        self.matched += len(match_detections(given_best, expected_more)[0])
        self.total += len(expected_best.boxes) + len(given_best.boxes)

        in_expected, in_given = match_detections(expected_best, given_best)
        expected_masks = assemble(expected.prototypes[0].float(), expected_best.pick(in_expected), box)
        given_masks = assemble(given.prototypes[0].float(), given_best.pick(in_given), box)
        ious = [crop_iou(one, other) for one, other in zip(expected_masks, given_masks)]
        self.ious += [iou for iou in ious if iou is not None]

    @property
    def matched_fraction(self) -> float:
        """The fraction of detections that the other side has too."""
        return self.matched / max(self.total, 1)

    @property
    def mean_iou(self) -> float:
        return float(np.mean(self.ious or [1.0]))

    @property
    def min_iou(self) -> float:
        return min(self.ious, default=1.0)

    def _add_quantity(self, name: str, expected: Tensor, given: Tensor) -> None:
        """Max and RMS error of one sort of numbers."""
        largest = max_magnitude(expected)
        # A probability may be computed as the rest to 1, so that it is rounded as 1 is, however small it is.
        magnitude = 1.0 if name == PROBABILITIES else largest
        unit_size = largest if name in RELATIVE else 1.0
        error = expected - given
        unit = UNITS[name]
        self._add(f"{name}, max error{unit}", max_magnitude(error), magnitude, unit_size)
        self._add(f"{name}, RMS error{unit}", root_mean_square(error), magnitude / ROUNDING_RMS, unit_size)

    def _add_boxes(self, expected: Outputs, given: Outputs, detections: Detections) -> None:
        """Max error of the boxes that are detections.

        Near-tied scores may make NMS keep a neighbor's box: numbers are compared at the same anchor.
        """
        corners = xywh_to_xyxy(expected.predictions[0, :4].T.float())  # (A, 4), as NMS computes them
        anchors = (detections.boxes[:, None] == corners).all(dim=2).int().argmax(dim=1)  # (N,)
        if not len(anchors):
            return
        expected_boxes = xywh_to_xyxy(expected.predictions[0, :4, anchors].T)
        given_boxes = xywh_to_xyxy(given.predictions[0, :4, anchors].T)
        error = max_magnitude(expected_boxes - given_boxes)
        self._add("boxes of detections, max error (px)", error, max_magnitude(expected_boxes))

    def _add(self, name: str, error: float, magnitude: float, unit_size: float = 1.0) -> None:
        """Note an error and the magnitude its rounding grows with, in units of that size, if they are the largest."""
        unit_size = unit_size or 1.0  # nothing but zeros has no size
        self.errors[name] = float(np.maximum(self.errors[name], error / unit_size))  # NaN stays NaN
        self.magnitudes[name] = float(np.maximum(self.magnitudes[name], magnitude / unit_size))


def max_magnitude(values: Tensor) -> float:
    return values.abs().max().item()


def root_mean_square(values: Tensor) -> float:
    return values.double().square().mean().sqrt().item()


def top_detections(predictions: Tensor, count: int = MAX_DETECTIONS) -> Detections:
    """The `count` highest-scoring detections of one image (1, 4 + C + 32, A) after NMS, whatever their scores.

    NMS goes by rank, and noise in the seventh digit may swap near-tied boxes: scores are rounded first, so that ties
    are ties on both sides and fall the same way.
    """
    predictions = predictions.clone()
    scores = predictions[:, 4:-COEFFICIENTS]  # (1, C, A), a view
    scores.copy_((scores / SAME_SCORE).round() * SAME_SCORE)
    # NMS drops some, so it gets ten times as many as are needed.
    candidates = min(10 * count, scores.shape[2])
    lowest = scores.amax(dim=1)[0].topk(candidates).values[-1].item()
    return suppress(predictions, conf=lowest - SAME_SCORE / 2, max_det=count)[0]


def match_detections(a: Detections, b: Detections) -> tuple[Tensor, Tensor]:
    """Indices into `a` and into `b` of the detections that are the same, best overlap first, each used once."""
    same_class = a.classes[:, None] == b.classes[None]
    overlap = box_iou(a.boxes, b.boxes) * same_class  # (N, M)
    rows, columns = [], []
    while overlap.numel() and overlap.max() >= SAME_BOX:
        row, column = divmod(int(overlap.argmax()), overlap.shape[1])
        rows.append(row)
        columns.append(column)
        overlap[row] = 0
        overlap[:, column] = 0
    return torch.tensor(rows, dtype=torch.long), torch.tensor(columns, dtype=torch.long)


def crop_iou(a: MaskCrop, b: MaskCrop) -> float | None:
    """IoU of two mask crops in one frame; None when both are empty."""
    (ax, ay, a_mask), (bx, by, b_mask) = a, b
    a_height, a_width = a_mask.shape
    b_height, b_width = b_mask.shape
    # The window that both crops cover.
    x0 = max(ax, bx)
    y0 = max(ay, by)
    x1 = min(ax + a_width, bx + b_width)
    y1 = min(ay + a_height, by + b_height)
    intersection = 0
    if x1 > x0 and y1 > y0:
        in_both = a_mask[y0 - ay : y1 - ay, x0 - ax : x1 - ax] & b_mask[y0 - by : y1 - by, x0 - bx : x1 - bx]
        intersection = int(in_both.sum())
    union = int(a_mask.sum()) + int(b_mask.sum()) - intersection
    return intersection / union if union else None
