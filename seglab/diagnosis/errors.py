"""Which types of error cost how much AP (Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection
Errors", 2020).

Every detection that matches no ground truth at IoU 0.5 gets one cause, and every cause is fixed in turn as an oracle
would, to see what AP50 gains: a wrong class or a wrong place is put right (or struck out where the instance has been
found already), the rest is struck out, and missed instances no longer count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from pycocotools import mask as coco_mask

from seglab.evaluation.coco import MAX_DETECTIONS, Instances, precision_at_recalls
from seglab.evaluation.matching import count_within

FOREGROUND = 0.5  # IoU from which an instance is found
BACKGROUND = 0.1  # IoU under which there is none
CAUSES = ("localization", "classification", "duplicate", "background", "both", "missed")
LOCALIZATION, CLASSIFICATION, DUPLICATE, ON_BACKGROUND, BOTH, MISSED = range(len(CAUSES))
# Codes of detections that are no errors.
RIGHT = len(CAUSES)
IGNORED = len(CAUSES) + 1
NO_TARGET = -1


@dataclass(frozen=True)
class ErrorReport:
    """ap50: as it is; counts: detections (instances, for "missed") by cause; gains: AP50 that fixing a cause gains."""

    ap50: float
    counts: dict[str, int]
    gains: dict[str, float]

    def __str__(self) -> str:
        rows = [f"  {name:<16}{self.counts[name]:>7}{self.gains[name]:>+10.4f}" for name in CAUSES]
        return "\n".join([f"AP50 {self.ap50:.4f}; errors by cause, and what fixing each cause would gain:", *rows])


@dataclass(frozen=True)
class _ImageErrors:
    """One image, or all of them joined: D detections by falling score, G ground-truth instances."""

    classes: np.ndarray  # (D,) int
    scores: np.ndarray  # (D,) float64
    cause: np.ndarray  # (D,) index into CAUSES, or RIGHT, or IGNORED
    target: np.ndarray  # (D,) index of the instance that a detection is, or would be, right about, or NO_TARGET
    truth_classes: np.ndarray  # (G,) int
    found: np.ndarray  # (G,) bool, matched by a right detection, or a crowd
    explained: np.ndarray  # (G,) bool, target of a wrong detection, or a crowd
    crowd: np.ndarray  # (G,) bool


class ErrorBreakdown:
    """Takes one image after another, then says what the errors cost. iou_type: "bbox" or "segm"."""

    def __init__(self, iou_type: str = "segm") -> None:
        self.iou_type = iou_type
        self._images: list[_ImageErrors] = []

    def add(self, ground_truth: Instances, detections: Instances) -> None:
        """Find the cause of every detection of one image."""
        # The best hundred of each class count, and all of them together go by falling score.
        classes = np.asarray(detections.classes)
        scores = detections.all_scores
        order = np.lexsort((-scores, classes))
        order = order[count_within(classes[order]) < MAX_DETECTIONS[-1]]
        order = order[np.argsort(-scores[order], kind="stable")]

        overlap = _overlap(ground_truth, detections, order, self.iou_type)  # (D, G)
        image = _find_causes(classes[order], scores[order], overlap, ground_truth)
        self._images.append(image)

    def summarize(self) -> ErrorReport:
        """The causes of every image added so far, and what each costs."""
        if not self._images:
            return ErrorReport(0.0, dict.fromkeys(CAUSES, 0), dict.fromkeys(CAUSES, 0.0))
        every = _join(self._images)
        wanted = every.truth_classes[~every.crowd]
        missed = every.truth_classes[~(every.found | every.explained)]
        counted = every.cause != IGNORED
        right = every.cause == RIGHT
        nothing = np.zeros(0, int)
        ap50 = _mean_ap(every.classes[counted], right[counted], wanted, nothing)

        counts = {}
        gains = {}
        for code, name in enumerate(CAUSES):
            if code == MISSED:
                counts[name] = len(missed)
                gains[name] = _mean_ap(every.classes[counted], right[counted], wanted, missed) - ap50
                continue
            wrong = every.cause == code
            counts[name] = int(wrong.sum())

            # All detections of this cause are struck out, except the ones that an oracle can put right.
            fixed_classes = every.classes.copy()
            kept = counted & ~wrong
            fixed_right = right.copy()
            if code in (LOCALIZATION, CLASSIFICATION) and counts[name]:
                places = _first_of_each_target(np.flatnonzero(wrong & ~every.found[every.target]), every.target)
                fixed_classes[places] = every.truth_classes[every.target[places]]
                kept[places] = fixed_right[places] = True
            gains[name] = _mean_ap(fixed_classes[kept], fixed_right[kept], wanted, nothing) - ap50
        return ErrorReport(ap50, counts, gains)


def _overlap(ground_truth: Instances, detections: Instances, order: np.ndarray, iou_type: str) -> np.ndarray:
    """(D, G) overlap of the detections `order` (D,) with all ground truth, whatever the classes."""
    if not len(order) or not len(ground_truth.classes):
        return np.zeros((len(order), len(ground_truth.classes)))
    crowd = ground_truth.crowds.astype(np.uint8)
    if iou_type == "bbox":
        return coco_mask.iou(detections.all_boxes[order], ground_truth.all_boxes, crowd)
    masks = detections.all_masks
    return coco_mask.iou([masks[index] for index in order.tolist()], ground_truth.all_masks, crowd)


def _find_causes(classes: np.ndarray, scores: np.ndarray, overlap: np.ndarray, ground_truth: Instances) -> _ImageErrors:
    """The cause of every detection of one image. classes, scores: (D,) by falling score; overlap: (D, G)."""
    truth_classes = np.asarray(ground_truth.classes)
    crowd = ground_truth.crowds
    same_class = classes[:, None] == truth_classes  # (D, G)
    same = np.where(same_class & ~crowd, overlap, 0.0)
    other = np.where(~same_class & ~crowd, overlap, 0.0)
    on_crowd = (np.where(same_class & crowd, overlap, 0.0) >= FOREGROUND).any(axis=1)  # (D,)

    cause = np.full(len(classes), IGNORED)
    target = np.full(len(classes), NO_TARGET)
    found = crowd.copy()
    explained = crowd.copy()

    # First the right ones: by falling score, each takes the best instance of its class that is left.
    for d in np.flatnonzero((same >= FOREGROUND).any(axis=1)):
        free = np.where(found, 0.0, same[d])
        if free.max() >= FOREGROUND:
            cause[d] = RIGHT
            target[d] = free.argmax()
            found[target[d]] = True

    # Then a cause for each of the others; those on crowds are no errors.
    for d in np.flatnonzero((cause == IGNORED) & ~on_crowd):
        best_same = same[d].max(initial=0.0)
        best_other = other[d].max(initial=0.0)
        if BACKGROUND <= best_same < FOREGROUND:
            cause[d] = LOCALIZATION
            target[d] = same[d].argmax()
        elif best_other >= FOREGROUND:
            cause[d] = CLASSIFICATION
            target[d] = other[d].argmax()
        elif best_same >= FOREGROUND:
            cause[d] = DUPLICATE
        elif max(best_same, best_other) < BACKGROUND:
            cause[d] = ON_BACKGROUND
        else:
            cause[d] = BOTH
        if target[d] != NO_TARGET:
            explained[target[d]] = True
    return _ImageErrors(classes, scores, cause, target, truth_classes, found, explained, crowd)


def _join(images: Sequence[_ImageErrors]) -> _ImageErrors:
    """All images in one, detections by falling score, targets numbered among all instances."""
    columns = {
        column.name: np.concatenate([getattr(image, column.name) for image in images])
        for column in fields(_ImageErrors)
    }
    truth_counts = np.array([len(image.truth_classes) for image in images])
    first_truth = np.repeat(np.cumsum(truth_counts) - truth_counts, [len(image.classes) for image in images])
    target = columns["target"]
    columns["target"] = np.where(target == NO_TARGET, NO_TARGET, target + first_truth)
    order = np.argsort(-columns["scores"], kind="stable")
    for name in ("classes", "scores", "cause", "target"):
        columns[name] = columns[name][order]
    return _ImageErrors(**columns)


def _first_of_each_target(places: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Of the detections `places`, by falling score, the highest-scoring one of each target."""
    _, first = np.unique(target[places], return_index=True)
    return places[np.sort(first)]


def _mean_ap(classes: np.ndarray, true: np.ndarray, wanted: np.ndarray, forgiven: np.ndarray) -> float:
    """AP50 of detections by falling score; wanted, forgiven: classes of the instances, and of those to leave out."""
    values = []
    for class_id in np.unique(wanted):
        positives = int((wanted == class_id).sum() - (forgiven == class_id).sum())
        if positives:  # a class all of whose instances are forgiven drops out, as classes without ground truth do
            true_of_class = true[classes == class_id][None]  # (1, D)
            precision = precision_at_recalls(true_of_class, np.zeros_like(true_of_class), positives)
            values.append(precision.mean())
    return float(np.mean(values)) if values else 0.0
