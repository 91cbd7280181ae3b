"""Arguments of `predict`."""

# ruff: noqa: RUF009 - the defaults are made by calls, as those of dataclasses.field are

from __future__ import annotations

from dataclasses import dataclass

from seglab.config.argument import DETECTION, OUTPUT, Arguments, argument, class_ids
from seglab.config.reading import ReadConfig
from seglab.config.shared import (
    AGNOSTIC_NMS,
    AUGMENT,
    CLASSES,
    COMPILE,
    CONF,
    DEVICE,
    ENGINE,
    EXIST_OK,
    HALF,
    IOU,
    LONG_SIDE,
    MASK_TARGETS,
    MAX_DET,
    MODEL,
    NAME,
    PRECISION,
    PROJECT,
    RECT,
    SAVE_CONF,
    SAVE_TXT,
    TRUST,
)
from seglab.errors import SeglabError
from seglab.sizes import as_size, round_up


@dataclass(frozen=True)
class PredictInput(Arguments):
    """What finds instances on what, and how it runs."""

    model: str = MODEL("yolo11n-seg.pt")
    source: str | list | tuple = argument(
        "toybox8-seg", "image, folder, glob, video, camera number, URL, or a dataset, for its images"
    )
    stream: bool = argument(
        False, "in Python: return an iterator over results instead of a list; the command line always streams"
    )
    device: str | int | None = DEVICE(None)
    embed: list[int] | int | None = argument(
        None, "instead of results, return one feature vector per image from these layers, e.g. [22]", group=DETECTION
    )
    trust: bool = TRUST(False)
    engine: str = ENGINE("auto")


@dataclass(frozen=True)
class PredictConfig(ReadConfig):
    """How instances are found. imgsz is rounded up to what the network takes, classes become a list of ints."""

    conf: float = CONF(0.25)
    iou: float = IOU(0.7)
    imgsz: int | tuple[int, int] = LONG_SIDE(640)
    max_det: int = MAX_DET(300)
    classes: list[int] | int | None = CLASSES(None)
    agnostic_nms: bool = AGNOSTIC_NMS(False)
    augment: bool = AUGMENT(False)
    retina_masks: bool = argument(
        True,
        "masks at the image's own size; False: at that of the network's input, as ultralytics by default",
        group=DETECTION,
    )
    batch: int = argument(1, "images per run of the network", min=1)
    rect: bool = RECT(True)
    half: bool = HALF(False)
    precision: str = PRECISION("fp32")
    compile: bool | str = COMPILE(False)
    visualize: bool = argument(
        False, "also write NAME_heatmap.jpg: where the network sees the classes that it found", group=OUTPUT
    )
    tile: int | None = argument(
        None,
        "for large images: predict on tiles with this side in pixels, and merge them; None: on the whole image",
        min=32,
    )
    overlap: float = argument(0.2, "with tile: fraction of a tile that overlaps with the next one", min=0, max=0.9)
    vid_stride: int = argument(1, "read every n-th frame of a video", min=1)
    mask_targets: str = MASK_TARGETS("soft")

    def __post_init__(self) -> None:
        if self.classes is not None:
            self._set("classes", class_ids(self.classes))
        super().__post_init__()
        if self.half and self.precision != "fp32":
            raise SeglabError(f"half=True and precision={self.precision} cannot be combined: use one of them")
        if self.tile and (self.visualize or not self.retina_masks):
            name = "visualize=True" if self.visualize else "retina_masks=False"
            raise SeglabError(f"{name} does not work with tile={self.tile}: leave out one of the two")
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
    save_txt: bool = SAVE_TXT(False)
    save_conf: bool = SAVE_CONF(False)
    save_crop: bool = argument(False, "write every instance, cropped, as crops/CLASS/NAME.jpg", group=OUTPUT)
    save_frames: bool = argument(False, "also write every frame of a video as NAME_frames/NUMBER.jpg", group=OUTPUT)
    show: bool = argument(False, "show every result: in a window, or under the cell of a notebook", group=OUTPUT)
    save_as: str | None = argument(
        None,
        "write predictions as annotations, with links to the images, to correct in a labeling tool",
        choices=("labelme", "coco", "cvat", "yolo"),
        group=OUTPUT,
    )
    tolerance: float = argument(
        1.0, "with save_as: simplify outlines by at most this many pixels; 0: keep them exact", group=OUTPUT, min=0
    )
    project: str | None = PROJECT(None)
    name: str | None = NAME(None)
    exist_ok: bool = EXIST_OK(False)
