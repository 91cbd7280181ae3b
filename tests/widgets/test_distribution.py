"""The four sides of a box are the means of their distributions."""

from __future__ import annotations

import numpy as np

from seglab.geometry.boxes import xywh_to_xyxy
from seglab.inference.nms import suppress
from seglab.widgets.distribution import distribution, sides_of
from seglab.widgets.forward_pass import detected_anchors


def test_sides_are_the_boxes_of_the_detections(model, sample, forward_pass):
    found = suppress(forward_pass.predictions)[0]
    for anchor, box in zip(detected_anchors(forward_pass).tolist(), found.boxes):
        sides = sides_of(forward_pass, anchor, model.names)
        np.testing.assert_allclose(sides.box, box.numpy(), atol=1e-3)
        np.testing.assert_allclose(sides.box, xywh_to_xyxy(forward_pass.predictions[0, :4, anchor]).numpy(), atol=1e-3)
        assert (sides.deviations >= 0).all()
    panel = distribution(model, sample)
    before = panel.image.value
    panel["object"].value = 2
    assert panel.image.value != before
