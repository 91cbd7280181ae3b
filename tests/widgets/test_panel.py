"""Panels name themselves, carry a small still, and can be read aloud."""

from __future__ import annotations

import base64
import threading
import time

import cv2
import numpy as np

from seglab.widgets.explorer import explore
from seglab.widgets.panel import Drawn, Panel, plain, slider

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


def test_threads_draw_one_after_the_other():
    """A kernel hears controls in one thread while the thread of the cells still makes hover regions."""
    control = slider("shade", 0, 0, 255, 1, "how bright")
    seen = []
    has_begun = threading.Event()

    def regions(shade):
        seen.append(f"regions {shade} begin")
        has_begun.set()
        time.sleep(0.1)  # seconds, for the other thread to come between
        seen.append(f"regions {shade} end")
        return f"<g>{shade}</g>"

    def draw(shade):
        seen.append(f"image {shade}")
        return Drawn(np.full((8, 8, 3), shade, np.uint8), f"shade {shade}", lambda: regions(shade))

    panel = Panel("shades", {"shade": control}, draw)
    has_begun.clear()
    seen.clear()
    thread = threading.Thread(target=panel.redraw)
    thread.start()
    has_begun.wait(60)
    control.value = 9
    thread.join()
    whole = [["image " + shade, f"regions {shade} begin", f"regions {shade} end"] for shade in ("0", "9")]
    assert seen == whole[0] + whole[1]
    assert panel.text.value == "shade 9" and "<g>9</g>" in panel.regions.value


def test_regions_of_an_earlier_image_are_not_shown():
    control = slider("shade", 0, 0, 255, 1, "how bright")
    earlier = []

    def draw(shade):
        earlier.append(Drawn(np.full((8, 8, 3), shade, np.uint8), f"shade {shade}", lambda: f"<g>{shade}</g>"))
        return earlier[-1]

    panel = Panel("shades", {"shade": control}, draw)
    control.value = 9
    panel._show_regions(earlier[0])
    assert "<g>9</g>" in panel.regions.value


def test_html_is_read_as_words():
    text = "<b>2 objects</b>: 1 cup<br>1 right<table><tr><th>a</th><td>x &amp; y</td></tr></table>"
    assert plain(text) == "2 objects: 1 cup 1 right a x & y"
