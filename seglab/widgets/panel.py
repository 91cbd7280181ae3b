"""What all the tools have in common: named controls above a picture that is drawn anew when one of them changes.

A tool is a pure function from the controls' values to a `Drawn`; everything that knows of widgets is here. Only core
ipywidgets are used (7.7 and 8). Sliders and buttons keep their keys in JupyterLab, a Dropdown does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

PAUSE = 0.4  # seconds without a redraw after which hover regions follow: a key held down waits for no hundreds of them
QUALITY = 85  # of the JPEG that is sent to the browser
STYLE = """<style>
.seglab-regions{display:block;width:100%;height:auto}
.seglab-regions path{fill:transparent;stroke:none;cursor:pointer;outline:none}
.seglab-regions g:hover path,.seglab-regions g:focus path{stroke:#fff;stroke-width:3;fill:rgba(255,255,255,.18)}
.seglab-regions g{outline:none}
.seglab-regions text,.seglab-regions rect{display:none;pointer-events:none}
.seglab-regions g:hover text,.seglab-regions g:hover rect{display:block}
.seglab-regions g:focus text,.seglab-regions g:focus rect{display:block}
.seglab-text{line-height:1.5} .seglab-text table{border-collapse:collapse;margin:4px 0}
.seglab-text td,.seglab-text th{padding:1px 14px 1px 0;text-align:left;font-variant-numeric:tabular-nums}
.seglab-text th{font-weight:600}
</style>"""
# ipywidgets leaves the part of a slider that has the keyboard without a name. An HTML widget runs no scripts, but it
# runs this when its picture fails: whichever slider gets the keyboard is then called by its label and its tip.
NAMES = """<img src="data:," alt="" onerror="document.addEventListener('focusin', event => {
    const part = event.target, label = part.closest('.widget-slider')?.querySelector('.widget-label');
    if (label && part.getAttribute('role') === 'slider')
        part.setAttribute('aria-label', label.textContent + ': ' + label.title);
})">"""


def no_regions() -> str:
    return ""


class Drawn(NamedTuple):
    """What a tool shows: a picture (H, W, 3) uint8 RGB, a text in HTML, and what makes hover regions over the picture
    as SVG, which is called after the picture has gone out, in a pause."""

    picture: np.ndarray
    text: str
    regions: Callable[[], str] = no_regions


class Panel:
    """Controls by name (`panel["confidence"].value = 0.5`), `picture` (an Image whose `value` is a JPEG), `text`.

    Shown by writing it as the last line of a cell, like any widget.
    """

    def __init__(
        self, what: str, controls: Mapping[str, Any], draw: Callable[..., Drawn], rows: Sequence[Sequence[Any]] = ()
    ) -> None:
        """controls: name -> widget, whose values are what `draw` takes by name; rows: how controls and other widgets
        stand above the picture, all controls in one row unless said otherwise."""
        import ipywidgets as widgets

        self.what, self.controls, self._draw = what, dict(controls), draw
        self.picture = widgets.Image(format="jpeg", layout=_cell(widgets))
        self.regions = widgets.HTML(layout=_cell(widgets))
        self.text = widgets.HTML()
        stack = widgets.GridBox([self.picture, self.regions], layout=widgets.Layout(max_width="100%"))
        wrap = {"flex_flow": "row wrap", "align_items": "center"}
        above = [widgets.Box(list(row), layout=widgets.Layout(**wrap)) for row in rows or [self.controls.values()]]
        # Apart, so that no redraw makes the browser look at all its styles again.
        style = widgets.HTML(STYLE + NAMES, layout=widgets.Layout(display="none"))
        self.view = widgets.VBox([*above, self.text, stack, style])
        self._quiet, self._waiting = False, None
        for control in self.controls.values():
            control.observe(lambda _: self.redraw(), names="value")
        self.redraw()

    def __getitem__(self, name: str) -> Any:
        return self.controls[name]

    def redraw(self) -> None:
        """Draw for the controls' present values."""
        if self._quiet:
            return
        self._quiet = True  # controls that drawing itself corrects do not draw again
        try:
            drawn = self._draw(**{name: control.value for name, control in self.controls.items()})
        finally:
            self._quiet = False
        self.picture.value = encode(drawn.picture)
        self.picture.layout.max_width = self.regions.layout.max_width = f"{drawn.picture.shape[1]}px"
        self.text.value = f'<div class="seglab-text" role="status" aria-live="polite">{drawn.text}</div>'
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # outside a kernel
            return self._show_regions(drawn)
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = loop.call_later(PAUSE, self._show_regions, drawn)

    def _show_regions(self, drawn: Drawn) -> None:
        height, width = drawn.picture.shape[:2]
        self.regions.value = (
            f'<svg class="seglab-regions" viewBox="0 0 {width} {height}" role="img" aria-label="{self.what}">'
            f"{drawn.regions()}</svg>"
        )

    def __repr__(self) -> str:
        return f"<{self.what}: {', '.join(self.controls)}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The view as notebooks show it, with a text beside it that is the same everywhere."""
        reference = {"version_major": 2, "version_minor": 0, "model_id": self.view.model_id}
        return {"text/plain": repr(self), "application/vnd.jupyter.widget-view+json": reference}


def _cell(widgets: Any) -> Any:
    """The one cell of the grid, where picture and regions lie over each other."""
    return widgets.Layout(grid_area="1 / 1", width="100%", height="auto", margin="0")


def encode(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 RGB -> JPEG with full colour resolution, for thin coloured lines."""
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def slider(name: str, value: float, low: float, high: float, step: float, tip: str) -> Any:
    """A labelled slider that tells every step; whole numbers when `step` is one."""
    import ipywidgets as widgets

    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    form = {} if isinstance(step, int) else {"readout_format": ".2f"}
    return labelled(kind(value=value, min=low, max=high, step=step, description=name, **form), tip)


def chooser(name: str, options: Sequence[str], tip: str) -> Any:
    """A slider over names, giving the number of the chosen one."""
    import ipywidgets as widgets

    numbered = [(text, number) for number, text in enumerate(options)]
    return labelled(widgets.SelectionSlider(options=numbered, value=0, description=name), tip)


def toggle(name: str, value: bool, tip: str) -> Any:
    """A button that stays down while it is on."""
    import ipywidgets as widgets

    return labelled(widgets.ToggleButton(value=value, description=name, layout=widgets.Layout(width="auto")), tip)


def labelled(widget: Any, tip: str) -> Any:
    """Say what a control does, to the mouse and to screen readers. ipywidgets 7 calls it otherwise on some controls."""
    setattr(widget, "tooltip" if widget.has_trait("tooltip") else "description_tooltip", tip)
    if hasattr(widget.style, "description_width"):
        widget.style.description_width = "110px"
    return widget
