"""The table counts what `val` counts, and its buttons show the objects behind a count."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.sample import Sample
from seglab.widgets.confusion import BACKGROUND, confusion_explorer, draw_case, find_cases
from seglab.widgets.explored_image import predict_candidates
from seglab.widgets.images import samples

from .looking import image_of


def buttons(panel) -> list:
    _, table = [row.children for row in panel.view.children[1].children[0].children]
    return [each for each in table[0].children if hasattr(each, "click")]


def test_cells_count_what_validation_counts(model):
    explored = [predict_candidates(model, read(), 640) for _, read in samples("toybox8-seg", "val")]
    cells = find_cases(explored)
    matrix = np.zeros((11, 11), int)
    for (predicted, true), cases in cells.items():
        matrix[predicted, true] = len(cases)  # -1, the background, is last
    expected = model.val(data="toybox8-seg", imgsz=640, verbose=False, plots=False).confusion_matrix.matrix
    assert np.array_equal(matrix[:, :10].sum(axis=0), expected[:, :10].sum(axis=0))  # each object once
    assert np.abs(matrix - expected).sum() <= 6 < matrix.trace()  # the letterbox differs, and doubtful scores with it
    assert (matrix.sum() - matrix.trace()) > 3


def test_a_button_shows_its_objects_and_the_slider_goes_the_same_way(model):
    panel = confusion_explorer(model, load_dataset("toybox8-seg"), imgsz=640)
    first = panel.image.value
    assert not panel.text.value.startswith("<b>labeled cup, predicted cup")  # mistakes first
    counts = {each.tooltip: each for each in buttons(panel)}
    tip, button = next((tip, each) for tip, each in counts.items() if "labeled umbrella, predicted umbrella" in tip)
    button.click()
    assert f"<b>{tip.rsplit(':', 1)[0]}</b>: {button.description}" in panel.text.value
    assert panel.image.value != first
    assert image_of(panel).shape[0] >= 200
    panel["cell"].value = 0
    assert panel.image.value == first


def test_both_boxes_are_drawn_where_both_are_there(model, sample):
    explored = predict_candidates(model, sample)
    for (predicted, true), cases in find_cases([explored]).items():
        for case in cases:
            assert (case.predicted is None, case.true is None) == (predicted == BACKGROUND, true == BACKGROUND)
            drawn = draw_case(explored, case).reshape(-1, 3)
            for box, color in ((case.true, (0, 190, 140)), (case.predicted, (240, 90, 20))):
                assert (drawn == color).all(axis=1).any() or box is None


def test_without_ground_truth_there_is_nothing_to_confuse(model, sample):
    with pytest.raises(SeglabError, match="ground truth"):
        confusion_explorer(model, Sample(sample.image), imgsz=320)
