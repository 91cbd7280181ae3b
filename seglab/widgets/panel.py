"""What all the tools have in common: named controls beside an image that is redrawn when one of them changes.

A tool is a pure function from the controls' values to a `Drawn`; everything that knows of widgets is here. Only core
ipywidgets are used (7.7 and 8). Sliders and buttons keep their keys in JupyterLab, a Dropdown does not.
"""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from html import escape, unescape
from typing import Any, NamedTuple

import cv2
import numpy as np

PAUSE = 0.4  # seconds without a redraw after which hover regions follow: a key held down waits for no hundreds of them
MAX_HEIGHT = 560  # pixels on the screen: image, controls and text fit into a window of 1280 x 720
CONTROLS_HEIGHT = 360
QUALITY = 85  # of the JPEG that is sent to the browser
# Of the image that a stored notebook keeps, which must be small: a lesson may have six of them.
STILL_WIDTH = 480
STILL_QUALITY = 60
STYLE = """<style>
.seglab-regions{display:block;width:100%;height:auto}
.seglab-regions path{fill:transparent;stroke:none;cursor:pointer;outline:none}
.seglab-region:hover path,.seglab-region:focus path{stroke:#fff;stroke-width:3;fill:rgba(255,255,255,.18)}
.seglab-region{outline:none}
.seglab-region text,.seglab-region rect{display:none;pointer-events:none}
.seglab-region:hover text,.seglab-region:hover rect{display:block}
.seglab-region:focus text,.seglab-region:focus rect{display:block}
.seglab-panel{gap:8px 16px} .seglab-panel .widget-slider{width:100%;max-width:340px}
.seglab-text{line-height:1.5} .seglab-text table{border-collapse:collapse;margin:4px 0}
.seglab-text td,.seglab-text th{padding:1px 14px 1px 0;text-align:left;font-variant-numeric:tabular-nums}
.seglab-text th{font-weight:600}
</style>"""
# What ipywidgets leaves out for screen readers. An HTML widget runs no scripts, but it runs this when its image
# fails; from then on it is looked after when the focus has moved, something was pressed, or a new image has come.
# - The part of a slider that has the keyboard has no name, and in ipywidgets 7 no role: it gets label, tip and value.
# - Buttons that stay down do not say so.
# - The text is told when it changes: the element that says this must stay while what is in it is replaced.
# - The image is told by the shapes over it, and no second time.
NAMES = """<img src="data:," alt="" onerror="
if (document.seglabNames) return;
document.seglabNames = true;
const say = (part, words) => Object.entries(words).forEach(word => part.setAttribute(...word));
const name = () => document.querySelectorAll('.seglab-panel').forEach(panel => {
    const all = (parts, words) => panel.querySelectorAll(parts).forEach(part => say(part, words(part)));
    all('.noUi-handle, .ui-slider-handle', part => {
        const row = part.closest('.widget-slider'), label = row.querySelector('.widget-label');
        return { 'role': 'slider', 'aria-label': label.textContent + ': ' + label.title,
                 'aria-valuetext': row.querySelector('.widget-readout').textContent };
    });
    all('.ui-slider-handle', part => ({ 'aria-valuenow': parseFloat(part.style.left) || 0 }));
    all('.widget-toggle-button', part => ({ 'aria-pressed': part.classList.contains('mod-active') }));
    all('.seglab-text', () => ({ 'role': 'status', 'aria-live': 'polite' }));
    all('.seglab-image', () => ({ 'alt': '' }));
});
const soon = () => requestAnimationFrame(name);
['focusin', 'click', 'keyup', 'load'].forEach(kind => document.addEventListener(kind, soon, true));
soon();
">"""


def no_regions() -> str:
    return ""


class Drawn(NamedTuple):
    """What a tool shows: an image (H, W, 3) uint8 RGB, a text in HTML, and what makes hover regions over the image
    as SVG, which is called after the image has gone out, in a pause."""

    image: np.ndarray
    text: str
    regions: Callable[[], str] = no_regions


