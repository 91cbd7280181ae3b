"""Which classes are confused: confident detections against ground truth of any class, by overlap of the boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from seglab import tables
from seglab.data.image import write_image
from seglab.drawing import plots
from seglab.evaluation.coco import Instances

MIN_SCORE = 0.25  # of detections that are counted
MIN_IOU = 0.45  # of a detection and the ground truth that it is taken for
MIN_CROWD_OVERLAP = 0.5  # fraction of a detection on a crowd from which it is left out


def count_confusions(matrix: np.ndarray, ground_truth: Instances, detections: Instances) -> None:
    """Add one image to the counts (C + 1, C + 1), predicted class down, true class across, the last is background.

    A detection without a partner (see `pair_up`) counts as background taken for an instance, ground truth without one
    as an instance taken for background.
    """
    background = len(matrix) - 1
    pairs = pair_up(ground_truth, detections)
    # Place -1, of what has no partner, is the background.
    predicted_classes = np.append(np.asarray(detections.classes, dtype=np.int64), background)[pairs[:, 0]]
    true_classes = np.append(np.asarray(ground_truth.classes, dtype=np.int64), background)[pairs[:, 1]]
    np.add.at(matrix, (predicted_classes, true_classes), 1)  # counts an index as often as it comes


def pair_up(ground_truth: Instances, detections: Instances) -> np.ndarray:
    """Which detection is taken for which ground truth in one image: their numbers (P, 2) int64, -1 for no partner.

    Detections above MIN_SCORE and ground truth pair up one to one, best overlap of boxes first, down to MIN_IOU,
    whatever their classes. Detections on crowds are left out, and so are crowds.
    """
    confident = np.flatnonzero(detections.all_scores > MIN_SCORE)
    crowd = ground_truth.crowds
    pairs = []

    paired = np.zeros(len(confident), bool)  # detections that are done with
    covered = crowd.copy()  # ground truth that is done with
    if len(confident) and len(crowd):
        overlap = coco_mask.iou(detections.all_boxes[confident], ground_truth.all_boxes, crowd.astype(np.uint8))
        paired |= (overlap[:, crowd] > MIN_CROWD_OVERLAP).any(axis=1)
        rows, columns = np.nonzero(overlap > MIN_IOU)
        for place in np.argsort(-overlap[rows, columns], kind="stable"):
            detection, truth = rows[place], columns[place]
            if not paired[detection] and not covered[truth]:
                paired[detection] = covered[truth] = True
                pairs.append((confident[detection], truth))

    pairs += [(number, -1) for number in confident[~paired]]
    pairs += [(-1, number) for number in np.flatnonzero(~covered)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@dataclass
class ConfusionMatrix:
    """What was taken for what. matrix: (nc + 1, nc + 1) counts, predicted class down, true class across, the last of
    each being background; names: class id -> name.
    """

    matrix: np.ndarray
    names: dict[int, str]
    task = "segment"

    @property
    def nc(self) -> int:
        """Number of classes."""
        return len(self.names)

    def tp_fp(self) -> tuple[np.ndarray, np.ndarray]:
        """(nc,) detections of each class that are right, and (nc,) that are not."""
        right = self.matrix.diagonal()[: self.nc]
        return right, self.matrix.sum(axis=1)[: self.nc] - right

    def values(self, normalize: bool = False) -> np.ndarray:
        """The counts, or with normalize=True the fractions of every true class."""
        return self.matrix / self.matrix.sum(axis=0, keepdims=True).clip(1) if normalize else self.matrix

    def plot(
        self,
        normalize: bool = True,
        save_dir: str | Path = "",
        names: Sequence[str] = (),
        on_plot: Callable[[Path], Any] | None = None,
    ) -> None:
        """Write confusion_matrix_normalized.png, with fractions, or with normalize=False confusion_matrix.png, with
        counts. names: other names of the classes; on_plot: called with the file's path.
        """
        image = plots.confusion(self.matrix, list(names) or list(self.names.values()), normalize)
        path = Path(save_dir) / ("confusion_matrix_normalized.png" if normalize else "confusion_matrix.png")
        write_image(path, image)
        if on_plot is not None:
            on_plot(path)

    def print(self) -> None:
        """Print one line of counts for every predicted class."""
        for row in self.matrix.tolist():
            print(" ".join(map(str, row)))

    def summary(self, normalize: bool = False, decimals: int = 5) -> list[dict[str, Any]]:
        """One dict for every predicted class: "Predicted" is its name, the other keys are those of true classes."""
        labels = [*self.names.values(), "background"]
        table = self.values(normalize).astype(float).round(decimals).tolist()
        return [{"Predicted": label, **dict(zip(labels, row))} for label, row in zip(labels, table)]

    def to_df(self, normalize: bool = False, decimals: int = 5) -> Any:
        """`summary` as a data frame of pandas, or of polars where a script uses that (see seglab.tables.data_frame)."""
        return tables.data_frame(self.summary(normalize, decimals))

    def to_csv(self, normalize: bool = False, decimals: int = 5) -> str:
        """`summary` as CSV."""
        rows = self.summary(normalize, decimals)
        return tables.csv_text(rows, list(rows[0]))

    def to_json(self, normalize: bool = False, decimals: int = 5) -> str:
        """`summary` as JSON."""
        return tables.json_text(self.summary(normalize, decimals))

    def __repr__(self) -> str:
        right = int(self.matrix.trace())
        return f"ConfusionMatrix({self.nc} classes; {right} of {int(self.matrix.sum())} on the diagonal)"
