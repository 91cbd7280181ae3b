"""What a conversion sets out to write."""

from __future__ import annotations

import numpy as np

from seglab.convert.targets import Target, Targets
from seglab.geometry.rle import encode


def test_instances_come_back_in_order_once_a_row_and_under_the_name_of_a_moved_file():
    mask = np.zeros((5, 7), bool)
    mask[1:3, 2:4] = True
    first, second = Target(0, encode(mask), 4.0, True), Target(3, encode(~mask), 31.0, False)
    targets = Targets()
    for label, row, target in (("a", "x", first), ("b", "x", second), ("a", "y", second), ("a", "x", first)):
        targets.add(label, row, target)
    assert list(targets.of("a")) == [first, second] and list(targets.of("b")) == [second]
    targets.move("a", "val/a")
    assert list(targets.of("a")) == [] and list(targets.of("val/a")) == [first, second]
    targets.close()
