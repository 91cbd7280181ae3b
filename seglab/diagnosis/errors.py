"""What kind of mistakes cost how much AP (Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection
Errors", 2020).

Every detection that claimed no object at IoU 0.5 gets one cause, and every cause is fixed in turn as an oracle would,
to see what AP50 gains: a wrong class or a wrong place is put right (or struck out where the object has been found
already), the rest is struck out, and missed objects are no longer asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from seglab.evaluation.coco import MAX_DETECTIONS, Instances, count_within, precision_at_recalls

FOREGROUND, BACKGROUND = 0.5, 0.1  # IoU from which an object is found, and under which there is none
CAUSES = ("localisation", "classification", "duplicate", "background", "both", "missed")
RIGHT, IGNORED = len(CAUSES), len(CAUSES) + 1


@dataclass(frozen=True)
class ErrorReport:
    """ap50: as it is; counts: detections (objects, for "missed") by cause; gains: AP50 to win by mending each cause."""

    ap50: float
    counts: dict[str, int]
    gains: dict[str, float]

    def __str__(self) -> str:
        rows = [f"  {name:<16}{self.counts[name]:>7}{self.gains[name]:>+10.4f}" for name in CAUSES]
        return "\n".join([f"AP50 {self.ap50:.4f}; mistakes, and what mending each kind would gain:", *rows])


class ErrorBreakdown:
    """Takes one image after another, then says what the mistakes cost. kind: "bbox" or "segm"."""

    def __init__(self, kind: str = "segm") -> None:
        self.kind = kind
        self._images: list[tuple[np.ndarray, ...]] = []
        self._instances = 0

    def add(self, ground_truth: Instances, detections: Instances) -> None:
        """Find the cause of every detection of one image."""
        classes, scores = np.asarray(detections.classes), np.asarray(detections.scores, dtype=np.float64)
        order = np.lexsort((-scores, classes))
        order = order[count_within(classes[order]) < MAX_DETECTIONS[-1]]
        order = order[np.argsort(-scores[order], kind="stable")]
        classes, scores, labels = classes[order], scores[order], np.asarray(ground_truth.classes)
        crowd = ground_truth.crowds
        overlap = np.zeros((len(order), len(labels)))
        if overlap.size:
            if self.kind == "bbox":
                shapes = detections.boxes[order], ground_truth.boxes
            else:
                shapes = [detections.masks[i] for i in order], list(ground_truth.masks)
            overlap = coco_mask.iou(*shapes, crowd.astype(np.uint8))  # (D, G)
        alike = classes[:, None] == labels
        same = np.where(alike & ~crowd, overlap, 0.0)
        other = np.where(~alike & ~crowd, overlap, 0.0)
        on_crowd = (np.where(alike & crowd, overlap, 0.0) >= FOREGROUND).any(axis=1)

        cause, target = np.full(len(order), IGNORED), np.full(len(order), -1)
        found, explained = crowd.copy(), crowd.copy()
        for d in np.flatnonzero((same >= FOREGROUND).any(axis=1)):
            free = np.where(found, 0.0, same[d])
            if free.max() >= FOREGROUND:
                cause[d], target[d] = RIGHT, free.argmax()
                found[target[d]] = True
        for d in np.flatnonzero((cause == IGNORED) & ~on_crowd):
            nearest = same[d].max(initial=0.0), other[d].max(initial=0.0)
            if BACKGROUND <= nearest[0] < FOREGROUND:
                cause[d], target[d] = CAUSES.index("localisation"), same[d].argmax()
            elif nearest[1] >= FOREGROUND:
                cause[d], target[d] = CAUSES.index("classification"), other[d].argmax()
            elif nearest[0] >= FOREGROUND:
                cause[d] = CAUSES.index("duplicate")
            else:
                cause[d] = CAUSES.index("background" if max(nearest) < BACKGROUND else "both")
            if target[d] >= 0:
                explained[target[d]] = True
        target[target >= 0] += self._instances
        self._instances += len(labels)
        self._images.append((classes, scores, cause, target, labels, found, explained, crowd))

    def summarise(self) -> ErrorReport:
        """The causes of every image added so far, and what each costs."""
        if not self._images:
            return ErrorReport(0.0, dict.fromkeys(CAUSES, 0), dict.fromkeys(CAUSES, 0.0))
        columns = zip(*self._images)
        classes, scores, cause, target, labels, found, explained, crowd = map(np.concatenate, columns)
        order = np.argsort(-scores, kind="stable")
        classes, scores, cause, target = classes[order], scores[order], cause[order], target[order]
        wanted, missed = labels[~crowd], labels[~(found | explained)]
        counted, right = cause != IGNORED, cause == RIGHT
        ap50 = _mean_ap(classes[counted], right[counted], wanted, np.zeros(0, int))

        counts, gains = {}, {}
        for code, name in enumerate(CAUSES):
            wrong = cause == code
            counts[name] = len(missed) if name == "missed" else int(wrong.sum())
            mended, kept, true = classes.copy(), counted & ~wrong, right.copy()
            if name in ("localisation", "classification"):
                places = np.flatnonzero(wrong & ~found[target])
                surest = np.sort(np.unique(target[places], return_index=True)[1])  # claim of each object
                places = places[surest]
                mended[places], kept[places], true[places] = labels[target[places]], True, True
            unasked = missed if name == "missed" else np.zeros(0, int)
            gains[name] = _mean_ap(mended[kept], true[kept], wanted, unasked) - ap50
        return ErrorReport(ap50, counts, gains)


def _mean_ap(classes: np.ndarray, true: np.ndarray, wanted: np.ndarray, unasked: np.ndarray) -> float:
    """AP50 of detections by falling score; wanted, unasked: classes of the objects, and of those to leave out."""
    values = []
    for class_id in np.unique(wanted):
        positives = int((wanted == class_id).sum() - (unasked == class_id).sum())
        if positives:  # a class all of whose objects are forgiven drops out, as classes without objects do
            hits = true[classes == class_id][None]
            values.append(precision_at_recalls(hits, np.zeros_like(hits), positives).mean())
    return float(np.mean(values)) if values else 0.0
