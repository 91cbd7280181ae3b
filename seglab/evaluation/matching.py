"""The greedy matching of the COCO protocol: which detection is matched with which ground-truth instance of its class.

`match_one_image` is the rule itself, for one image and one overlap threshold. `match_all_images` follows the same rule
for every image, threshold and area range at once; a test holds the two equal.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Pairs(NamedTuple):
    """P pairs of a detection and a ground-truth instance that overlap enough to matter."""

    detection: np.ndarray  # (P,) int, index of the detection
    truth: np.ndarray  # (P,) int, index of the ground-truth instance
    overlap: np.ndarray  # (P,) float in [0, 1]


class Matched(NamedTuple):
    """Outcome for D detections, A area ranges and T overlap thresholds."""

    matched: np.ndarray  # (D, A, T) bool, the detection was given a ground-truth instance
    matched_ignored: np.ndarray  # (D, A, T) bool, and that instance is an ignored one


def match_one_image(overlap: np.ndarray, ignored: np.ndarray, crowd: np.ndarray, threshold: float) -> np.ndarray:
    """The rule: detections take turns by falling score, and each takes the best ground truth that is left.

    overlap: (D, G) of the detections and instances of one class; ignored, crowd: (G,) bool.
    Returns (D,) int: the index of the matched instance, -1 for none.
    """
    taken = np.zeros(len(crowd), dtype=bool)
    matched = np.full(len(overlap), -1)
    for detection, row in enumerate(overlap):
        available = (row >= threshold) & ~taken
        # Ignored instances come second, however much they overlap.
        choices = np.flatnonzero(available & ~ignored)
        if not len(choices):
            choices = np.flatnonzero(available)
        if len(choices):
            best = max(choices, key=lambda truth: (row[truth], truth))  # of equal overlaps the later one
            matched[detection] = best
            taken[best] = not crowd[best]  # a crowd may be matched many times
    return matched


def match_all_images(
    pairs: Pairs, images: np.ndarray, ignored: np.ndarray, crowd: np.ndarray, thresholds: np.ndarray
) -> Matched:
    """The same rule for D detections of one class on all images, with A area ranges and T thresholds at once.

    images: (D,) the image of each detection; they stand image by image, within it by falling score.
    ignored: (G, A) bool, whether an instance is ignored in each area range; crowd: (G,) bool; thresholds: (T,).

    Images do not influence each other. So in step r the r-th detection of every image takes its turn, and a hundred
    steps of numpy replace a million of Python.
    """
    shape = ignored.shape[1], len(thresholds)
    matched = np.zeros((len(images), *shape), dtype=bool)  # (D, A, T)
    matched_ignored = np.zeros_like(matched)
    taken = np.zeros((len(ignored), *shape), dtype=bool)  # (G, A, T)
    if not len(pairs.detection):
        return Matched(matched, matched_ignored)

    # Detections without a pair match nothing, so they need no turn.
    candidates, candidate_of_pair = np.unique(pairs.detection, return_inverse=True)
    step = count_within(images[candidates])[candidate_of_pair]  # (P,)

    # Sort pairs by step, within a step by detection, and within a detection so that the best one stands last.
    order = np.lexsort((pairs.truth, pairs.overlap, pairs.detection, step))
    detection = pairs.detection[order]
    truth = pairs.truth[order]
    overlap = pairs.overlap[order]
    step = step[order]
    step_bounds = np.flatnonzero(np.concatenate(([True], step[1:] != step[:-1], [True])))

    for first, last in pairwise(step_bounds):
        step_detection = detection[first:last]  # (p,)
        step_truth = truth[first:last]  # (p,)
        size = last - first

        # Rank every pair within the step: -1 where it is not available, else its place in the order. Ground truth that
        # counts gets `size` on top, which puts it before all that is ignored.
        reaches = overlap[first:last, None] >= thresholds  # (p, T)
        available = ~taken[step_truth] & reaches[:, None, :]  # (p, A, T)
        rank = np.arange(size)[:, None] + size * ~ignored[step_truth]  # (p, A)
        rank = np.where(available, rank[:, :, None], -1)  # (p, A, T)

        # Each detection of the step takes its highest-ranked pair.
        starts = np.flatnonzero(np.concatenate(([True], step_detection[1:] != step_detection[:-1])))  # (d,)
        best_rank = np.maximum.reduceat(rank, starts, axis=0)  # (d, A, T)
        has_match = best_rank >= 0
        rows = step_detection[starts]
        matched[rows] = has_match
        matched_ignored[rows] = has_match & (best_rank < size)

        # What was matched is taken for the steps to come, unless it is a crowd.
        row, area, threshold = np.nonzero(has_match)
        winner = step_truth[best_rank[row, area, threshold] % size]
        taken[winner, area, threshold] = ~crowd[winner]
    return Matched(matched, matched_ignored)


def count_within(groups: np.ndarray) -> np.ndarray:
    """(N,) labels that stand group by group -> (N,) 0, 1, 2, ... within each group."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))
    lengths = np.diff(np.append(starts, len(groups)))
    return np.arange(len(groups)) - np.repeat(starts, lengths)
