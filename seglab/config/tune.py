"""Arguments of `tune`, and the ranges that it searches unless it is given others."""

# ruff: noqa: RUF009 - the defaults are made by calls, as those of dataclasses.field are

from __future__ import annotations

from dataclasses import dataclass

from seglab.config.argument import Arguments, argument

TUNING = "Tuning"


@dataclass(frozen=True)
class TuneInput(Arguments):
    """How the best arguments of `train` are searched, beside those arguments themselves."""

    iterations: int = argument(
        10, "number of trials; the first uses the given values, each later one new values", group=TUNING, min=1
    )
    space: dict | str | None = argument(
        None,
        "what to search: argument -> (low, high), or a YAML file of `name: [low, high]` lines; None: learning rates, "
        "loss gains and augmentation",
        group=TUNING,
    )
    keep_weights: bool = argument(
        False, "keep the weights of all trials; False: only those of the best one", group=TUNING
    )
    use_ray: bool = argument(False, "not supported: several machines can share one folder instead", group=TUNING)


# Argument of train -> lowest and highest value that is tried.
RANGES: dict[str, tuple[float, float]] = {
    "lr0": (1e-5, 1e-1),
    "lrf": (1e-3, 1.0),
    "momentum": (0.7, 0.98),
    "weight_decay": (1e-6, 1e-2),
    "warmup_epochs": (0.0, 5.0),
    "box": (2.0, 20.0),
    "cls": (0.1, 4.0),
    "dfl": (0.4, 6.0),
    "hsv_h": (0.0, 0.1),
    "hsv_s": (0.0, 0.9),
    "hsv_v": (0.0, 0.9),
    "degrees": (0.0, 45.0),
    "translate": (0.0, 0.5),
    "scale": (0.0, 0.9),
    "shear": (0.0, 10.0),
    "flipud": (0.0, 1.0),
    "fliplr": (0.0, 1.0),
    "mosaic": (0.0, 1.0),
    "mixup": (0.0, 0.5),
    "copy_paste": (0.0, 0.6),
    "close_mosaic": (0, 10),
}
# Where a tenth and a hundredth differ as much as one and a tenth do.
LOGARITHMIC = ("lr0", "lrf", "weight_decay", "warmup_bias_lr")
