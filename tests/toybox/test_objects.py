"""Every class: what is painted of an object is what its label says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seglab.geometry.raster import coverage
from seglab.toybox.canvas import PlacedObject, paint, visible
from seglab.toybox.materials import Light
from seglab.toybox.objects import NAMES, OBJECTS


@pytest.mark.parametrize("name", NAMES)
def test_what_is_painted_is_what_is_labeled(name):
    """The same object before black and before white: where the two images agree it is opaque."""
    make, (pose, *_), _ = OBJECTS[name]
    light = Light((-0.5, -0.6, 0.62), np.ones(3), np.full(3, 0.4), np.full(3, 0.2), (0.2, 0.2))
    parts = [
        replace(part, finish=replace(part.finish, clear=0.0)) for part in make(np.random.default_rng(1), pose, 0.3)
    ]
    placed = PlacedObject(parts, np.array([[35.3, 4.1, 110.7], [-4.1, 35.3, 120.2]]), NAMES.index(name))
    ((_, cut, rings),) = visible([placed], 240, 220)
    black, white = np.zeros((3, 240, 220), np.float32), np.ones((3, 240, 220), np.float32)
    for image in (black, white):
        paint(image, placed, cut, light, np.random.default_rng(2))
    opaque, exact = 1 - (white - black).mean(0), coverage(rings, 240, 220)
    assert np.abs(opaque - exact).sum() < 0.035 * exact.sum()
    assert np.minimum(opaque, exact).sum() > 0.97 * np.maximum(opaque, exact).sum()