class Panel:
    """Controls by name (`panel["confidence"].value = 0.5`), `image` (an Image whose `value` is a JPEG), `text`.

    Shown by writing it as the last line of a cell, like any widget.
    """

    def __init__(
        self,
        title: str,
        controls: Mapping[str, Any],
        draw: Callable[..., Drawn],
        rows: Sequence[Sequence[Any]] = (),
    ) -> None:
        """title: the tool's name.
        controls: name -> widget, whose values are what `draw` takes by name.
        rows: how controls and other widgets stand beside the image, each control in a row of its own by default.
        """
        import ipywidgets as widgets

        self.title = title
        self.controls = dict(controls)
        self._draw = draw
        self.image = widgets.Image(format="jpeg", layout=_cell(widgets)).add_class("seglab-image")
        self.regions = widgets.HTML(layout=_cell(widgets))
        self.text = widgets.HTML().add_class("seglab-text")
        stack_layout = widgets.Layout(flex="3 1 340px", min_width="0", max_width="100%")
        self.stack = widgets.GridBox([self.image, self.regions], layout=stack_layout)
        control_rows = [
            widgets.Box(list(row), layout=widgets.Layout(flex="0 0 auto", flex_flow="row wrap", align_items="center"))
            for row in rows or [[control] for control in self.controls.values()]
        ]
        # Many controls scroll, so that the text below them stays in sight.
        scrolled = widgets.Layout(max_height=f"{CONTROLS_HEIGHT}px", overflow="auto", min_width="0")
        controls_box = widgets.VBox(control_rows, layout=scrolled)
        beside_layout = widgets.Layout(flex="1 1 300px", min_width="0")
        beside = widgets.VBox([controls_box, self.text], layout=beside_layout)
        # Apart, so that no redraw makes the browser look at all its styles again.
        style = widgets.HTML(STYLE + NAMES, layout=widgets.Layout(display="none"))
        # The image first and the controls beside it; below it where the page is narrow, as on a phone.
        row_layout = widgets.Layout(flex_flow="row wrap", align_items="flex-start", max_width="100%")
        self.view = widgets.Box([self.stack, beside, style], layout=row_layout).add_class("seglab-panel")
        # A kernel may hear controls in another thread than the one that runs cells: one draws at a time.
        self._lock = threading.RLock()
        self._is_drawing = False
        self._latest: Drawn | None = None
        self._waiting: asyncio.TimerHandle | None = None  # for the pause after which hover regions follow
        for control in self.controls.values():
            control.observe(lambda _: self.redraw(), names="value")
        self.redraw()

    def __getitem__(self, name: str) -> Any:
        return self.controls[name]

    def redraw(self) -> None:
        """Draw for the controls' present values."""
        with self._lock:
            if self._is_drawing:  # in this thread: controls that drawing itself corrects do not draw again
                return
            self._is_drawing = True
            try:
                drawn = self._draw(**{name: control.value for name, control in self.controls.items()})
            finally:
                self._is_drawing = False
            self._latest = drawn
            self.image.value = encode(drawn.image)
            height, width = drawn.image.shape[:2]
            self.stack.layout.max_width = f"{min(width, round(MAX_HEIGHT * width / height))}px"
            self.text.value = drawn.text
            self._show_regions_soon(drawn)

    def _show_regions_soon(self, drawn: Drawn) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # outside a kernel
            self._show_regions(drawn)
            return
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = loop.call_later(PAUSE, self._show_regions, drawn)

    def _show_regions(self, drawn: Drawn) -> None:
        with self._lock:
            if drawn is not self._latest:  # the thread that drew after it shows its own
                return
            height, width = drawn.image.shape[:2]
            words = escape(f"{self.title}: {plain(drawn.text)}")
            self.regions.value = (
                f'<svg class="seglab-regions" viewBox="0 0 {width} {height}" role="img" aria-label="{words}">'
                f"{drawn.regions()}</svg>"
            )

    def __repr__(self) -> str:
        return f"<{self.title}: {', '.join(self.controls)}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The view as notebooks show it, with a text beside it that is the same everywhere, and a small still of the
        image: a view needs a running kernel, and a notebook that is only read has nothing else to show."""
        reference = {"version_major": 2, "version_minor": 0, "model_id": self.view.model_id}
        still = base64.b64encode(thumbnail(self.image.value)).decode("ascii")
        return {"text/plain": repr(self), "application/vnd.jupyter.widget-view+json": reference, "image/jpeg": still}


def _cell(widgets: Any) -> Any:
    """The one cell of the grid, where image and regions lie over each other."""
    return widgets.Layout(grid_area="1 / 1", width="100%", height="auto", margin="0")


def encode(image: np.ndarray) -> bytes:
    """(H, W, 3) uint8 RGB -> JPEG with full color resolution, for thin colored lines."""
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, options)
    return data.tobytes()


def thumbnail(jpeg: bytes) -> bytes:
    """A JPEG that `encode` made, as another of a few tens of KB."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("these bytes are not a JPEG")
    ratio = min(1.0, STILL_WIDTH / image.shape[1])
    small = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, STILL_QUALITY])
    return data.tobytes()


def plain(text: str) -> str:
    """HTML as words in one line."""
    without_bold = re.sub(r"</?b>", "", text)
    without_tags = re.sub(r"<[^>]*>", " ", without_bold)
    return " ".join(unescape(without_tags).split())


def slider(name: str, value: float, low: float, high: float, step: float, tip: str) -> Any:
    """A labeled slider that tells every step; whole numbers when `step` is one."""
    import ipywidgets as widgets

    if isinstance(step, int):
        widget = widgets.IntSlider(value=value, min=low, max=high, step=step, description=name)
    else:
        widget = widgets.FloatSlider(value=value, min=low, max=high, step=step, description=name, readout_format=".2f")
    return labeled(widget, tip)


def chooser(name: str, options: Sequence[str], tip: str) -> Any:
    """A slider over names, giving the number of the chosen one."""
    import ipywidgets as widgets

    numbered = [(text, number) for number, text in enumerate(options)]
    return labeled(widgets.SelectionSlider(options=numbered, value=0, description=name), tip)


def toggle(name: str, value: bool, tip: str) -> Any:
    """A button that stays down while it is on."""
    import ipywidgets as widgets

    return labeled(widgets.ToggleButton(value=value, description=name, layout=widgets.Layout(width="auto")), tip)


def labeled(widget: Any, tip: str) -> Any:
    """Say what a control does, to the mouse and to screen readers."""
    if hasattr(widget.style, "description_width"):
        widget.style.description_width = "110px"
    enable(widget, tip)
    return widget


def enable(widget: Any, tip: str, obstacle: str = "") -> None:
    """Enable a control, or disable it while there is an obstacle; its tip says what it does, or what hinders it."""
    widget.disabled = bool(obstacle)
    trait = "tooltip" if widget.has_trait("tooltip") else "description_tooltip"  # the latter in ipywidgets 7
    setattr(widget, trait, obstacle or tip)
