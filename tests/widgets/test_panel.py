"""Panels name themselves, carry a small still, and can be read aloud."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from seglab.widgets.explorer import explore
from seglab.widgets.panel import plain

from .looking import image_of, tip


def test_panels_name_themselves_without_addresses(model, sample):
    panel = explore(model, sample)
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"].startswith("<mask explorer, 1 image: image, confidence")
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.view.model_id
    for control in panel.controls.values():
        assert control.description and tip(control)
    words = panel.regions.value.split('aria-label="')[1].split('"')[0]
    assert words.startswith(f"mask explorer, 1 image: {panel['object'].max} objects: ") and " missed of " in words
    assert "<" not in words


def test_a_panel_carries_a_small_still(model, sample):
    panel = explore(model, sample)
    still = base64.b64decode(panel._repr_mimebundle_()["image/jpeg"])
    image = cv2.imdecode(np.frombuffer(still, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[:2] == (360, 480) and len(still) < 50_000
    now = cv2.resize(image_of(panel), (480, 360), interpolation=cv2.INTER_AREA)
    assert np.abs(image.astype(int) - now).mean() < 12  # another image differs by 40
    panel["confidence"].value = 0.9
    assert base64.b64decode(panel._repr_mimebundle_()["image/jpeg"]) != still


def test_html_is_read_as_words():
    text = "<b>2 objects</b>: 1 cup<br>1 right<table><tr><th>a</th><td>x &amp; y</td></tr></table>"
    assert plain(text) == "2 objects: 1 cup 1 right a x & y"
