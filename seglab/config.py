"""Every argument of every verb, defined once: type, default, bounds or choices, help text, and how values are checked.

The fields of the classes below are the arguments, and VERBS says which classes a verb takes. Their constructors check
what they are given. The command line's help is read from here, and so are the lists of names in messages.
"""

# ruff: noqa: RUF009 - the defaults are made by calls, as those of dataclasses.field are

from __future__ import annotations

import difflib
import math
import numbers
import types
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from seglab.errors import SeglabError
from seglab.image_files import MAX_PIXELS as DEFAULT_MAX_PIXELS
from seglab.image_files import Reading
from seglab.sizes import STRIDE, Size, as_size

# What may be used from outside; the rest serves the verbs.
__all__ = [
    "VERBS",
    "AugmentConfig",
    "ExportConfig",
    "PredictConfig",
    "SaveConfig",
    "TrainConfig",
    "ValidateConfig",
]

SMALLEST_SCENE = 32  # pixels a side: a smaller toybox image shows nothing

# Headings of `seglab help`.
DATA = "Model and data"
RUN = "Training"
MACHINE = "Device and speed"
OPTIMIZER = "Optimizer"
LOSS = "Loss"
AUGMENTATION = "Augmentation"
DETECTION = "Detections"
OUTPUT = "Output"


# --- what an argument is ---


class Argument(NamedTuple):
    """What is known of one argument. default: MISSING where it must be given; choices: () where any value will do."""

    name: str
    default: Any
    type: Any  # as typing.get_type_hints gives it
    text: str
    group: str
    min: float
    max: float
    choices: tuple


def argument(
    default: Any = MISSING,
    text: str = "",
    *,
    group: str = DATA,
    min: float = -math.inf,
    max: float = math.inf,
    choices: tuple = (),
) -> Any:
    """A dataclass field that is an argument: its line of help, and what its values are checked against.

    Without a default it must be given. None needs no check where the type allows it: it means "choose for me".
    """
    about = {"text": text, "group": group, "min": min, "max": max, "choices": choices}
    return field(default=default, metadata={"argument": about})


def arguments_of(config: type) -> list[Argument]:
    """The arguments of one class, in the order in which it lists them."""
    hints = get_type_hints(config)
    found = []
    for item in fields(config):
        if "argument" in item.metadata:
            about = item.metadata["argument"]
            found.append(Argument(name=item.name, default=item.default, type=hints[item.name], **about))
    return found


def names_of(*configs: type) -> list[str]:
    """The names of the arguments of these classes."""
    return [item.name for config in configs for item in arguments_of(config)]


def verb_arguments(verb: str, but: Iterable[str] = ()) -> list[str]:
    """The names of all arguments of a verb, without those in `but`."""
    return [name for name in names_of(*VERBS[verb].arguments) if name not in but]


# --- checks ---


def refuse_unknown(given: Iterable[str], valid: Iterable[str], where: str, kind: str = "argument") -> None:
    """Raise SeglabError for the first name that does not exist, giving the nearest one that does.

    where: who has no such name ("train has no argument ..."); kind: what the names are names of.
    """
    valid = sorted(valid)
    for name in given:
        if name not in valid:
            nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.7)  # below, advice misleads
            advice = f"did you mean '{nearest[0]}'?" if nearest else f"valid names are {', '.join(valid)}"
            raise SeglabError(f"{where} has no {kind} '{name}': {advice}")


def fit_type(name: str, value: Any, hint: Any) -> Any:
    """The value of the argument `name`, converted to one of the types of `hint` where that is safe.

    An int may stand for a float, the text of a number for a float, and a number, a Path or a torch.device for text.
    Errors: SeglabError when it does not fit.
    """
    allowed = _allowed_types(hint)
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        value = int(value)  # numpy's integers too
    elif isinstance(value, numbers.Real) and not isinstance(value, bool):
        value = float(value)
    if type(value) in allowed or Any in allowed:
        return value
    if isinstance(value, (list, tuple)) and allowed & {list, tuple}:
        return value
    if type(value) is int and float in allowed:
        return float(value)
    if str in allowed and (isinstance(value, (Path, int, float)) or _is_torch_device(value)):
        if not isinstance(value, bool):
            return str(value)  # a run may be called 2026
    if isinstance(value, str) and float in allowed:  # YAML reads 1e-3 as text
        try:
            return float(value)
        except ValueError:
            pass
    raise SeglabError(f"{name}={value!r} must be of type {describe_type(hint)}")


