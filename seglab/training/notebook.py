"""A training in a notebook: a bar within the epoch, curves that grow, and a table of the epochs so far, which stays."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized

from seglab.notebooks import ACCENT, BACKGROUND, Display
from seglab.training.loss import TERMS
from seglab.training.rows import MAP, Row, fitness

SECONDS_BETWEEN = 0.25  # changes of the bar: more would keep the browser busy
WIDTH, HEIGHT = 360, 90  # of the curves, in pixels
MARGIN = 4  # around them
BLOCKS = 10  # of the bar in plain text


class NotebookLogger:
    """Two outputs for the whole run, which change as it goes on: the bar with every few batches, the rest by epoch.

    epochs: of the run; done: those that a resumed run has already had.
    """

    def __init__(self, epochs: int, done: int = 0):
        self.epochs = epochs
        self.done = done
        self.bar = Display()
        self.table = Display()

    def log(self, history: list[Row]) -> None:
        self.done = int(history[-1]["epoch"])
        self._show_run()
        self.table.show(f"<div>{curves_html(history)}{table_html(history)}</div>", plain_table(history))

    def close(self, history: list[Row]) -> None:
        self._show_run()

    def batches(self, batches: Iterable[dict], text: str) -> Iterator[dict]:
        """The batches of an epoch, with a bar while they last. text: which epoch it is."""
        count = len(batches) if isinstance(batches, Sized) else 0
        began = shown = time.monotonic()
        self._show_bar(bar_html(text, 0, count, 0.0))
        for number, batch in enumerate(batches, start=1):
            yield batch
            now = time.monotonic()
            if now - shown >= SECONDS_BETWEEN:
                shown = now
                self._show_bar(bar_html(text, number, count, now - began))

    def _show_run(self) -> None:
        self._show_bar(bar_html("training, epochs", self.done, self.epochs, 0.0))

    def _show_bar(self, html: str) -> None:
        self.bar.show(html, plain_bar(self.done, self.epochs))


def plain_bar(done: int, epochs: int) -> str:
    """The whole run as a line of text."""
    filled = BLOCKS * done // max(epochs, 1)
    return f"training: {done}/{epochs} epochs |{'█' * filled}{' ' * (BLOCKS - filled)}|"


def plain_table(history: list[Row]) -> str:
    """The epochs as lines of text: what results.csv says of mAP."""
    lines = []
    for row in history:
        values = [f"{title} {row[name]:.3f}" for title, name in MAP.items() if name in row]
        lines.append("  ".join([f"epoch {int(row['epoch'])}", *values]))
    return "\n".join(lines)


def bar_html(text: str, done: int, count: int, seconds: float) -> str:
    """A bar of `done` out of `count`, and about how long the rest takes."""
    left = f", {seconds / done * (count - done):.0f} s left" if done and seconds and count else ""
    amount = f'value="{done}" max="{max(count, 1)}"' if count else ""
    style = f"width: 200px; accent-color: {ACCENT}; vertical-align: middle"
    return f'<div>{text} <progress {amount} style="{style}"></progress> {done}/{count or "?"}{left}</div>'


def curves_html(history: list[Row]) -> str:
    """mAP over the epochs as lines; empty before there are two points."""
    lines = []
    highest = max((row[name] for row in history for name in MAP.values() if name in row), default=0) or 1
    last = max((row["epoch"] for row in history), default=0)
    for number, (title, name) in enumerate(MAP.items()):
        points = [(row["epoch"], row[name]) for row in history if name in row]
        if len(points) < 2:
            continue
        first = points[0][0]
        places = []
        for epoch, value in points:
            x = MARGIN + (WIDTH - 2 * MARGIN) * (epoch - first) / max(last - first, 1)
            y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / highest
            places.append(f"{x:.1f},{y:.1f}")
        color = (ACCENT, "currentColor")[number]
        lines.append(
            f'<polyline points="{" ".join(places)}" style="fill: none; stroke: {color}; stroke-width: 2">'
            f"<title>{title}</title></polyline>"
        )
    if not lines:
        return ""
    frame = f'<rect width="{WIDTH}" height="{HEIGHT}" style="fill: none; stroke: currentColor; opacity: 0.3"/>'
    legend = f'<span style="color: {ACCENT}">box mAP</span>, mask mAP: up to {highest:.3f}'
    svg = f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">{frame}{"".join(lines)}</svg>'
    return f'<div style="margin: 4px 0">{svg}<br><small>{legend}</small></div>'


def table_html(history: list[Row]) -> str:
    """A line an epoch, the newest on top, the best in bold; it scrolls."""
    if not history:
        return ""
    columns = {name: f"train/{name}_loss" for name in TERMS if any(f"train/{name}_loss" in row for row in history)}
    columns |= {title: name for title, name in MAP.items() if any(name in row for row in history)}
    best = max(history, key=fitness)
    sticky = f"position: sticky; top: 0; background: {BACKGROUND}"
    head = "".join(f'<th style="{sticky}">{title}</th>' for title in ("epoch", *columns, "s"))
    body = []
    for row in reversed(history):
        values = [f"{row[name]:.3f}" if name in row else "" for name in columns.values()]
        first = str(int(row["epoch"])) if row["epoch"] else "start"
        cells = "".join(f"<td>{value}</td>" for value in (first, *values, f"{row['time']:.0f}"))
        weight = "bold" if row is best else "normal"
        body.append(f'<tr style="font-weight: {weight}">{cells}</tr>')
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return f'<div style="max-height: 260px; overflow: auto; width: fit-content">{table}</div>'
