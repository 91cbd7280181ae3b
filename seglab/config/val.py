"""Arguments of `val` and `doctor`."""

# ruff: noqa: RUF009 - the defaults are made by calls, as those of dataclasses.field are

from __future__ import annotations

from dataclasses import dataclass

from seglab.config.argument import DETECTION, OUTPUT, Arguments, argument
from seglab.config.shared import (
    CONF,
    DATASET,
    DEVICE,
    EXIST_OK,
    IOU,
    LONG_SIDE,
    MASK_TARGETS,
    MAX_DET,
    MODEL,
    NAME,
    PROJECT,
    RECT,
    STRICT,
    TRUST,
    WORKERS,
)


@dataclass(frozen=True)
class ValInput(Arguments):
    """What is validated, on what and where."""

    model: str = MODEL("yolo11n-seg.pt")
    data: str | list | tuple | None = DATASET(None)
    device: str | int | None = DEVICE(None)
    trust: bool = TRUST(False)


@dataclass(frozen=True)
class ValidateConfig(Arguments):
    """Arguments of `val` and `doctor`."""

    imgsz: int | tuple[int, int] = LONG_SIDE(640)
    batch: int = argument(16, "images that are loaded together and padded to one shape", min=1)
    split: str = argument("val", "split of the dataset: train, val or test")
    strict: bool = STRICT(False)
    workers: int = WORKERS(8)
    conf: float = CONF(0.001)
    iou: float = IOU(0.7)
    max_det: int = MAX_DET(300)
    rect: bool = RECT(True)
    mask_targets: str = MASK_TARGETS("soft")
    protocol: str = argument(
        "coco",
        "coco: COCO's rules at the images' own resolution; yolo: the metrics YOLO tools print",
        group=DETECTION,
        choices=("coco", "yolo"),
    )
    explain: bool = argument(
        False, "also print why the two protocols differ, and what each type of error costs", group=OUTPUT
    )
    plots: bool = argument(False, "write curves and the confusion matrix", group=OUTPUT)
    save_json: bool = argument(False, "write predictions.json in COCO's results format", group=OUTPUT)
    verbose: bool = argument(True, "print the metrics and a progress bar", group=OUTPUT)
    project: str | None = PROJECT(None)
    name: str | None = NAME(None)
    exist_ok: bool = EXIST_OK(False)
