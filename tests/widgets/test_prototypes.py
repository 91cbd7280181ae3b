"""The mixer shows the mask that the coefficients on its sliders make."""

from __future__ import annotations

import numpy as np

from seglab.inference.nms import suppress
from seglab.widgets.prototypes import keep_strongest, mixed_sums, prototypes

from .looking import image_of


def test_the_mixer_starts_with_the_networks_own_mask(model, sample, forward_pass, explored):
    panel = prototypes(model, sample, i=1)
    assert "IoU with the network's own mask 1.00" in panel.text.value
    found = suppress(forward_pass.predictions)[0]
    x0, y0, sums = mixed_sums(forward_pass, found, 1, found.coefficients[1].numpy())
    crop = explored.crops(explored.found()[1:2])[0]
    assert (x0, y0) == crop[:2] and np.array_equal(sums > 0, crop[2])
    own = image_of(panel)
    assert all(round(panel[f"c{k}"].value / 0.05, 6).is_integer() for k in range(32))  # a browser changes none
    panel["c0"].value += 3.0
    assert not np.array_equal(image_of(panel), own)
    panel["object"].value = 1
    panel["object"].value = 2
    assert np.array_equal(image_of(panel), own)  # another object, and back: the network's own again
    panel["strongest"].value = 0
    assert "<b>0 px</b> from 0 of 32" in panel.text.value


def test_the_strongest_are_those_of_largest_magnitude():
    assert keep_strongest(np.array([1.0, -3.0, 2.0]), 2).tolist() == [0.0, -3.0, 2.0]
