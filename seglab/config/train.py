"""Arguments of `train`."""

# ruff: noqa: RUF009 - the defaults are made by calls, as those of dataclasses.field are

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seglab.config.argument import (
    AUGMENTATION,
    LOSS,
    MACHINE,
    OPTIMIZER,
    OUTPUT,
    RUN,
    Arguments,
    argument,
    class_ids,
    refuse_unknown,
)
from seglab.config.reading import ReadConfig
from seglab.config.shared import (
    ALLOW_EMPTY,
    CLASSES,
    COMPILE,
    CONF,
    DATASET,
    DEVICE,
    EXIST_OK,
    FRACTION,
    HOLDOUT,
    INSTANCES,
    IOU,
    LABELS,
    MAX_DET,
    NAME,
    PROJECT,
    SINGLE_CLS,
    SPLIT,
    STRICT,
    TEST,
    WORKERS,
)
from seglab.errors import SeglabError
from seglab.sizes import STRIDE, round_up

# Trackers of experiments, as seglab/loggers/registry.py has them; TRACKER_NAMES are other words for some.
TRACKERS = ("tensorboard", "wandb", "mlflow", "comet", "clearml", "dvclive")
TRACKER_NAMES = {"dvc": "dvclive", "comet_ml": "comet", "tb": "tensorboard"}
OPTIMIZERS = ("SGD", "MuSGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSProp")


@dataclass(frozen=True)
class TrainInput(Arguments):
    """What is trained, on what."""

    model: str | None = argument(None, "weights to start from; yolo11n-seg.yaml: from scratch; None: yolo11n-seg.pt")
    data: str | list | tuple | dict | None = DATASET(None)
    pretrained: bool | str = argument(True, "weights to load into the model first; False: start from random weights")