def fit_argument(config: type, name: str, value: Any) -> Any:
    """One value, checked as the argument `name` of a class. Errors: SeglabError when it does not fit."""
    about = next(item for item in arguments_of(config) if item.name == name)
    return fit_value(about, value)


def fit_value(about: Argument, value: Any) -> Any:
    """A value that fits an argument in type, bounds and choices. Errors: SeglabError when it does not."""
    value = fit_type(about.name, value, about.type)
    if value is None:
        return value
    if about.choices:
        return _fit_choice(about.name, value, about.choices)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and not about.min <= value <= about.max:  # NaN never is
        raise SeglabError(f"{about.name}={value} must be {describe_bounds(about)}")
    return value


def _fit_choice(name: str, value: Any, choices: tuple) -> Any:
    """The choice that is meant; sgd, SGD and Sgd are one."""
    for choice in choices:
        same_text = isinstance(value, str) and isinstance(choice, str) and value.lower() == choice.lower()
        if same_text or (type(value) is type(choice) and value == choice):
            return choice
    raise SeglabError(f"{name}={value!r} must be one of {', '.join(map(repr, choices))}")


def describe_type(hint: Any) -> str:
    """A type as it is written in Python: "int | None"."""
    if get_origin(hint) in (Union, types.UnionType):
        return " | ".join(describe_type(part) for part in get_args(hint))
    if hint in (types.NoneType, Any):
        return "None" if hint is types.NoneType else "any"
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)


def describe_bounds(about: Argument) -> str:
    """The bounds of a number in words, "" where there are none."""
    if about.max < math.inf:
        return f"from {about.min} to {about.max}"
    return f"at least {about.min}" if about.min > -math.inf else ""


