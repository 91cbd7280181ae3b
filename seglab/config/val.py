"""Arguments of `val` and `doctor`."""

# ruff: noqa: RUF009 - the defaults are made by calls, as those of dataclasses.field are

from __future__ import annotations

from dataclasses import dataclass

from seglab.config.argument import DETECTION, OUTPUT, Arguments, argument, class_ids
from seglab.config.reading import ReadConfig
from seglab.config.shared import (
    AGNOSTIC_NMS,
    ALLOW_EMPTY,
    AUGMENT,
    CLASSES,
    COMPILE,
    CONF,
    DATASET,
    DEVICE,
    EXIST_OK,
    FRACTION,
    HALF,
    INSTANCES,
    IOU,
    LABELS,
    LONG_SIDE,
    MASK_TARGETS,
    MAX_DET,
    MODEL,
    NAME,
    PROJECT,
    RECT,
    SAVE_CONF,
    SAVE_TXT,
    SINGLE_CLS,
    SPLIT,
    STRICT,
    TRUST,
    WORKERS,
)


@dataclass(frozen=True)
class ValInput(Arguments):
    """What is validated, on what and where."""

    model: str = MODEL("yolo11n-seg.pt")
    data: str | list | tuple | dict | None = DATASET(None)
    device: str | int | None = DEVICE(None)
    trust: bool = TRUST(False)


@dataclass(frozen=True)
class ExamineConfig(ReadConfig):
    """Arguments of `val` and `doctor`: which images a model sees, and how its outputs are decoded."""

    imgsz: int | tuple[int, int] = LONG_SIDE(640)
    split: str = SPLIT("val")
    classes: list[int] | int | None = CLASSES(None)
    single_cls: bool = SINGLE_CLS(False)
    fraction: float | int | list | tuple = FRACTION(1.0)
    half: bool = HALF(False)
    compile: bool | str = COMPILE(False)
    strict: bool = STRICT(False)
    labels: str | None = LABELS(None)
    instances: str | None = INSTANCES(None)
    conf: float = CONF(0.001)
    iou: float = IOU(0.7)
    max_det: int = MAX_DET(300)
    agnostic_nms: bool = AGNOSTIC_NMS(False)
    augment: bool = AUGMENT(False)
    rect: bool = RECT(True)
    mask_targets: str = MASK_TARGETS("soft")

    def __post_init__(self) -> None:
        if self.classes is not None:
            self._set("classes", class_ids(self.classes))
        super().__post_init__()


@dataclass(frozen=True)
class ValidateConfig(ExamineConfig):
    """Arguments of `val`."""

    batch: int = argument(16, "images that are loaded together and padded to one shape", min=1)
    allow_empty: bool = ALLOW_EMPTY(False)
    workers: int = WORKERS(8)
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
    save_txt: bool = SAVE_TXT(False)
    save_conf: bool = SAVE_CONF(False)
    visualize: bool = argument(
        False,
        "write every image with its correct, missed and wrong detections",
        group=OUTPUT,
    )
    show_labels: bool = argument(True, "draw class names", group=OUTPUT)
    show_conf: bool = argument(True, "draw confidence scores", group=OUTPUT)
    save_json: bool = argument(False, "write predictions.json in COCO's results format", group=OUTPUT)
    verbose: bool = argument(True, "print the metrics and a progress bar", group=OUTPUT)
    project: str | None = PROJECT(None)
    name: str | None = NAME(None)
    exist_ok: bool = EXIST_OK(False)
