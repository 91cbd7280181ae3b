"""Curves, the confusion matrix and sheets of images, each returned as one (H, W, 3) uint8 RGB image.

They are drawn by matplotlib's Agg canvas directly: no global state, no window, the same image everywhere.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from seglab.drawing.overlays import class_color, draw_instances, glyphs, write
from seglab.geometry.contours import mask_to_rings

if TYPE_CHECKING:  # matplotlib is imported with the first plot: it takes a while
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
SHEET_GRAY = 250  # of the sheets that images lie on
MAX_BATCH_IMAGES = 16  # images of a batch that are drawn
MAX_NAMED_CURVES = 10  # lines that still get names of their own
MAX_NAMED_TRIALS = 30  # of a study, on the axis
MAX_OUTLINES = 1000  # boxes that are still told apart over one another
MAX_COUNTED_CLASSES = 30  # of a confusion matrix whose cells still have room for their counts


def training_curves(results: str | Path) -> np.ndarray:
    """Every column of a results.csv over its `epoch` column; train/x and val/x share a panel, as do all lr/x."""
    rows = _rows_of(Path(results))
    if not rows or "epoch" not in rows[0]:
        raise ValueError(f"{results} has no row with an epoch: train at least one epoch first")
    epochs = _numbers(rows, "epoch")

    # Which columns share a panel: title -> columns.
    panels: dict[str, list[str]] = {}
    for column in rows[0]:
        group, _, quantity = column.rpartition("/")
        title = group if group == "lr" else quantity
        if column not in ("epoch", "time"):
            panels.setdefault(title, []).append(column)

    # Up to four panels in a row.
    across = min(4, len(panels))
    down = -(-len(panels) // across)
    figure, axes = _figure(3.2 * across, 2.4 * down, down, across)
    marker = "o" if len(epochs) < 20 else None  # a single epoch is a point, which a line cannot show
    for axis, (title, series) in zip(axes, panels.items()):
        for index, column in enumerate(series):
            group, _, quantity = column.rpartition("/")
            axis.plot(
                epochs,
                _numbers(rows, column),
                color=_hex_color(index),
                label=quantity if title == "lr" else group,
                linewidth=1.6,
                marker=marker,
                markersize=3,
            )
        axis.set_title(title, fontsize=9)
        if len(series) > 1:
            axis.legend(fontsize=7, frameon=False)
    return _render(figure)


def curves(
    x: np.ndarray, y: np.ndarray, names: Sequence[str], title: str, x_label: str, y_label: str, mean_label: str = "mean"
) -> np.ndarray:
    """One line per class, y (C, n) over x (n,), both in 0..1, and their mean in black; F1 over confidence, say.

    More than MAX_NAMED_CURVES classes go unnamed.
    """
    figure, (axis,) = _figure(6.4, 4.4)
    named = len(names) <= MAX_NAMED_CURVES
    opacity = 0.9 if named else 0.4
    for index, (line, name) in enumerate(zip(y, names)):
        label = name if named else None
        axis.plot(x, line, color=_hex_color(index), linewidth=1.2, alpha=opacity, label=label)
    axis.plot(x, np.mean(y, axis=0), color="black", linewidth=2.2, label=mean_label)
    axis.set(title=title, xlabel=x_label, ylabel=y_label, xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return _render(figure)


def confusion(matrix: np.ndarray, names: Sequence[str], normalize: bool = False) -> np.ndarray:
    """Counts (C + 1, C + 1), predicted class down, true class across, the last of each being background.

    Color is the fraction of the true class; numbers are counts, or with `normalize` these fractions, left out where
    they would not be legible.
    """
    names = [*names, "background"]
    fraction = matrix / np.maximum(matrix.sum(axis=0, keepdims=True), 1)  # of the true class, column by column
    side = min(16.0, 3.5 + 0.3 * len(names))
    figure, (axis,) = _figure(side + 0.6, side)
    axis.grid(False)
    cells = axis.imshow(np.where(matrix > 0, fraction, np.nan), cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(cells, ax=axis, shrink=0.8, label="fraction of the true class")
    size = float(np.clip(160 / len(names), 3, 9))
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axis.set_yticks(range(len(names)), names, fontsize=size)
    axis.set(
        title="Confusion, as fractions of the true class" if normalize else "Confusion",
        xlabel="true",
        ylabel="predicted",
    )
    if len(names) <= MAX_COUNTED_CLASSES:
        for row, column in np.argwhere(matrix > 0).tolist():
            count = f"{fraction[row, column]:.2f}" if normalize else f"{matrix[row, column]:.0f}"
            text_color = "white" if fraction[row, column] > 0.5 else "black"
            axis.text(column, row, count, ha="center", va="center", fontsize=size, color=text_color)
    return _render(figure)


def label_statistics(classes: np.ndarray, boxes: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """What labels there are: instances of each class, outlines of boxes, where their centers lie, and their sizes.

    classes: (N,) ids; boxes: (N, 4) center x, center y, width, height as fractions of their images; names: by class.
    """
    figure, (counts, outlines, centers, sizes) = _figure(9.6, 7.2, 2, 2)
    numbers = np.bincount(classes, minlength=len(names))
    counts.bar(range(len(names)), numbers, color=[_hex_color(index) for index in range(len(names))])
    counts.set(title="instances of each class")
    if len(names) <= MAX_COUNTED_CLASSES:
        counts.set_xticks(range(len(names)), names, rotation=90, fontsize=8)

    # All boxes over one another, moved to one center.
    for class_id, (width, height) in list(zip(classes.tolist(), boxes[:, 2:].tolist()))[:MAX_OUTLINES]:
        corners_x = np.array([-1, 1, 1, -1, -1]) * width / 2
        corners_y = np.array([-1, -1, 1, 1, -1]) * height / 2
        outlines.plot(corners_x, corners_y, color=_hex_color(class_id), linewidth=0.6, alpha=0.5)
    outlines.set(title="boxes about their centers", xlim=(-0.5, 0.5), ylim=(0.5, -0.5), aspect="equal")

    centers.hist2d(boxes[:, 0], boxes[:, 1], bins=40, range=((0, 1), (0, 1)), cmap="Blues")
    centers.set(title="centers of boxes", xlabel="x", ylabel="y", ylim=(1, 0))
    sizes.hist2d(boxes[:, 2], boxes[:, 3], bins=40, range=((0, 1), (0, 1)), cmap="Blues")
    sizes.set(title="sizes of boxes", xlabel="width", ylabel="height")
    return _render(figure)


def contact_sheet(
    images: Sequence[np.ndarray], titles: Sequence[str] | None = None, columns: int | None = None, cell: int = 320
) -> np.ndarray:
    """Lay (H, W, 3) RGB images of any sizes out in rows, long sides `cell` pixels, titles underneath.

    columns: images per row, by default about as many as rows. Errors: ValueError without an image.
    """
    if not len(images):
        raise ValueError("a contact sheet needs at least one image")
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    gap = max(4, cell // 40)  # around every image
    caption = 0 if titles is None else max(18, cell // 12)  # height of the titles

    # Every row is as high as its highest image.
    resized = [_fit_into(image, cell) for image in images]
    rows = [resized[start : start + columns] for start in range(0, len(resized), columns)]
    row_heights = [max(image.shape[0] for image in row) for row in rows]
    sheet_height = sum(row_heights) + len(rows) * (caption + gap) + gap
    sheet_width = min(columns, len(resized)) * (cell + gap) + gap
    sheet = np.full((sheet_height, sheet_width, 3), SHEET_GRAY, dtype=np.uint8)

    top = gap  # of the row
    for number, (row, row_height) in enumerate(zip(rows, row_heights)):
        for column, image in enumerate(row):
            height, width = image.shape[:2]
            left = gap + column * (cell + gap)  # of the cell, in the middle of which the image lies
            x = left + (cell - width) // 2
            y = top + (row_height - height) // 2
            sheet[y : y + height, x : x + width] = image
            if titles is not None:
                title = titles[number * columns + column]
                _write_centered(sheet, title, left, top + row_height, cell, caption)
        top += row_height + caption + gap
    return sheet


def _fit_into(image: np.ndarray, longest: int) -> np.ndarray:
    """The image with a long side of `longest` pixels."""
    ratio = longest / max(image.shape[:2])
    height, width = (max(1, round(side * ratio)) for side in image.shape[:2])
    interpolation = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=interpolation)


def _write_centered(sheet: np.ndarray, title: str, left: int, top: int, width: int, height: int) -> None:
    """Write a title in the middle of a strip, smaller where it is long."""
    size = round(height * 0.6)
    size = max(6, min(size, int(size * width / glyphs(title, size).shape[1])))
    text_height, text_width = glyphs(title, size).shape
    x = left + max(0, width - text_width) // 2
    y = top + max(0, height - text_height) // 2
    write(sheet[:, : left + width], title, x, y, size, (40, 40, 40))


def batch_mosaic(batch: dict, names: dict[int, str] | Sequence[str]) -> np.ndarray:
    """The first MAX_BATCH_IMAGES images of a training batch with their targets drawn on, as the network sees them.

    batch: images (B, 3, H, W) uint8, classes (N,), boxes (N, 4) xyxy, image_index (N,), masks (N, h, w) in 0..1.
    """
    images = batch["images"][:MAX_BATCH_IMAGES].permute(0, 2, 3, 1).cpu().numpy()  # (B, H, W, 3)
    height, width = images.shape[1:3]
    drawn = []
    for index, image in enumerate(images):
        own = (batch["image_index"] == index).cpu()
        classes = batch["classes"][own].tolist()
        targets = batch["masks"][own].float().cpu().numpy()  # (N, h, w), coarser than the image
        masks = [cv2.resize(target, (width, height)) > 0.5 for target in targets]
        with_targets = draw_instances(
            image,
            classes,
            boxes=batch["boxes"][own].cpu().numpy(),
            crops=[(0, 0, mask) for mask in masks],
            rings=[mask_to_rings(mask) for mask in masks],
            labels=[names[class_id] for class_id in classes],
        )
        drawn.append(with_targets)
    return contact_sheet(drawn, cell=min(640, max(height, width)))


def study_curve(names: Sequence[str], fitness: Sequence[float | None]) -> np.ndarray:
    """The fitness of every trial of a study in the order in which they ended, and the best so far as a line.

    fitness: None for a trial that was not completed, which is a gap.
    """
    values = np.array(fitness, dtype=float)
    trials = np.arange(len(values))
    best = np.fmax.accumulate(values)
    figure, (axis,) = _figure(6.4, 3.6)
    axis.plot(trials, values, "o", color="tab:blue", markersize=5, label="trial")
    axis.step(trials, best, where="post", color="black", linewidth=1.6, label="best so far")
    shown = trials[:: -(-len(names) // MAX_NAMED_TRIALS)]
    axis.set_xticks(shown, [names[trial] for trial in shown], rotation=45, ha="right")
    axis.set(title="Fitness of the trials", ylabel="box mAP + mask mAP")
    axis.legend(fontsize=8, frameon=False)
    return _render(figure)


def study_scatter(
    tried: dict[str, list[float | None]], fitness: Sequence[float], logarithmic: Sequence[str]
) -> np.ndarray:
    """A panel for every argument: its value in each trial against the fitness of that trial, the best one in red.

    tried: argument -> its values, None where it is not known; logarithmic: the arguments to draw on such an axis.
    """
    across = min(4, len(tried))
    down = -(-len(tried) // across)
    figure, axes = _figure(2.6 * across, 2.2 * down, down, across)
    best = int(np.argmax(fitness))
    for axis, (name, values) in zip(axes, tried.items()):
        x = np.array(values, dtype=float)
        axis.scatter(x, fitness, s=16, color="tab:blue", alpha=0.7, linewidths=0)
        axis.scatter(x[best], fitness[best], s=40, color="tab:red", marker="x")
        axis.set_title(name, fontsize=9)
        if name in logarithmic and (x > 0).any():
            axis.set_xscale("log")
    for axis in axes[::across]:
        axis.set_ylabel("fitness", fontsize=9)
    return _render(figure)


def _rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, its column names without the spaces that some tools pad them with."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(file)]


def _numbers(rows: list[dict], column: str) -> np.ndarray:
    """A column as floats; cells that are empty or not a number become gaps."""
    return np.array([_number(row[column]) for row in rows])


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _hex_color(index: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*class_color(index))


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of `width` x `height` inches with rows x columns plain axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.grid(color="0.9", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8, length=0)
    return figure, axes


def _render(figure: Figure) -> np.ndarray:
    """Draw it -> (H, W, 3) uint8 RGB."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    for axis in figure.axes:
        axis.set_visible(axis.has_data())  # the empty places of a grid
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # names of classes are words: a dollar sign would begin a formula
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
