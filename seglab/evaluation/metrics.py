"""The metrics of a validation run, under the names that users of YOLO tools expect."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seglab import tables
from seglab.evaluation.coco import (
    THRESHOLDS,
    ClassMatches,
    CocoAccumulator,
    CocoMetrics,
    coco_metrics,
    precision_recall,
)
from seglab.evaluation.confusion import ConfusionMatrix
from seglab.evaluation.curves import GRID, Curves, best_confidence, class_curves
from seglab.notebooks import BACKGROUND, Display, in_notebook, running_cell

KEYS = ("precision", "recall", "mAP50", "mAP50-95")
HEADS = ("P", "R", "mAP50", "mAP50-95")  # of tables
CURVES = ("Precision-Recall", "F1-Confidence", "Precision-Confidence", "Recall-Confidence")


@dataclass
class TaskMetrics:
    """Metrics of the boxes or of the masks. K: classes that have ground truth, in the order of `ap_class_index`.

    all_ap: (K, 10) AP at IoU .50, .55 ... .95; p_curve, r_curve, f1_curve: (K, 1000) by confidence `px` at IoU .5;
    prec_values: (K, 1000) precision by recall `px`; nc: classes of the dataset; coco: COCO's own metrics.
    p, r, f1: (K,) at `best_confidence`, where the mean F1 is highest.
    """

    ap_class_index: np.ndarray
    all_ap: np.ndarray
    p_curve: np.ndarray
    r_curve: np.ndarray
    f1_curve: np.ndarray
    prec_values: np.ndarray
    nc: int
    coco: CocoMetrics | None = None
    px: np.ndarray = field(default_factory=lambda: GRID, repr=False)

    def __post_init__(self) -> None:
        best = best_confidence(self.f1_curve) if len(self.f1_curve) else 0
        self.best_confidence = float(GRID[best])
        self.p: np.ndarray = self.p_curve[:, best]  # (K,)
        self.r: np.ndarray = self.r_curve[:, best]  # (K,)
        self.f1: np.ndarray = self.f1_curve[:, best]  # (K,)

    @property
    def curves(self) -> list[tuple[np.ndarray, np.ndarray, str, str]]:
        """x (1000,), y (K, 1000), label of x, label of y: precision by recall; F1, precision, recall by confidence."""
        return [
            (self.px, self.prec_values, "Recall", "Precision"),
            (self.px, self.f1_curve, "Confidence", "F1"),
            (self.px, self.p_curve, "Confidence", "Precision"),
            (self.px, self.r_curve, "Confidence", "Recall"),
        ]

    curves_results = curves  # its older name

    @property
    def ap(self) -> np.ndarray:
        """(K,) AP averaged over IoU .50 to .95."""
        return self.all_ap.mean(axis=1)

    @property
    def ap50(self) -> np.ndarray:
        """(K,) AP at IoU .50."""
        return self.all_ap[:, 0]

    @property
    def map(self) -> float:
        """Mean AP over IoU .50 to .95 and classes."""
        return _mean(self.all_ap)

    @property
    def map50(self) -> float:
        """Mean AP at IoU .50."""
        return _mean(self.all_ap[:, 0])

    @property
    def map75(self) -> float:
        """Mean AP at IoU .75."""
        return _mean(self.all_ap[:, 5])

    @property
    def maps(self) -> np.ndarray:
        """(nc,) AP of every class of the dataset; classes without ground truth show the mean."""
        maps = np.full(self.nc, self.map)
        maps[self.ap_class_index] = self.ap
        return maps

    @property
    def mp(self) -> float:
        """Mean precision at the confidence where the mean F1 is best."""
        return _mean(self.p)

    @property
    def mr(self) -> float:
        """Mean recall at the confidence where the mean F1 is best."""
        return _mean(self.r)

    def mean_results(self) -> list[float]:
        """Mean precision, mean recall, mAP50, mAP50-95."""
        return [self.mp, self.mr, self.map50, self.map]

    def class_result(self, i: int) -> tuple[float, float, float, float]:
        """Precision, recall, AP50 and AP50-95 of the i-th class of `ap_class_index`."""
        return float(self.p[i]), float(self.r[i]), float(self.ap50[i]), float(self.ap[i])

    def fitness(self) -> float:
        """What the best epoch is chosen by: mAP50-95."""
        return self.map


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0


@dataclass(repr=False)
class Metrics:
    """What `val` returns. names: class id -> name; speed: ms per image by stage; images, instances: (nc,) counts.

    confusion_matrix: what was taken for what; save_dir: the folder that files were written into, if any were.
    """

    box: TaskMetrics
    seg: TaskMetrics
    names: dict[int, str]
    images: np.ndarray
    instances: np.ndarray
    image_count: int
    confusion_matrix: ConfusionMatrix | None = None
    speed: dict[str, float] = field(default_factory=dict)
    save_dir: Path | None = None
    _shown_in: int | None = field(default=None, init=False, compare=False)  # the notebook's cell that has shown them

    @property
    def task(self) -> str:
        """What the metrics are of."""
        return "segment"

    @property
    def keys(self) -> list[str]:
        """The names under which `mean_results` come, boxes (B) before masks (M)."""
        return [f"metrics/{key}({part})" for part in "BM" for key in KEYS]

    @property
    def fitness(self) -> float:
        """What the best epoch is chosen by: mAP50-95 of boxes and masks together."""
        return self.box.fitness() + self.seg.fitness()

    @property
    def results_dict(self) -> dict[str, float]:
        """The eight mean values by name, and the fitness."""
        return dict(zip([*self.keys, "fitness"], [*self.mean_results(), self.fitness]))

    @property
    def nt_per_class(self) -> np.ndarray:
        """(nc,) ground-truth instances of each class."""
        return self.instances

    @property
    def nt_per_image(self) -> np.ndarray:
        """(nc,) images that have each class."""
        return self.images

    @property
    def curves(self) -> list[str]:
        """The names of `curves_results`, boxes (B) before masks (M)."""
        return [f"{name}({part})" for part in "BM" for name in CURVES]

    @property
    def curves_results(self) -> list[tuple[np.ndarray, np.ndarray, str, str]]:
        """The eight curves by the names of `curves`: x (1000,), y (K, 1000), label of x, label of y."""
        return self.box.curves + self.seg.curves

    @property
    def ap_class_index(self) -> np.ndarray:
        """(K,) ids of the classes that have ground truth."""
        return self.box.ap_class_index

    @property
    def maps(self) -> np.ndarray:
        """(nc,) AP of boxes and masks together."""
        return self.box.maps + self.seg.maps

    def mean_results(self) -> list[float]:
        """Precision, recall, mAP50 and mAP50-95 of the boxes, then of the masks."""
        return self.box.mean_results() + self.seg.mean_results()

    def class_result(self, i: int) -> tuple[float, ...]:
        """The same eight values of the i-th class of `ap_class_index`."""
        return self.box.class_result(i) + self.seg.class_result(i)

    def summary(self, normalize: bool = True, decimals: int = 5) -> list[dict[str, Any]]:
        """One dict for each class that has ground truth, AP being that of the boxes; `class_result` has the masks'.

        decimals: digits to round to. normalize changes nothing: all values are fractions.
        """
        rows = []
        for i, c in enumerate(self.ap_class_index.tolist()):
            values = {
                "Box-P": self.box.p[i],
                "Box-R": self.box.r[i],
                "Box-F1": self.box.f1[i],
                "mAP50": self.box.ap50[i],
                "mAP75": self.box.all_ap[i, 5],
                "mAP50-95": self.box.ap[i],
                "Mask-P": self.seg.p[i],
                "Mask-R": self.seg.r[i],
                "Mask-F1": self.seg.f1[i],
            }
            about = {"Class": self.names[c], "Images": int(self.images[c]), "Instances": int(self.instances[c])}
            rows.append({**about, **{name: round(float(value), decimals) for name, value in values.items()}})
        return rows

    def to_df(self, normalize: bool = True, decimals: int = 5) -> Any:
        """`summary` as a data frame of pandas, or of polars where a script uses that (see seglab.tables.data_frame)."""
        return tables.data_frame(self.summary(normalize, decimals))

    def to_csv(self, normalize: bool = True, decimals: int = 5) -> str:
        """`summary` as CSV, "" where no class has ground truth."""
        rows = self.summary(normalize, decimals)
        return tables.csv_text(rows, list(rows[0])) if rows else ""

    def to_json(self, normalize: bool = True, decimals: int = 5) -> str:
        """`summary` as JSON."""
        return tables.json_text(self.summary(normalize, decimals))

    def __repr__(self) -> str:
        return self.table()

    def show(self) -> None:
        """Print the table; in a notebook, show it as `_repr_html_` gives it.

        Where the cell then ends with these metrics, they are not shown a second time.
        """
        if not in_notebook():
            print(self.table(), flush=True)
            return
        self._shown_in = running_cell()
        Display().show(self._repr_html_(), self.table())

    def _ipython_display_(self) -> None:
        """The last value of a cell, unless the cell has shown it already."""
        if self._shown_in is None or self._shown_in != running_cell():
            Display().show(self._repr_html_(), self.table())

    def _repr_html_(self) -> str:
        """What notebooks show: a table that scrolls, best classes first, colored by mask AP."""
        order = np.argsort(-self.seg.ap, kind="stable").tolist()
        heads = ["Class", "Images", "Instances", *(f"{part} {key}" for part in ("Box", "Mask") for key in HEADS)]
        lines = [_html_row("all", self.image_count, int(self.instances.sum()), self.mean_results())]
        for i in order:
            c = int(self.ap_class_index[i])
            values = list(self.class_result(i))
            lines.append(_html_row(self.names[c], int(self.images[c]), int(self.instances[c]), values))
        head = "".join(f'<th style="position: sticky; top: 0; background: {BACKGROUND}">{name}</th>' for name in heads)
        body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        return f'<div style="max-height: 400px; overflow: auto; width: fit-content">{body}</div>'

    def table(self) -> str:
        """One line per class under a line for all, as text."""
        width = max([len("Class"), *(len(self.names[c]) for c in self.ap_class_index)]) + 2
        heads = ["Box(P", "R", "mAP50", "mAP50-95)", "Mask(P", "R", "mAP50", "mAP50-95)"]
        lines = [f"{'Class':>{width}}{'Images':>9}{'Instances':>11}" + "".join(f"{head:>11}" for head in heads)]

        def add_line(name: str, images: int, instances: int, values: tuple[float, ...]) -> None:
            cells = "".join(f"{value:>11.3f}" for value in values)
            lines.append(f"{name:>{width}}{images:>9}{instances:>11}{cells}")

        add_line("all", self.image_count, self.instances.sum(), tuple(self.mean_results()))
        for i, c in enumerate(self.ap_class_index.tolist()):
            add_line(self.names[c], self.images[c], self.instances[c], self.class_result(i))
        return "\n".join(lines)


def _html_row(name: str, images: int, instances: int, values: list[float]) -> str:
    """One line of `Metrics._repr_html_`; the last value, mask AP, is colored from red (0) over yellow to green (1)."""
    cells = [html.escape(name), str(images), str(instances), *(f"{value:.3f}" for value in values)]
    plain = "".join(f"<td>{cell}</td>" for cell in cells[:-1])
    return f'<tr>{plain}<td style="color: black; background: hsl({120 * values[-1]:.0f} 70% 80%)">{cells[-1]}</td></tr>'


def task_metrics(
    accumulator: CocoAccumulator, average_precision: Callable[[ClassMatches], np.ndarray] | None = None
) -> TaskMetrics:
    """Metrics of everything an accumulator holds; its classes must be 0 to nc - 1.

    average_precision: another rule than COCO's, matches of one class -> (10,) AP; without it, COCO's own metrics are
    kept too.
    """
    present: list[int] = []  # classes that have ground truth
    ap: list[np.ndarray] = []  # (10,) of each of them
    curves: list[Curves] = []  # of each of them
    coco = []  # of every class
    for class_id, matches in zip(accumulator.classes, accumulator.matches()):
        if average_precision is None:
            coco.append(precision_recall(matches))
        positives = matches.positives[0]
        if not positives:
            continue
        present.append(class_id)
        ap.append(average_precision(matches) if average_precision else coco[-1].precision[:, :, 0].mean(axis=1))
        counted = ~matches.ignored[:, 0, 0]  # at IoU .5, over all areas
        curves.append(class_curves(matches.scores[counted], matches.true[counted, 0, 0], positives))
    return TaskMetrics(
        ap_class_index=np.array(present, dtype=int),
        all_ap=np.array(ap).reshape(-1, len(THRESHOLDS)),
        p_curve=_rows([each.precision for each in curves]),
        r_curve=_rows([each.recall for each in curves]),
        f1_curve=_rows([each.f1 for each in curves]),
        prec_values=_rows([each.envelope for each in curves]),
        nc=len(accumulator.classes),
        coco=coco_metrics(coco) if coco else None,
    )


def _rows(curves: list[np.ndarray]) -> np.ndarray:
    """K curves (1000,) -> (K, 1000)."""
    return np.array(curves).reshape(-1, len(GRID))