def _allowed_types(hint: Any) -> set[Any]:
    """int | list[int] | None -> {int, list, NoneType}."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return {get_origin(part) or part for part in parts}


def _is_torch_device(value: Any) -> bool:
    """Whether this is a torch.device, told without importing torch: help should come at once."""
    return f"{type(value).__module__}.{type(value).__qualname__}" == "torch.device"


@dataclass(frozen=True)
class Arguments:
    """Arguments that belong together. Errors: SeglabError from the constructor for a value that does not fit."""

    def __post_init__(self) -> None:
        for about in arguments_of(type(self)):
            self._set(about.name, fit_value(about, getattr(self, about.name)))

    def _set(self, name: str, value: Any) -> None:
        """Give an argument its checked value, while the object is made."""
        object.__setattr__(self, name, value)


# --- arguments that mean the same to several verbs ---

MODEL = partial(
    argument, text="weights (.safetensors, .pt), a name such as yolo11n-seg.pt or toybox-n, or an exported file"
)
DATASET = partial(
    argument,
    text="dataset YAML, folder, name or COCO JSON; several as a,b; None: what the weights were trained on, "
    "else coco8-seg",
)
DEVICE = partial(argument, text='"cpu", "cuda:1", 1 or "mps"; None: the first CUDA GPU, else the CPU', group=MACHINE)
WORKERS = partial(argument, text="processes that load data, at most one per core", group=MACHINE, min=0)
STRICT = partial(argument, text="stop at the first issue in the data instead of listing all")
CONF = partial(argument, text="minimum confidence score of a detection", group=DETECTION, min=0, max=1)
IOU = partial(argument, text="NMS: overlap above which the lower-scoring box is dropped", group=DETECTION, min=0, max=1)
MAX_DET = partial(argument, text="maximum number of detections on an image", group=DETECTION, min=1)
MASK_TARGETS = partial(
    argument,
    text="mask targets the weights were trained with, which decide where masks may begin; unless given, what the "
    "weights say",
    group=DETECTION,
    choices=("soft", "hard"),
)
MAX_PIXELS = partial(
    argument, text="largest image that is read, height times width; what is larger is reported and left out", min=1
)
SAMPLE_RANGE = partial(
    argument,
    text="in images of more than 8 bits the values that are black and white, e.g. 4095 or 100,4000; None: 16 bits as "
    "they are",
)
LONG_SIDE = partial(
    argument,
    text="input size: long side in pixels, or (height, width); unless given, the size of the training",
    min=1,
)
RECT = partial(argument, text="pad images as little as possible; False: always to a square", group=DETECTION)
PROJECT = partial(argument, text="parent folder of runs; None: runs/segment", group=OUTPUT)
NAME = partial(argument, text="folder of this run; None: the name of the verb", group=OUTPUT)
EXIST_OK = partial(
    argument, text="write into the run's folder even if it exists; else a number is added to its name", group=OUTPUT
)


# --- how images are read ---


@dataclass(frozen=True)
class ReadConfig(Arguments):
    """Which images may be read, and how. range becomes (low, high)."""

    max_pixels: int = MAX_PIXELS(DEFAULT_MAX_PIXELS)
    range: int | float | list | tuple | None = SAMPLE_RANGE(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.range is not None:
            self._set("range", _sample_range(self.range))

    @property
    def reading(self) -> Reading:
        """Both, as the readers of images take them."""
        return Reading(self.max_pixels, self.range)  # type: ignore[arg-type]  # a pair since it was checked


# --- train ---


@dataclass(frozen=True)
class TrainInput(Arguments):
    """What is trained, on what."""

    model: str | None = argument(None, "weights to start from, or yolo11n-seg.yaml for scratch; None: yolo11n-seg.pt")
    data: str | list | tuple | None = DATASET(None)
    pretrained: bool | str = argument(True, "weights to load into the model first; False: start from random weights")


@dataclass(frozen=True)
class AugmentConfig(Arguments):
    """How much of each augmentation; probabilities where the text says so."""

    hsv_h: float = argument(
        0.015, "maximum change of hue, as a fraction of the color circle", group=AUGMENTATION, min=0, max=1
    )
    hsv_s: float = argument(0.7, "maximum change of saturation: factor 1 ± this", group=AUGMENTATION, min=0, max=1)
    hsv_v: float = argument(0.4, "maximum change of brightness: factor 1 ± this", group=AUGMENTATION, min=0, max=1)
    degrees: float = argument(0.0, "maximum rotation either way, in degrees", group=AUGMENTATION, min=0, max=180)
    translate: float = argument(0.1, "maximum shift, as a fraction of the size", group=AUGMENTATION, min=0, max=1)
    scale: float = argument(0.5, "maximum change of size: factor 1 ± this", group=AUGMENTATION, min=0, max=1)
    shear: float = argument(0.0, "maximum shear in degrees", group=AUGMENTATION, min=0, max=60)  # at 90 nothing is left
    # Beyond a thousandth, much of an image comes to lie behind the viewer.
    perspective: float = argument(0.0, "maximum perspective term per pixel", group=AUGMENTATION, min=0, max=0.001)
    flipud: float = argument(0.0, "probability of a vertical flip", group=AUGMENTATION, min=0, max=1)
    fliplr: float = argument(0.5, "probability of a horizontal flip", group=AUGMENTATION, min=0, max=1)
    bgr: float = argument(0.0, "probability of swapping red and blue", group=AUGMENTATION, min=0, max=1)
    mosaic: float = argument(1.0, "probability of a mosaic of four images", group=AUGMENTATION, min=0, max=1)
    mixup: float = argument(0.0, "probability of blending with a second image", group=AUGMENTATION, min=0, max=1)
    cutmix: float = argument(0.0, "probability of pasting a window of another image", group=AUGMENTATION, min=0, max=1)
    copy_paste: float = argument(
        0.0, "fraction of instances that are copied and mirrored within their image", group=AUGMENTATION, min=0, max=1
    )


@dataclass(frozen=True)
class TrainConfig(ReadConfig):
    """Arguments of `train`; `augment` holds those of the augmentation. None: chosen automatically."""

    epochs: int = argument(100, "passes over the training images", group=RUN, min=1)
    batch: int = argument(16, "images per step, over all processes together", group=RUN, min=1)
    imgsz: int = argument(640, "side of the square network input in pixels, a multiple of 32", group=RUN, min=1)
    patience: int = argument(
        100, "epochs without better fitness before training stops early; 0: never", group=RUN, min=0
    )
    recipe: str = argument(
        "auto",
        "auto: settings that suit the weights and the data; ultralytics: its defaults; small: overfit a few images",
        group=RUN,
        choices=("auto", "ultralytics", "small"),
    )
    resume: str | bool | None = argument(
        None, "run to resume: its folder or its weights/last.safetensors; True: the run of the weights", group=RUN
    )
    keep: bool = argument(False, "keep the classes that the weights know beside those of the data", group=RUN)
    freeze: int | list | None = argument(
        None, "layers to freeze: 10 means layers 0 to 9; or a list of layers", group=RUN
    )
    freeze_bn: bool = argument(False, "keep the statistics of batch normalization, for small batches", group=RUN)
    val: bool = argument(
        True, "validate after every epoch; else once at the end, and the last weights are the result", group=RUN
    )
    strict: bool = STRICT(False, group=RUN)
    device: str | int | list | None = DEVICE(None)
    workers: int = WORKERS(8)
    cache: bool | str = argument(
        False, "ram (or True): keep every decoded image in memory", group=MACHINE, choices=(False, True, "ram")
    )
    amp: bool | str = argument(
        True,
        "mixed precision; True: on GPUs, in bf16 or else fp16; bf16: on CPUs that have it too",
        group=MACHINE,
        choices=(True, False, "bf16"),
    )
    deterministic: bool = argument(True, "the same result for the same seed on CUDA too", group=MACHINE)
    seed: int = argument(
        0, "random seed of the initial weights, the order of images and the augmentation", group=MACHINE, min=0
    )
    optimizer: str = argument(
        "auto",
        "auto: AdamW for short runs and SGD for long ones",
        group=OPTIMIZER,
        choices=("auto", "SGD", "AdamW"),
    )
    lr0: float | None = argument(
        None, "initial learning rate; None: 0.01, or what optimizer=auto chooses", group=OPTIMIZER, min=0
    )
    lrf: float = argument(0.01, "final learning rate, as a fraction of the initial one", group=OPTIMIZER, min=0, max=1)
    cos_lr: bool = argument(False, "cosine instead of linear decay of the learning rate", group=OPTIMIZER)
    momentum: float | None = argument(
        None,
        "momentum of SGD, or beta1 of AdamW; None: 0.937, or what optimizer=auto chooses",
        group=OPTIMIZER,
        min=0,
        max=0.9999,
    )
    weight_decay: float = argument(
        5e-4, "weight decay of convolution weights, at the nominal batch size", group=OPTIMIZER, min=0
    )
    warmup_epochs: float = argument(3.0, "epochs of warm-up; fractions are allowed", group=OPTIMIZER, min=0)
    warmup_momentum: float = argument(0.8, "momentum at the start of the warm-up", group=OPTIMIZER, min=0, max=0.9999)
    warmup_bias_lr: float | None = argument(
        None,
        "learning rate of biases at the start of the warm-up; None: 0.1, or 0 with optimizer=auto",
        group=OPTIMIZER,
        min=0,
    )
    nbs: int = argument(
        64, "nominal batch size: gradients of smaller batches are accumulated to it", group=OPTIMIZER, min=1
    )
    average: str = argument(
        "ema",
        "how weights are averaged into the result; ema: exponentially; late: over the last steps; anchored: over "
        "all steps and the start",
        group=OPTIMIZER,
        choices=("ema", "late", "anchored"),
    )
    box: float = argument(7.5, "gain of the box loss and of the mask loss", group=LOSS, min=0)
    cls: float = argument(0.5, "gain of the classification loss", group=LOSS, min=0)
    dfl: float = argument(1.5, "gain of the distribution focal loss", group=LOSS, min=0)
    mask_targets: str = argument(
        "soft",
        "soft: the exact area covered in each cell; hard: in or out, as in other tools",
        group=LOSS,
        choices=("soft", "hard"),
    )
    mask_ratio: int = argument(
        4,
        "input pixels per cell of the mask targets: 2 learns finer masks and is a tenth slower",
        group=LOSS,
        choices=(1, 2, 4),
    )
    overlap_mask: bool = argument(True, "where hard targets overlap, the smaller instance owns the pixel", group=LOSS)
    close_mosaic: int = argument(10, "last epochs without mosaic", group=AUGMENTATION, min=0)
    save: bool = argument(True, "write the last weights and the state to resume from after every epoch", group=OUTPUT)
    save_period: int = argument(-1, "also keep the weights of every n-th epoch; -1: never", group=OUTPUT, min=-1)
    plots: bool = argument(True, "write images of labels, batches and curves", group=OUTPUT)
    project: str | None = PROJECT(None)
    name: str | None = NAME(None)
    exist_ok: bool = EXIST_OK(False)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        # What other tools take here is answered before the types are checked.
        if isinstance(self.imgsz, (list, tuple)):
            raise SeglabError(f"imgsz={self.imgsz}: the training input is square: give one side, e.g. imgsz=640")
        if isinstance(self.batch, (int, float)) and self.batch < 1:
            raise SeglabError(f"batch={self.batch}: automatic batch sizes are not supported: give one, e.g. batch=16")
        super().__post_init__()
        if self.imgsz % STRIDE:
            raise SeglabError(f"imgsz={self.imgsz} must be a multiple of {STRIDE}: use {_round_up(self.imgsz)}")


# --- val ---


@dataclass(frozen=True)
class ValInput(Arguments):
    """What is validated, on what and where."""

    model: str = MODEL("yolo11n-seg.pt")
    data: str | list | tuple | None = DATASET(None)
    device: str | int | None = DEVICE(None)


@dataclass(frozen=True)
class ValidateConfig(ReadConfig):
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


# --- predict ---


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
    engine: str | None = argument(
        None,
        "auto: run on CPUs through onnxruntime or OpenVINO where they agree with the network",
        group=MACHINE,
        choices=("auto",),
    )


@dataclass(frozen=True)
class PredictConfig(ReadConfig):
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
        height, width = map(_round_up, as_size(self.imgsz))
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


# --- export ---


@dataclass(frozen=True)
class ExportInput(Arguments):
    """What is exported, as what and where to."""

    model: str = MODEL("yolo11n-seg.pt")
    format: str = argument(
        "onnx", "torchscript, pt2, onnx, openvino, ncnn, executorch, coreml, engine (TensorRT) or litert (TFLite)"
    )
    out: str | None = argument(None, "path of the file, without suffix; None: beside the weights")


@dataclass(frozen=True)
class ExportConfig(Arguments):
    """How a model is written in another format. imgsz becomes (height, width)."""

    imgsz: int | tuple[int, int] = argument(
        640, "side in pixels or (height, width), multiples of 32; unless given, the size of the training"
    )
    batch: int = argument(1, "images per call", min=1)
    dynamic: bool = argument(False, "batch and size may differ from call to call")
    half: bool = argument(False, "compute in float16")
    int8: bool = argument(False, "compute in int8, but for the last layers of the head; calibrated on the data")
    data: str | None = argument(
        None, "dataset whose validation split the parity check measures mAP on, and whose images calibrate int8"
    )
    nms: bool = argument(False, "onnx: an end-to-end file, from image to boxes, scores and classes", group=DETECTION)
    masks: bool = argument(False, "with nms: masks at the image's own resolution too", group=DETECTION)
    conf: float = argument(0.25, "with nms: minimum confidence score of a detection", group=DETECTION, min=0, max=1)
    iou: float = argument(
        0.7, "with nms: overlap above which the lower-scoring box is dropped", group=DETECTION, min=0, max=1
    )
    max_det: int = argument(300, "with nms: maximum number of detections", group=DETECTION, min=1)
    mask_targets: str = MASK_TARGETS("soft")
    license: str = argument(
        "unknown", "license of the weights, written into the file; unless given, what the weights say"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        height, width = as_size(self.imgsz)
        if height % STRIDE or width % STRIDE:
            raise SeglabError(
                f"imgsz={self.imgsz!r} must be a multiple of {STRIDE}, or (height, width) in multiples of {STRIDE}"
            )
        self._set("imgsz", (height, width))

    @property
    def size(self) -> Size:
        """(height, width) of the input in pixels."""
        return as_size(self.imgsz)

    @property
    def precision(self) -> str:
        """fp32, fp16 or int8."""
        if self.int8:
            return "int8"
        return "fp16" if self.half else "fp32"


# --- the tools around the verbs ---


@dataclass(frozen=True)
class ConvertInput(Arguments):
    """Arguments of `convert`."""

    source: str = argument(text="dataset to convert, e.g. a COCO JSON or a folder of Labelme, VOC or mask files")
    images: str | None = argument(None, "folder of the images, if it is not in one of the usual places")
    out: str | None = argument(None, "new folder, or with to=coco new JSON file")
    to: str = argument("yolo", "format to write: yolo, coco or another that seglab can write")
    strict: bool | float | None = argument(
        None, "minimum mask IoU: if any instance falls below, nothing is written; True: 1, no difference at all"
    )


@dataclass(frozen=True, kw_only=True)
class CheckInput(ReadConfig):
    """Arguments of `check`."""

    data: str = argument(text="dataset YAML, folder, name or COCO JSON")
    out: str | None = argument("runs/check", "folder of the contact sheet")


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


@dataclass(frozen=True)
class VerifyInput(Arguments):
    """Arguments of `verify`."""

    file: str = argument(text="exported file")
    model: str | None = argument(None, "weights it was exported from; None: those beside it")
    data: str | None = argument(None, "dataset on which mAP is compared too")


@dataclass(frozen=True)
class ExploreInput(ReadConfig):
    """Arguments of `explore`."""

    model: str = MODEL("toybox-n")
    source: str = argument("toybox8-seg", "images, or a dataset with its ground truth")
    html: str | bool = argument("explorer.html", "page to write")
    imgsz: int | None = argument(
        None, "long side of the network input in pixels; None: the size of the training", min=1
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
    model: str = MODEL("yolo11n-seg.pt")
    data: str | None = argument(None, "dataset on which mAP is measured; None: the one that val would use")
    imgsz: int | tuple[int, int] | None = argument(
        None, "input size: side in pixels, or (height, width); None: the size of the training"
    )
    formats: str | list | tuple | None = argument(None, "formats to compare, as in onnx,openvino; None: all")
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
            raise SeglabError(f"size={self.size} must be at least {SMALLEST_SCENE} pixels a side")

    @property
    def sides(self) -> Size:
        """(height, width) of the images in pixels."""
        return as_size(self.size, "size")


@dataclass(frozen=True)
class DemoInput(Arguments):
    """Arguments of `demo`."""

    out: str = argument("runs/demo", "folder of everything it writes")
    epochs: int = argument(8, "passes over the training images", min=1)
    imgsz: int = argument(320, "side of the square network input in pixels, a multiple of 32", min=1)


@dataclass(frozen=True)
class HelpInput(Arguments):
    """Arguments of `help`."""

    mode: str | None = argument(None, "mode whose arguments are listed; None: a list of all modes")


@dataclass(frozen=True)
class NoInput(Arguments):
    """Of modes that take no arguments."""


def _round_up(side: int) -> int:
    """The next multiple of the network's stride."""
    return math.ceil(side / STRIDE) * STRIDE


