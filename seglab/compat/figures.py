"""Figures that scripts draw by a function of their own: the curves of a training, and the labels of an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seglab.data.image import write_image
from seglab.drawing.overlays import draw_instances
from seglab.drawing.plots import training_curves
from seglab.errors import SeglabError
from seglab.formats.yolo import read_labels
from seglab.geometry.polygons import bounding_box
from seglab.inference.results_io import show_image


def plot_results(file: str | Path = "path/to/results.csv", dir: str | Path = "", *_: Any, **__: Any) -> None:
    """Draw every column of results.csv into results.png beside it.

    file: the CSV; or dir: the folder of a run. Errors: SeglabError where there is no results.csv.
    """
    csv = Path(dir) / "results.csv" if dir else Path(file)
    if not csv.is_file():
        raise SeglabError(f"there is no {csv}: give the results.csv of a training, or dir=, the folder of its run")
    write_image(csv.with_name("results.png"), training_curves(csv))


def visualize_image_annotations(image_path: str | Path, txt_path: str | Path, label_map: Mapping[int, str]) -> None:
    """Show an image with the outlines, boxes and class names of its label file.

    Issues of the labels are printed. Errors: SeglabError where the image cannot be read.
    """
    image = cv2.imread(str(image_path))
    if image is None:
        raise SeglabError(f"{image_path} is not an image that can be read: check the path")
    height, width = image.shape[:2]
    instances, issues = read_labels(Path(txt_path), width, height, label_map)
    for issue in issues:
        print(f"{txt_path}: {issue.message}, {issue.action}")
    drawn = draw_instances(
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
        [found.class_id for found in instances],
        boxes=np.array([bounding_box(found.rings) for found in instances]).reshape(-1, 4),
        rings=[found.rings for found in instances],
        labels=[label_map[found.class_id] for found in instances],
    )
    show_image(drawn)
