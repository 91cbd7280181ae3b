"""All images matched at once against the rule itself, image by image."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.evaluation.matching import Pairs, count_within, match_all_images, match_one_image

THRESHOLDS = np.array([0.5, 0.7, 0.9])
AREAS = 2
OVERLAPS = st.sampled_from([0.0, 0.3, 0.5, 0.6, 0.7, 0.7, 0.95, 1.0])  # few, so that they tie and meet thresholds


@st.composite
def images_of_one_class(draw):
    """A list of (overlap (D, G), ignored (G, A), crowd (G,)) of some images, some of them empty on either side."""
    images = []
    for _ in range(draw(st.integers(1, 4))):
        detections, truths = draw(st.integers(0, 5)), draw(st.integers(0, 4))
        flags = st.lists(st.booleans(), min_size=truths, max_size=truths)
        row = st.lists(OVERLAPS, min_size=truths, max_size=truths)
        overlap = np.array([draw(row) for _ in range(detections)], dtype=float).reshape(detections, truths)
        crowd = np.array(draw(flags), dtype=bool)
        ignored = np.array([draw(flags) for _ in range(AREAS)], dtype=bool).reshape(AREAS, truths).T
        images.append((overlap, ignored | crowd[:, None], crowd))
    return images


@settings(deadline=None, max_examples=300)
@given(images_of_one_class(), st.randoms(use_true_random=False))
def test_all_at_once_equals_the_rule_image_by_image(images, random):
    pairs, numbers, first_detection, first_truth = [], [], 0, 0
    for number, (overlap, _, _) in enumerate(images):
        rows, columns = np.nonzero(overlap >= THRESHOLDS[0])
        pairs += zip(rows + first_detection, columns + first_truth, overlap[rows, columns])
        numbers += [number] * len(overlap)
        first_detection += overlap.shape[0]
        first_truth += overlap.shape[1]
    random.shuffle(pairs)  # the order in which pairs are listed must not matter
    detection, truth, value = (np.array([pair[i] for pair in pairs]) for i in range(3))
    together = match_all_images(
        Pairs(detection.astype(int), truth.astype(int), value.astype(float)),
        np.array(numbers, dtype=int),
        np.concatenate([ignored for _, ignored, _ in images]),
        np.concatenate([crowd for _, _, crowd in images]),
        THRESHOLDS,
    )

    for area in range(AREAS):
        for t, threshold in enumerate(THRESHOLDS):
            matched, matched_ignored = [], []
            for overlap, ignored, crowd in images:
                found = match_one_image(overlap, ignored[:, area], crowd, threshold)
                matched += (found >= 0).tolist()
                matched_ignored += [truth >= 0 and bool(ignored[truth, area]) for truth in found]
            assert together.matched[:, area, t].tolist() == matched
            assert together.matched_ignored[:, area, t].tolist() == matched_ignored


def test_the_rule_on_paper():
    """Two detections on one instance, of which the better-scoring one gets it; the other falls back on a crowd."""
    overlap = np.array([[0.8, 0.6], [0.9, 0.6], [0.9, 0.4]])
    crowd = np.array([False, True])
    assert match_one_image(overlap, crowd, crowd, 0.5).tolist() == [0, 1, -1]
    assert match_one_image(overlap, crowd, crowd, 0.85).tolist() == [-1, 0, -1]
    ignored = np.array([True, True])  # among ignored ones the best overlap wins
    assert match_one_image(overlap, ignored, crowd, 0.5).tolist() == [0, 1, -1]


def test_count_within():
    assert count_within(np.array([7, 7, 2, 7, 7, 7])).tolist() == [0, 1, 0, 0, 1, 2]
    assert count_within(np.zeros(0)).tolist() == []
