"""The confusion matrix as a table of buttons: press one, and see the objects that it counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from seglab.drawing.overlays import draw_box
from seglab.drawing.plots import contact_sheet
from seglab.errors import SeglabError
from seglab.evaluation.coco import Instances
from seglab.evaluation.confusion import pair_up
from seglab.widgets.closeup import closeup
from seglab.widgets.explored_image import ExploredImage, predict_candidates
from seglab.widgets.images import samples
from seglab.widgets.panel import Drawn, Panel, chooser
from seglab.wording import pluralize

BACKGROUND = -1  # in the place of a class: nothing was predicted, or nothing is labeled there
TRUE_COLOR = (0, 190, 140)
PREDICTED_COLOR = (240, 90, 20)
MAX_SHOWN = 12  # objects of a cell
MAX_CLASSES = 16  # of the table: those with most mistakes
COLUMNS = 4  # of objects
CELL = 200  # pixels of an object's image
BUTTON = 28  # pixels

Cell = tuple[int, int]  # predicted class, true class


class Case(NamedTuple):
    """One object of a cell: the image it is on, and the boxes (4,) xyxy that are there."""

    image: int
    predicted: np.ndarray | None
    true: np.ndarray | None
    score: float | None


def confusion_explorer(model: Any, images: Any = None, imgsz: int | None = None, split: str = "val") -> Panel:
    """What was taken for what, at the rules of `val`'s confusion matrix. Arguments as for `explore`.

    The network runs over all images before the panel appears. Each cell of the table that counts something is a button
    that shows the objects behind it; the slider goes through the same cells, mistakes first.
    Errors: SeglabError when no image has ground truth.
    """
    import ipywidgets as widgets

    # The network runs here, over every image, for no cell is known without it.
    found = samples("toybox8-seg" if images is None else images, split)
    image_names = [name for name, _ in found]
    explored = [predict_candidates(model, read(), imgsz) for _, read in found]
    if not any(image.ground_truth for image in explored):
        raise SeglabError("none of these images has ground truth to compare with: give a dataset, or labeled samples")

    # Mistakes first, the most frequent of them in front.
    cells = find_cases(explored)
    in_order = sorted(cells, key=lambda cell: (cell[0] == cell[1], -len(cells[cell]), cell))
    names = {**explored[0].names, BACKGROUND: "background"}
    titles = [f"{names[true]} as {names[predicted]}" for predicted, true in in_order]
    controls = {"cell": chooser("cell", titles, "What was taken for what, mistakes first")}

    def draw(cell: int) -> Drawn:
        predicted, true = in_order[cell]
        cases = cells[predicted, true]
        text = f"<b>labeled {escape(names[true])}, predicted {escape(names[predicted])}</b>: {len(cases)}"
        shown = cases[:MAX_SHOWN]
        if len(shown) < len(cases):
            text += f", of which the first {len(shown)} are shown"
        text += "<br>Green: the label's box. Orange: the predicted one."
        on = ", ".join(dict.fromkeys(escape(image_names[case.image]) for case in shown))
        sheet = contact_sheet(
            [draw_case(explored[case.image], case) for case in shown],
            [_title(case, image_names) for case in shown],
            COLUMNS,
            CELL,
        )
        return Drawn(sheet, f"{text}<br>On {on}.")

    def choose(button: Any) -> None:
        controls["cell"].value = button.cell

    def button(predicted: int, true: int) -> Any:
        count = len(cells.get((predicted, true), ()))
        layout = widgets.Layout(width=f"{BUTTON}px", height=f"{BUTTON - 2}px", margin="0", padding="0")
        if not count:
            return widgets.HTML("", layout=layout)
        made = widgets.Button(description=str(count), layout=layout)
        made.button_style = "success" if predicted == true else "warning"
        made.tooltip = f"labeled {names[true]}, predicted {names[predicted]}: {count}"
        made.cell = in_order.index((predicted, true))
        made.on_click(choose)
        return made

    # Predicted class down, true class across, as in `val`'s matrix.
    listed = listed_classes(cells)
    heads = [widgets.HTML(_head(names[true])) for true in listed]
    flat = widgets.Layout(height=f"{BUTTON - 2}px", margin="0")
    rows = [
        [widgets.HTML(escape(names[row]), layout=flat), *(button(row, column) for column in listed)] for row in listed
    ]
    columns = f"minmax(80px, auto) repeat({len(listed)}, {BUTTON}px)"
    layout = widgets.Layout(grid_template_columns=columns, grid_gap="2px", align_items="flex-end")
    below = [part for row in rows for part in row]
    table = widgets.GridBox([widgets.HTML("predicted"), *heads, *below], layout=layout)
    title = f"confusion explorer, {pluralize(len(found), 'image')}"
    panel = Panel(title, controls, draw, [[controls["cell"]], [table]])
    # The table needs more room than sliders do, and is useless in part.
    beside = panel.view.children[1]
    beside.layout.flex = "2 1 440px"
    beside.children[0].layout.max_height = None
    return panel


def find_cases(explored: Sequence[ExploredImage]) -> Mapping[Cell, list[Case]]:
    """The objects of all images by what they were predicted as and what they are."""
    cells = defaultdict(list)
    for number, image in enumerate(explored):
        kept = image.found()
        boxes = image.boxes[kept]
        true_boxes = np.array(
            [(x0, y0, x0 + mask.shape[1], y0 + mask.shape[0]) for x0, y0, mask in image.ground_truth_crops], dtype=float
        ).reshape(-1, 4)
        crowd = np.array([item.crowd for item in image.ground_truth], dtype=bool)
        true_classes = np.array([item.class_id for item in image.ground_truth], dtype=int)
        detections = _instances(image.classes[kept], boxes)._replace(scores=image.scores[kept])
        for one, other in pair_up(_instances(true_classes, true_boxes)._replace(crowd=crowd), detections).tolist():
            predicted = BACKGROUND if one < 0 else int(detections.classes[one])
            true = BACKGROUND if other < 0 else int(true_classes[other])
            case = Case(
                number,
                None if one < 0 else boxes[one],
                None if other < 0 else true_boxes[other],
                None if one < 0 else float(image.scores[kept[one]]),
            )
            cells[predicted, true].append(case)
    return cells


def _instances(classes: np.ndarray, boxes: np.ndarray) -> Instances:
    """boxes: (N, 4) xyxy."""
    size = boxes[:, 2:] - boxes[:, :2]
    return Instances(classes, size.prod(axis=1), np.hstack((boxes[:, :2], size)).astype(float))


def listed_classes(cells: Mapping[Cell, Sequence[Case]]) -> list[int]:
    """The classes of the table, by number, the background last: those with most mistakes where there are many."""
    mistakes: dict[int, int] = defaultdict(int)
    for (predicted, true), cases in cells.items():
        for class_id in (predicted, true):
            mistakes[class_id] += len(cases) if predicted != true else 0
    mistakes.pop(BACKGROUND, None)
    most = sorted(mistakes, key=lambda class_id: -mistakes[class_id])[:MAX_CLASSES]
    return [*sorted(most), BACKGROUND]


def draw_case(explored: ExploredImage, case: Case) -> np.ndarray:
    """The surroundings of an object, enlarged, with the boxes that are there."""
    there = np.array([box for box in (case.predicted, case.true) if box is not None])  # (1 or 2, 4)
    around = np.concatenate((there[:, :2].min(axis=0), there[:, 2:].max(axis=0)))
    near = closeup(explored.image, around)
    for box, color in ((case.true, TRUE_COLOR), (case.predicted, PREDICTED_COLOR)):
        if box is not None:
            draw_box(near.image, near.to_closeup(box), color, 4)
    return near.image


def _title(case: Case, image_names: Sequence[str]) -> str:
    score = "missed" if case.score is None else f"score {case.score:.2f}"
    return f"{image_names[case.image]}, {score}"


def _head(name: str) -> str:
    """The head of a column, from bottom to top."""
    style = "writing-mode:vertical-rl;transform:rotate(180deg);max-height:90px;overflow:hidden;line-height:1.3"
    return f'<div style="{style}">{escape(name)}</div>'