def _sample_range(given: Any) -> tuple[float, float]:
    """A range as (low, high); one number is the high one. Errors: SeglabError for anything else."""
    pair = given if isinstance(given, (list, tuple)) else (0, given)
    try:
        low, high = (float(value) for value in pair)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (low < high and math.isfinite(high - low)):
        raise SeglabError(f"range={given!r} must be one number above 0, or two as in range=100,4000, the lower first")
    return low, high


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


# --- verbs ---


@dataclass(frozen=True)
class Verb:
    """A verb of `YOLO` or a mode of the command line.

    text: one line of help; arguments: the classes whose fields it takes; example: a line to type; bare: the argument
    whose value the command line takes without `name=`; defaults: those that differ on the command line.
    """

    text: str
    arguments: tuple[type[Arguments], ...]
    example: str
    bare: str = ""
    defaults: dict[str, Any] = field(default_factory=dict)


VERBS = {
    "train": Verb(
        "train a model, from weights or from scratch",
        (TrainInput, TrainConfig, AugmentConfig),
        "seglab train data=coco8-seg model=yolo11n-seg.pt epochs=100 imgsz=640",
    ),
    "val": Verb(
        "measure box and mask mAP of a model on a dataset",
        (ValInput, ValidateConfig),
        "seglab val model=yolo11n-seg.pt data=coco8-seg",
    ),
    "predict": Verb(
        "find instances in images and videos, and save the results",
        (PredictInput, PredictConfig, SaveConfig),
        "seglab predict model=yolo11n-seg.pt source=images/",
        defaults={"save": True, "verbose": True},
    ),
    "export": Verb(
        "write a model in another format and check that it agrees with the original",
        (ExportInput, ExportConfig),
        "seglab export model=runs/segment/train/weights/best.safetensors format=onnx",
    ),
    "convert": Verb(
        "convert a dataset to another format, and report what was kept",
        (ConvertInput,),
        "seglab convert source=annotations.json images=images/ out=mine",
    ),
    "check": Verb(
        "look for issues in a dataset",
        (CheckInput,),
        "seglab check data=mine/mine.yaml",
    ),
    "evaluate": Verb(
        "compute COCO metrics of a results file from any tool",
        (EvaluateInput,),
        "seglab evaluate gt=instances_val.json dt=predictions.json",
    ),
    "doctor": Verb(
        "find out why mAP is low, from labels to metric",
        (DoctorInput, ValidateConfig),
        "seglab doctor model=runs/segment/train/weights/best.safetensors",
    ),
    "verify": Verb(
        "check that an exported file agrees with its weights",
        (VerifyInput,),
        "seglab verify best.onnx",
        bare="file",
    ),
    "benchmark": Verb(
        "compare size, mAP and latency of all export formats",
        (BenchmarkInput,),
        "seglab benchmark model=yolo11n-seg.pt formats=onnx,openvino",
        bare="what",
    ),
    "explore": Verb(
        "write a web page for exploring predictions",
        (ExploreInput,),
        "seglab explore model=yolo11n-seg.pt source=images/",
    ),
    "toybox": Verb(
        "generate a dataset of synthetic scenes",
        (ToyboxInput,),
        "seglab toybox count=100 out=toys",
    ),
    "demo": Verb(
        "fine-tune, validate, predict and export, offline, in a few minutes",
        (DemoInput,),
        "seglab demo",
    ),
    "checks": Verb("print versions, devices and settings, for bug reports", (NoInput,), "seglab checks"),
    "version": Verb("print the version of seglab", (NoInput,), "seglab version"),
    "help": Verb("list the modes, or the arguments of one", (HelpInput,), "seglab help train", bare="mode"),
}
