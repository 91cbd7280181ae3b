"""Arguments of `predict`."""

# ruff: noqa: RUF009 - the defaults are made by calls, as those of dataclasses.field are

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seglab.config.argument import DETECTION, MACHINE, OUTPUT, Arguments, argument
from seglab.config.shared import (
    CONF,
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
    TRUST,
)
from seglab.errors import SeglabError
from seglab.sizes import as_size, round_up


@dataclass(frozen=True)
class PredictInput(Arguments):
    """What finds instances on what, and how it runs."""

    model: str = MODEL("yolo11n-seg.pt")
    source: str | list | tuple | None = argument(
        None, "image, folder, glob, video, camera number, URL or dataset name; None: the images of toybox8-seg"
    )
    stream: bool = argument(
        False, "in Python: return an iterator over results instead of a list; the command line always streams"
    )
    device: str | int | None = DEVICE(None)
    trust: bool = TRUST(False)
    engine: str | None = argument(
        None,
        "auto: run on CPUs through onnxruntime or OpenVINO where they agree with the network",
        group=MACHINE,
        choices=("auto",),
    )


@dataclass(frozen=True)
class PredictConfig(Arguments):
    """How instances are found. imgsz is rounded up to what the network takes, classes become a list of ints."""

    conf: float = CONF(0.25)
    iou: float = IOU(0.7)
    imgsz: int | tuple[int, int] = LONG_SIDE(640)
    max_det: int = MAX_DET(300)
    classes: list[int] | int | None = argument(
        None, "only these class ids, e.g. 0 or [0, 2]; None: all", group=DETECTION
    )
    agnostic_nms: bool = argument(False, "NMS across classes: boxes of different classes too", group=DETECTION)
    batch: int = argument(1, "images per run of the network", min=1)
    rect: bool = RECT(True)
    half: bool = argument(False, "run the network in float16", group=MACHINE)
    vid_stride: int = argument(1, "read every n-th frame of a video", min=1)
    mask_targets: str = MASK_TARGETS("soft")

    def __post_init__(self) -> None:
        if self.classes is not None:
            self._set("classes", _class_ids(self.classes))
        super().__post_init__()
        height, width = map(round_up, as_size(self.imgsz))
        is_one_side = isinstance(self.imgsz, int) or len(self.imgsz) == 1  # then images get the least padding
        self._set("imgsz", height if is_one_side else (height, width))


@dataclass(frozen=True)
class SaveConfig(Arguments):
    """What prediction prints and writes."""

    verbose: bool = argument(False, "print a line for every image", group=OUTPUT)
    save: bool = argument(False, "write annotated images as NAME.jpg, and annotated videos as NAME.mp4", group=OUTPUT)
    show_labels: bool = argument(True, "draw class names", group=OUTPUT)
    show_conf: bool = argument(True, "draw confidence scores", group=OUTPUT)
    show_boxes: bool = argument(True, "draw boxes", group=OUTPUT)
    line_width: float | None = argument(
        None, "width of boxes and outlines in pixels; None: chosen from the image size", group=OUTPUT
    )
    save_txt: bool = argument(False, "write labels/NAME.txt in the YOLO format", group=OUTPUT)
    save_conf: bool = argument(False, "with save_txt: append the confidence score to every row", group=OUTPUT)
    save_crop: bool = argument(False, "write the cut-out instances as crops/CLASS/NAME.jpg", group=OUTPUT)
    project: str | None = PROJECT(None)
    name: str | None = NAME(None)
    exist_ok: bool = EXIST_OK(False)


def _class_ids(classes: Any) -> list[int]:
    """Class ids as an int or any sequence of numbers -> a list of ints. Errors: SeglabError for anything else."""
    try:
        several = list(classes)
    except TypeError:  # one number
        several = [classes]
    try:
        return [int(class_id) for class_id in several]
    except (TypeError, ValueError):
        raise SeglabError(f"classes={classes!r} must be class ids, e.g. classes=[0, 2]") from None
