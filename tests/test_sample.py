"""Instances keep all but the class id when that changes, and sizes are COCO's."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.sample import SIZES, Instance, size_class, with_class_ids


def test_class_ids_are_exchanged_and_nothing_else():
    ring = np.array([[0, 0], [4, 0], [4, 4.0]])
    crowd = Instance(1, [ring], crowd=True, rle={"size": [4, 4], "counts": b""})
    plain = Instance(0, [ring])
    moved = with_class_ids([crowd, plain], {0: 1, 1: 5})
    assert [instance.class_id for instance in moved] == [5, 1]
    assert moved[0].crowd and moved[0].rle == crowd.rle and moved[0].rings[0] is ring
    assert (crowd.class_id, plain.class_id) == (1, 0), "the given ones stay as they were"


@pytest.mark.parametrize(
    ("area", "size"), [(0, "small"), (1023.9, "small"), (1024, "medium"), (9215.9, "medium"), (9216, "large")]
)
def test_sizes_are_those_of_coco(area, size):
    assert SIZES[size_class(area)] == size