@dataclass(frozen=True)
class AugmentConfig(Arguments):
    """How much of each augmentation; probabilities where the text says so."""

    hsv_h: float = argument(
        0.015, "maximum change of hue, as a fraction of the color wheel", group=AUGMENTATION, min=0, max=1
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
    time: float | None = argument(
        None, "maximum training time in hours; the number of epochs then follows from it", group=RUN, min=0
    )
    batch: int | float = argument(
        16,
        "images per step, summed over all processes; -1: as many as fit into 60 % of the memory; 0.8: into 80 %",
        group=RUN,
        min=-1,
    )
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
        None,
        "run to resume: its folder or its weights/last.safetensors; True: the run of the weights, or else the last "
        "interrupted one",
        group=RUN,
    )
    keep: bool = argument(False, "keep the classes that the weights know, and add those of the data", group=RUN)
    freeze: int | str | list | tuple | None = argument(
        None, "layers to freeze: 10 means layers 0 to 9; or a list of layers, or of parts such as 23.cv2", group=RUN
    )
    classes: list[int] | int | None = CLASSES(None)
    single_cls: bool = SINGLE_CLS(False)
    fraction: float | int | list | tuple = FRACTION(1.0)
    rect: bool = argument(
        False, "batches of images of similar shape, padded as little as possible; turns mosaic off", group=RUN
    )
    multi_scale: float = argument(
        0.0,
        "vary the input size from batch to batch by up to this fraction: 0.5 means 0.5 to 1.5 times imgsz",
        group=RUN,
        min=0,
        max=0.95,
    )
    split: str = SPLIT("val")
    conf: float = CONF(0.001)
    iou: float = IOU(0.7)
    max_det: int = MAX_DET(300)
    freeze_bn: bool = argument(False, "freeze the statistics of batch normalization, for small batches", group=RUN)
    val: bool = argument(
        True, "validate after every epoch; False: once at the end, and the last weights are the result", group=RUN
    )
    strict: bool = STRICT(False, group=RUN)
    holdout: float | None = HOLDOUT(None)
    test: float | None = TEST(None)
    labels: str | None = LABELS(None)
    instances: str | None = INSTANCES(None)
    allow_empty: bool = ALLOW_EMPTY(False)
    device: str | int | list | None = DEVICE(None)
    workers: int = WORKERS(8)
    cache: bool | str = argument(
        False,
        "ram (or True): keep every decoded image in memory; disk: as files in the cache folder",
        group=MACHINE,
        choices=(False, True, "ram", "disk"),
    )
    compile: bool | str = COMPILE(False)
    profile: bool = argument(False, "measure latency at the end, in PyTorch and in onnxruntime", group=MACHINE)
    amp: bool | str = argument(
        True,
        "mixed precision; True: in bf16 on GPUs and CPUs with units for it, in fp16 on older GPUs; bf16: in bf16 only",
        group=MACHINE,
        choices=(True, False, "bf16"),
    )
    deterministic: bool = argument(True, "give the same result for the same seed on CUDA too", group=MACHINE)
    seed: int = argument(
        0, "random seed of the initial weights, the order of images and the augmentation", group=MACHINE, min=0
    )
    optimizer: str = argument(
        "auto",
        "auto: AdamW for short runs and SGD for long ones",
        group=OPTIMIZER,
        choices=("auto", *OPTIMIZERS),
    )
    lr0: float | None = argument(
        None, "initial learning rate; None: 0.01, or what optimizer=auto chooses", group=OPTIMIZER, min=0
    )
    lrf: float = argument(0.01, "final learning rate, as a fraction of the initial one", group=OPTIMIZER, min=0, max=1)
    cos_lr: bool = argument(False, "cosine instead of linear decay of the learning rate", group=OPTIMIZER)
    momentum: float | None = argument(
        None,
        "momentum of SGD, MuSGD and RMSProp, or beta1 of the Adam family; None: 0.937, or what optimizer=auto chooses",
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
        "soft: the exact fraction of each cell that is covered; hard: 0 or 1, as in other tools",
        group=LOSS,
        choices=("soft", "hard"),
    )
    mask_ratio: int = argument(
        4,
        "side of a cell of the mask targets in input pixels: with 2, masks are finer and training is 10 % slower",
        group=LOSS,
        choices=(1, 2, 4),
    )
    overlap_mask: bool | None = argument(
        None,
        "where instances overlap, the smaller one owns the pixel in the mask targets; None: in hard targets only",
        group=LOSS,
    )
    close_mosaic: int = argument(10, "train without mosaic for this many epochs at the end", group=AUGMENTATION, min=0)
    verbose: bool = argument(True, "print a line for every epoch", group=OUTPUT)
    save: bool = argument(True, "write the last weights and the state to resume from after every epoch", group=OUTPUT)
    save_period: int = argument(-1, "also keep the weights of every n-th epoch; -1: never", group=OUTPUT, min=-1)
    plots: bool = argument(True, "write images of labels, batches and curves", group=OUTPUT)
    loggers: str | list | tuple | None = argument(
        None,
        f"experiment trackers that follow the run, one or several of {', '.join(TRACKERS)}; None: those switched "
        "on in settings",
        group=OUTPUT,
    )
    project: str | None = PROJECT(None)
    name: str | None = NAME(None)
    exist_ok: bool = EXIST_OK(False)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        # What other tools take here is answered before the types are checked.
        if isinstance(self.imgsz, (list, tuple)):
            raise SeglabError(f"imgsz={self.imgsz}: the training input is square: give one side, e.g. imgsz=640")
        if self.classes is not None:
            self._set("classes", class_ids(self.classes))
        self._set("loggers", tracker_names(self.loggers))
        super().__post_init__()
        is_automatic = self.batch == -1 or 0 < self.batch < 1
        if not is_automatic and (self.batch < 1 or self.batch != int(self.batch)):
            raise SeglabError(
                f"batch={self.batch} must be a number of images, -1, or a fraction of the memory, e.g. 0.6"
            )
        if not is_automatic:
            self._set("batch", int(self.batch))
        if self.time is not None and self.time <= 0:
            raise SeglabError(f"time={self.time} must be a number of hours above 0, e.g. time=0.5")
        if self.imgsz % STRIDE:
            raise SeglabError(f"imgsz={self.imgsz} must be a multiple of {STRIDE}: use {round_up(self.imgsz)}")


def tracker_names(value: Any) -> list[str] | None:
    """loggers= as a list: of one name, several, or several in one text; False is none.

    Errors: SeglabError for a name that is no tracker's.
    """
    if value is None:
        return None
    items = [] if value is False else value
    if isinstance(items, str):
        items = [item for item in items.replace(",", " ").split() if item.lower() not in ("none", "false")]
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise SeglabError(f"loggers={value!r} must be names of trackers, e.g. loggers=wandb or loggers=wandb,mlflow")
    names = [TRACKER_NAMES.get(item.lower(), item.lower()) for item in items]
    refuse_unknown(names, TRACKERS, "loggers", "tracker")
    return list(dict.fromkeys(names))
