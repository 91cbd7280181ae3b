"""Curves, tables and sheets of images, each returned as one (H, W, 3) uint8 RGB image.

Figures are drawn by matplotlib's Agg canvas directly: no global state, no window, the same image everywhere.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from seglab.drawing.overlays import class_color, draw_instances, glyphs, write
from seglab.geometry.contours import mask_to_rings

DPI = 150
PAPER = 250  # grey of the sheets images lie on
MOST = 16  # images of a batch that are drawn


def training_curves(results: str | Path) -> np.ndarray:
    """Every column of a results.csv over its `epoch` column; train/x and val/x share a panel, as do all lr/x."""
    with open(results, newline="", encoding="utf-8") as file:
        rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
    if not rows or "epoch" not in rows[0]:
        raise ValueError(f"{results} has no row with an epoch: train at least one epoch first")
    epochs = _numbers(rows, "epoch")
    panels: dict[str, list[tuple[str, np.ndarray]]] = {}
    for column in rows[0]:
        group, _, quantity = column.rpartition("/")
        if column not in ("epoch", "time"):
            panels.setdefault(group if group == "lr" else quantity, []).append((column, _numbers(rows, column)))

    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    figure, axes = _figure(3.2 * columns, 2.4 * lines, lines, columns)
    for axis, (title, series) in zip(axes, panels.items()):
        for index, (name, values) in enumerate(series):
            marker = "o" if len(epochs) < 20 else None
            axis.plot(epochs, values, color=_hex_color(index), label=name.split("/")[0 if title != "lr" else -1],
                      linewidth=1.6, marker=marker, markersize=3)  # fmt: skip
        axis.set_title(title, fontsize=9)
        if len(series) > 1:
            axis.legend(fontsize=7, frameon=False)
    return _render(figure)


def curves(
    x: np.ndarray, y: np.ndarray, names: Sequence[str], title: str, x_label: str, y_label: str, mean_label: str = "mean"
) -> np.ndarray:
    """One line a class, y (C, n) over x (n,), both in 0..1, and their mean in black; F1 over confidence, say.

    More than ten classes go unnamed.
    """
    figure, (axis,) = _figure(6.4, 4.4)
    named = len(names) <= 10
    for index, (line, name) in enumerate(zip(y, names)):
        axis.plot(
            x, line, color=_hex_color(index), linewidth=1.2, alpha=0.9 if named else 0.4, label=name if named else None
        )
    axis.plot(x, np.mean(y, axis=0), color="black", linewidth=2.2, label=mean_label)
    axis.set(title=title, xlabel=x_label, ylabel=y_label, xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return _render(figure)


def confusion(matrix: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Counts (C + 1, C + 1), predicted class down, true class across, the last of each being background.

    Color is the share of the true class; numbers are counts, left out where they would not be legible.
    """
    names = [*names, "background"]
    share = matrix / np.maximum(matrix.sum(axis=0, keepdims=True), 1)
    side = min(16.0, 3.5 + 0.3 * len(names))
    figure, (axis,) = _figure(side + 0.6, side)
    axis.grid(False)
    shown = axis.imshow(np.where(matrix > 0, share, np.nan), cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axis, shrink=0.8, label="share of the true class")
    size = float(np.clip(160 / len(names), 3, 9))
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axis.set_yticks(range(len(names)), names, fontsize=size)
    axis.set(title="Confusion", xlabel="true", ylabel="predicted")
    if len(names) <= 30:
        for row, column in np.argwhere(matrix > 0):
            text_color = "white" if share[row, column] > 0.5 else "black"
            axis.text(
                column, row, f"{matrix[row, column]:.0f}", ha="center", va="center", fontsize=size, color=text_color
            )
    return _render(figure)


def contact_sheet(
    images: Sequence[np.ndarray], titles: Sequence[str] | None = None, columns: int | None = None, cell: int = 320
) -> np.ndarray:
    """Lay (H, W, 3) RGB images of any sizes out in rows, long sides `cell` pixels, titles underneath."""
    if not len(images):
        raise ValueError("a contact sheet needs at least one image")
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    gap, caption = max(4, cell // 40), 0 if titles is None else max(18, cell // 12)
    small = [_shrink(image, cell) for image in images]
    rows = [small[start : start + columns] for start in range(0, len(small), columns)]
    heights = [max(image.shape[0] for image in row) for row in rows]
    size = sum(heights) + len(rows) * (caption + gap) + gap, min(columns, len(small)) * (cell + gap) + gap
    sheet = np.full((*size, 3), PAPER, dtype=np.uint8)
    bottom = 0
    for number, (row, height) in enumerate(zip(rows, heights)):
        bottom += gap + height
        for column, image in enumerate(row):
            left = gap + column * (cell + gap)
            x, y = left + (cell - image.shape[1]) // 2, bottom - height + (height - image.shape[0]) // 2
            sheet[y : y + image.shape[0], x : x + image.shape[1]] = image
            if titles is not None:
                _write_centred(sheet, titles[number * columns + column], left, bottom, cell, caption)
        bottom += caption
    return sheet


def _shrink(image: np.ndarray, longest: int) -> np.ndarray:
    ratio = longest / max(image.shape[:2])
    size = tuple(max(1, round(side * ratio)) for side in image.shape[1::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC)


def _write_centred(sheet: np.ndarray, title: str, left: int, top: int, width: int, height: int) -> None:
    """Write a title in the middle of a strip, smaller where it is long."""
    size = round(height * 0.6)
    size = max(6, min(size, int(size * width / glyphs(title, size).shape[1])))
    text_height, text_width = glyphs(title, size).shape
    x, y = left + max(0, width - text_width) // 2, top + max(0, height - text_height) // 2
    write(sheet[:, : left + width], title, x, y, size, (40, 40, 40))


def batch_mosaic(batch: dict, names: dict[int, str] | Sequence[str]) -> np.ndarray:
    """The first MOST images of a training batch with its targets on them, as the network sees them.

    batch: images (B, 3, H, W) uint8, classes (N,), boxes (N, 4) xyxy, image_index (N,), masks (N, h, w) in 0..1.
    """
    images = batch["images"].permute(0, 2, 3, 1).cpu().numpy()[:MOST]
    drawn = []
    for index, image in enumerate(images):
        own = (batch["image_index"] == index).cpu()
        kinds = batch["classes"][own].tolist()
        size = image.shape[1::-1]
        soft = [cv2.resize(mask, size) for mask in batch["masks"][own].float().cpu().numpy()]
        crops = [(0, 0, mask > 0.5) for mask in soft]
        drawn.append(
            draw_instances(
                image,
                kinds,
                boxes=batch["boxes"][own].cpu().numpy(),
                crops=crops,
                rings=[mask_to_rings(mask) for _, _, mask in crops],
                labels=[names[kind] for kind in kinds],
            )
        )
    return contact_sheet(drawn, cell=min(640, max(images.shape[1:3])))


def _numbers(rows: list[dict], column: str) -> np.ndarray:
    """A column as floats; cells that are empty or no number become gaps."""

    def number(text: str | None) -> float:
        try:
            return float(text)
        except (TypeError, ValueError):
            return float("nan")

    return np.array([number(row[column]) for row in rows])


def _hex_color(index: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*class_color(index))


def _figure(width: float, height: float, lines: int = 1, columns: int = 1):
    """A figure of `width` x `height` inches with lines x columns plain axes -> (figure, list of axes)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis in axes:
        axis.grid(color="0.9", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8, length=0)
    return figure, axes


def _render(figure) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for axis in figure.axes:
        axis.set_visible(axis.has_data())  # the empty places of a grid
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
