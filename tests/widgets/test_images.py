"""The images that the tools show come from datasets, files and memory."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.errors import SeglabError
from seglab.sample import Instance, Sample
from seglab.widgets.explored_image import (
    predict_candidates,
)
from seglab.widgets.images import MAX_SIDE, samples


def square(x, y, side, class_id=0, crowd=False):
    corners = np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], dtype=float)
    return Instance(class_id, [corners], crowd)


def test_large_images_are_scaled_with_their_objects(model):
    image = np.zeros((400, 2 * MAX_SIDE, 3), np.uint8)
    explored = predict_candidates(model, Sample(image, [square(100, 100, 200)]))
    assert explored.image.shape == (200, MAX_SIDE, 3) and explored.ground_truth_crops[0][2].sum() == 100 * 100


def test_images_come_from_many_sources(sample, tmp_path):
    assert next(name for name, _ in samples("toybox8-seg")) == "000016.jpg"
    assert samples("toybox8-seg")[1][1]().instances
    assert [name for name, _ in samples([sample, sample])] == ["000016.jpg"] * 2
    assert samples(sample.image)[0][1]().instances == []
    with pytest.raises(SeglabError, match="no image"):
        samples([])
