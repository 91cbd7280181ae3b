"""Precision, recall and F1 of one class over the confidence threshold, and precision over recall.

The rules are the ones YOLO tools print by: 1,000 confidences between 0 and 1, straight lines between detections.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

GRID = np.linspace(0, 1, 1000)  # confidences of the first three curves, recalls of the last


class Curves(NamedTuple):
    """Of one class, each (1000,) over GRID: three by confidence, `envelope` is precision by recall."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    envelope: np.ndarray


def class_curves(scores: np.ndarray, true: np.ndarray, positives: int) -> Curves:
    """(D,) falling scores, (D,) bool whether each detection is right, number of ground-truth instances -> curves."""
    if not len(scores) or not positives:
        return Curves(*np.zeros((4, len(GRID))))
    true_count = true.cumsum()  # (D,) among the detections down to each
    precision = true_count / np.arange(1, len(true_count) + 1)
    recall = true_count / positives

    # np.interp wants rising places, and scores fall: both are negated.
    by_confidence = np.interp(-GRID, -scores, precision, left=1)  # nothing shown, nothing wrong
    recall_by_confidence = np.interp(-GRID, -scores, recall, left=0)
    f1 = 2 * by_confidence * recall_by_confidence / (by_confidence + recall_by_confidence + 1e-16)

    recalls, heights = precision_envelope(precision, recall)
    return Curves(by_confidence, recall_by_confidence, f1, np.interp(GRID, recalls, heights))


def precision_envelope(precision: np.ndarray, recall: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (D,) by falling score -> recalls and the best precision at that recall or more, from (0, .) to (1, 0)."""
    recall = np.concatenate(([0.0], recall, [recall[-1], 1.0]))
    precision = np.concatenate(([1.0], precision, [0.0, 0.0]))
    return recall, np.maximum.accumulate(precision[::-1])[::-1]


def best_confidence(f1: np.ndarray) -> int:
    """(K, 1000) F1 of every class -> the place in GRID where their mean, smoothed over a tenth of it, is largest."""
    reach = len(GRID) // 20
    window = 2 * reach + 1
    mean = np.pad(f1.mean(axis=0), reach, mode="edge")
    smooth = np.convolve(mean, np.full(window, 1 / window), "valid")  # (1000,)
    return int(smooth.argmax())
