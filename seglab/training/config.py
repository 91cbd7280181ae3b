"""What a training run is told: the usual arguments with their usual defaults, and recipes that change several."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import torch
import yaml

from seglab.data.augment import AugmentConfig
from seglab.errors import SeglabError, fit_types, keep_within, names_of, refuse_unknown
from seglab.files import atomic_write
from seglab.training.recipes import AUTO, RECIPES


@dataclass(frozen=True)
class TrainConfig:
    """Arguments of `train`; `augment` holds those of seglab.data.augment. None means: choose for me, as the text says.

    Errors: SeglabError from the constructor for a value of the wrong type or out of range.
    """

    epochs: int = 100
    patience: int = 100  # epochs without a better fitness before stopping; 0 never stops
    batch: int = 16  # images a step, over all processes together
    imgsz: int = 640  # side of the square network input, a multiple of 32
    device: str | int | list | None = None  # "cpu", "cuda:1", 1, "mps"; None: the first CUDA GPU, else the CPU
    workers: int = 8  # data-loading processes; never more than there are cores
    cache: bool | str = False  # "ram": keep every decoded image in memory
    strict: bool = False  # stop at the first problem in the data instead of listing them
    seed: int = 0
    deterministic: bool = True  # on CUDA; the CPU always is
    amp: bool | str = True  # True: bf16, or fp16 on CUDA that lacks it; float32 on CPU. "bf16": on CPUs with it too
    optimizer: str = "auto"  # "SGD", "AdamW" or "auto", see seglab.training.optim.make_plan
    lr0: float | None = None  # first learning rate; None: 0.01, or what "auto" chooses
    lrf: float = 0.01  # last learning rate as a fraction of the first
    momentum: float | None = None  # of SGD, first beta of AdamW; None: 0.937, or what "auto" chooses
    weight_decay: float = 5e-4  # of convolution weights, for a nominal batch
    warmup_epochs: float = 3.0
    warmup_momentum: float = 0.8
    warmup_bias_lr: float | None = None  # biases warm up from here; None: 0.1, or 0 with "auto"
    cos_lr: bool = False  # cosine instead of linear decay
    nbs: int = 64  # nominal batch: smaller batches are accumulated to it
    box: float = 7.5  # gains of the loss terms; `box` weighs the mask term too
    cls: float = 0.5
    dfl: float = 1.5
    mask_targets: str = "soft"  # "soft": exact area coverage; "hard": pixels in or out, as usual elsewhere
    overlap_mask: bool = True  # where hard targets overlap, the smaller object owns the pixel
    mask_ratio: int = 4  # input pixels a cell of the mask targets: 2 learns finer masks, a tenth slower; 1 finer yet
    close_mosaic: int = 10  # last epochs without mosaic
    keep: bool = False  # keep the classes that the weights know beside those of the data, see seglab.training.keep
    freeze: int | list | None = None  # 10: layers 0..9 keep their weights; [0, 23]: those layers
    average: str = "ema"  # of weights, which is the result: "ema", "late" or "anchored", see optim.average_decay
    freeze_bn: bool = False  # batch normalization keeps the statistics it has, as small batches would spoil them
    val: bool = True  # validate after every epoch; else once, and the last weights are the result
    save: bool = True  # write the last weights and the state to resume from after every epoch
    save_period: int = -1  # also keep the weights of every n-th epoch
    plots: bool = True  # images of labels, batches and curves
    project: str | None = None  # folder of runs; None: runs/segment
    name: str | None = None  # folder of this run; None: train
    exist_ok: bool = False  # write into the folder even if it exists; else train2, train3, ...
    resume: str | bool | None = None  # run folder (or its weights/last.safetensors) to continue
    recipe: str = "auto"  # "auto": settings that suit weights and data; "ultralytics", "small": see training/recipes.py
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        if isinstance(self.imgsz, (list, tuple)):
            raise SeglabError(f"imgsz={self.imgsz}: training images are square, so give one side, as in imgsz=640")
        if isinstance(self.batch, (int, float)) and self.batch < 1:
            raise SeglabError(f"batch={self.batch}: it is not chosen for you, so give a number, as in batch=16")
        if isinstance(self.device, torch.device):
            object.__setattr__(self, "device", str(self.device))
        fit_types(self, but=("augment",))
        written = {choice.lower(): choice for choice in _CHOICES["optimizer"]}  # sgd, SGD, adamw, ...
        object.__setattr__(self, "optimizer", written.get(self.optimizer.lower(), self.optimizer))
        keep_within(self, _BOUNDS)
        if self.imgsz % 32:
            raise SeglabError(f"imgsz={self.imgsz} must be a multiple of 32: use {-(-self.imgsz // 32) * 32}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise SeglabError(f"{name}={getattr(self, name)!r} must be one of {', '.join(map(repr, choices))}")


_BOUNDS = {
    **dict.fromkeys(("epochs", "batch", "imgsz", "nbs"), (1, inf)),
    **dict.fromkeys(("seed", "workers", "patience", "close_mosaic", "warmup_epochs"), (0, inf)),
    **dict.fromkeys(("lr0", "weight_decay", "warmup_bias_lr", "box", "cls", "dfl"), (0, inf)),
    **dict.fromkeys(("momentum", "warmup_momentum"), (0, 0.9999)),
    "lrf": (0, 1),
    "save_period": (-1, inf),
}
_CHOICES: dict[str, tuple[Any, ...]] = {
    "cache": (False, True, "ram"),
    "optimizer": ("auto", "SGD", "AdamW"),
    "average": ("ema", "late", "anchored"),
    "mask_targets": ("soft", "hard"),
    "mask_ratio": (1, 2, 4),
    "amp": (True, False, "bf16"),
    "recipe": (AUTO, *RECIPES),
}


def make_config(**arguments: Any) -> TrainConfig:
    """Arguments by their flat names, augmentation ones included -> TrainConfig.

    Later ones win: defaults, the resumed run's arguments (`resume`), the recipe's (`recipe`), those passed here. What
    recipe="auto" chooses depends on weights and data: see seglab.training.recipes.choose.
    Errors: SeglabError for an unknown name (with the nearest valid one) or a value that does not fit.
    """
    own = [name for name in names_of(TrainConfig) if name != "augment"]
    augmentation = names_of(AugmentConfig)
    refuse_unknown(arguments, [*own, *augmentation], "train")
    values: dict[str, Any] = {}
    if arguments.get("resume"):
        values |= read_arguments(run_folder(arguments["resume"]))
    values |= RECIPES.get(arguments.get("recipe") or AUTO, {})
    values |= arguments
    if values.get("keep") and arguments.get("freeze_bn") is False:
        raise SeglabError("keep=True keeps the statistics of batch normalization too: leave freeze_bn=False out")
    if values.get("recipe", AUTO) is None:
        values["recipe"] = AUTO
    augment = AugmentConfig(**{name: value for name, value in values.items() if name in augmentation})
    return TrainConfig(**{name: value for name, value in values.items() if name in own}, augment=augment)


def flatten(config: TrainConfig) -> dict[str, Any]:
    """The inverse of make_config: every argument under its flat name."""
    values = asdict(config)
    augment = values.pop("augment")
    return values | augment


def run_folder(resume: str | Path | bool) -> Path:
    """The run folder a `resume` value means: the folder itself or a file in its weights folder."""
    if isinstance(resume, bool):
        raise SeglabError("resume=True does not say which run: give its folder, as in resume='runs/segment/train'")
    path = Path(resume)
    return path.parent.parent if path.suffix in (".safetensors", ".pt") else path


def write_arguments(folder: Path, config: TrainConfig, data: str | list[str]) -> None:
    """Write args.yaml, which says how the run was made."""
    text = yaml.safe_dump({"data": data, **flatten(config)}, sort_keys=False)
    atomic_write(folder / "args.yaml", text.encode())


def read_arguments(folder: Path) -> dict[str, Any]:
    """The arguments of an earlier run, without `data`. Errors: FileNotFoundError when the folder holds none."""
    path = folder / "args.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"cannot resume from {folder}: it holds no args.yaml; give the folder of a run")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: value for name, value in values.items() if name != "data"}
