"""Arguments of the tools around the verbs."""

# ruff: noqa: RUF009 - the defaults are made by calls, as those of dataclasses.field are

from __future__ import annotations

from dataclasses import dataclass

from seglab.config.argument import Arguments, argument
from seglab.config.reading import ReadConfig
from seglab.config.shared import ALLOW_EMPTY, DATASET, DEVICE, HOLDOUT, INSTANCES, LABELS, MODEL, TEST, TRUST, WEIGHTS
from seglab.errors import SeglabError
from seglab.sizes import Size, as_size

SMALLEST_SCENE = 32  # pixels a side: a smaller toybox image shows nothing


@dataclass(frozen=True, kw_only=True)
class ConvertInput(ReadConfig):
    """Arguments of `convert`."""

    source: str = argument(text="dataset to convert: any labeled folder or file, see docs/data.md")
    images: str | None = argument(None, "folder of the images, if it is not in one of the usual places")
    out: str | None = argument(None, "new folder, or with to=coco a new JSON file")
    to: str = argument("yolo", "format to write, e.g. yolo, coco, labelme or cvat")
    strict: bool | float | None = argument(
        None, "minimum mask IoU: if any instance falls below it, nothing is written; True: 1, identical masks"
    )
    instances: str | None = INSTANCES(None)
    holdout: float | None = HOLDOUT(None)
    test: float | None = TEST(None)
    labels: str | None = LABELS(None)
    allow_empty: bool = ALLOW_EMPTY(False)


@dataclass(frozen=True)
class CacheInput(Arguments):
    """Arguments of `cache`."""

    clear: str | None = argument(None, "entry to remove, as listed, or all")


@dataclass(frozen=True, kw_only=True)
class CheckInput(ReadConfig):
    """Arguments of `check`."""

    data: str = argument(text="any labeled folder or file, or the name of a dataset")
    out: str | None = argument("runs/check", "folder of the contact sheet")
    instances: str | None = INSTANCES(None)
    labels: str | None = LABELS(None)


@dataclass(frozen=True)
class SplitInput(Arguments):
    """Arguments of `split`."""

    data: str = argument(text="any labeled folder or file, or the name of a dataset")
    holdout: float = HOLDOUT(0.2)
    test: float = TEST(0.0)
    seed: int = argument(0, "random seed: the same one gives the same split", min=0)
    out: str | None = argument(None, "file for the split; None: next to the data, where every mode finds it")
    labels: str | None = LABELS(None)


@dataclass(frozen=True)
class EvaluateInput(Arguments):
    """Arguments of `evaluate`."""

    gt: str = argument(text="COCO JSON with the ground truth")
    dt: str = argument(text="COCO results JSON with the detections")
    iou_type: str = argument("segm", "what is compared", choices=("segm", "bbox", "boundary"))
    json: bool = argument(False, "print the twelve metrics as JSON")


@dataclass(frozen=True)
class DoctorInput(Arguments):
    """What is examined, on what and where."""

    model: str = MODEL()
    data: str | list | tuple | None = DATASET(None)
    device: str | int | None = DEVICE(None)


@dataclass(frozen=True, kw_only=True)
class VerifyInput(ReadConfig):
    """Arguments of `verify`."""

    file: str = argument(text="exported file")
    model: str | None = argument(None, "weights it was exported from; None: those next to it")
    data: str | None = argument(None, "dataset on which to compare mAP as well")
    trust: bool = TRUST(False)


@dataclass(frozen=True)
class ExploreInput(ReadConfig):
    """Arguments of `explore`."""

    model: str = MODEL("toybox-n")
    source: str = argument("toybox8-seg", "images, or a dataset with its ground truth")
    html: str | bool = argument("explorer.html", "page to write")
    imgsz: int | None = argument(
        None, "long side of the network input in pixels; None: the size used in training", min=1
    )
    split: str = argument("val", "split of the dataset: train, val or test")


@dataclass(frozen=True)
class BenchmarkInput(Arguments):
    """Arguments of `benchmark`. None means: left to `YOLO.benchmark`."""

    what: str | None = argument(
        None,
        "table: the published metrics, with measured mAP where COCO and the official weights are available locally",
        choices=("table",),
    )
    model: str = WEIGHTS("yolo11n-seg.pt")
    data: str | None = argument(None, "dataset on which to measure mAP; None: the one that val would use")
    imgsz: int | tuple[int, int] | None = argument(
        None, "input size: side in pixels, or (height, width); None: the size used in training"
    )
    formats: str | list | tuple | None = argument(None, "formats to compare, as in onnx,openvino; None: all")
    precisions: str | list | tuple | None = argument(
        None, "precisions to compare, as in fp32,int8; None: all that a format supports"
    )
    verbose: bool | float = argument(
        False, "True: a format that fails is an error; a number: so is one whose mask mAP is lower"
    )
    out: str | None = argument(None, "folder of files and tables; None: runs/benchmark")


@dataclass(frozen=True)
class ToyboxInput(Arguments):
    """Arguments of `toybox`."""

    count: int = argument(8, "number of scenes", min=1)
    seed: int = argument(0, "random seed of the scenes", min=0)
    out: str = argument("toybox", "new folder of the dataset")
    size: int | list | tuple = argument((480, 640), "side or (height, width) of the images in pixels")
    val: float = argument(0.2, "fraction of the scenes for validation", min=0, max=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.sides) < SMALLEST_SCENE:
            raise SeglabError(f"size={self.size} must be at least {SMALLEST_SCENE} pixels per side")

    @property
    def sides(self) -> Size:
        """(height, width) of the images in pixels."""
        return as_size(self.size, "size")


@dataclass(frozen=True)
class DemoInput(Arguments):
    """Arguments of `demo`."""

    out: str = argument("runs/demo", "folder for all output")
    epochs: int = argument(8, "passes over the training images", min=1)
    imgsz: int = argument(320, "side of the square network input in pixels, a multiple of 32", min=1)


@dataclass(frozen=True)
class CourseInput(Arguments):
    """Arguments of `course`."""

    out: str = argument("seglab-course", "folder that the lessons are copied to; files already there stay")
    open: bool = argument(True, "open them in JupyterLab, where it is installed")


@dataclass(frozen=True)
class CopyConfigInput(Arguments):
    """Arguments of `copy-cfg`."""

    out: str = argument("default_copy.yaml", "file to write")


@dataclass(frozen=True)
class HelpInput(Arguments):
    """Arguments of `help`."""

    mode: str | None = argument(None, "mode whose arguments are listed; None: a list of all modes")


@dataclass(frozen=True)
class NoInput(Arguments):
    """Of modes that take no arguments."""
