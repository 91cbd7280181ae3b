"""Settings that belong together: what suits a few images, what ultralytics uses, and what suits fine-tuning.

`choose` is what recipe="auto" does: it looks at what the weights know, at the classes and the number of images, and
says what it chose and why. docs/decisions/0015 has the measurements behind each choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

AUTO = "auto"

# Four images are at most four steps per epoch: the usual settings spend a hundred epochs warming up the average
# and the mosaic never shows an image whole. These overfit few images, from scratch, on a CPU: many short
# epochs that change each image little. Mosaics in the first of them cut large objects, so that a small one in the
# middle of a large one wins cells of its own, which it may else never do. docs/LOG.md compares them with others.
RECIPES: dict[str, dict[str, Any]] = {
    "ultralytics": {"mask_targets": "hard"},  # everything else is their default as it is
    "small": {
        "optimizer": "AdamW",
        "lr0": 1.5e-3,
        "cos_lr": True,
        "epochs": 450,
        "batch": 2,
        "imgsz": 320,
        "nbs": 2,
        "warmup_bias_lr": 0.0,
        "mosaic": 0.5,
        "close_mosaic": 250,
        "fliplr": 0.0,
        "translate": 0.05,
        "scale": 0.05,
        "hsv_h": 0.005,
        "hsv_s": 0.1,
        "hsv_v": 0.1,
        "mask_ratio": 2,
        "amp": "bf16",
        "val": False,
    },
}


# What "auto" adds for weights that know all classes of the data, and for those that have something to learn.
KNOWN = {"optimizer": "SGD", "lr0": 1e-3, "momentum": 0.9, "warmup_bias_lr": 0.0, "average": "anchored"}
NEW = {"optimizer": "AdamW", "lr0": 1e-3, "momentum": 0.9, "warmup_bias_lr": 0.0, "average": "late"}

# What is tried on weights that know all classes by name, for one epoch: their scores need not be learned anew.
TRIED = {**NEW, "lr0": 5e-4}

# And for new classes beside known ones that are to be kept, in quiet steps (seglab.training.quiet), which are shorter.
KEEP = {**NEW, "lr0": 2e-3}


@dataclass(frozen=True)
class Start:
    """Where a training starts: how many of the dataset's classes the weights know, how many are new to them."""

    known: int = 0
    new: int = 0
    scratch: bool = True  # the weights are drawn at random
    mask_targets: str = "soft"  # soft or hard, what the weights have learned from so far


SCRATCH = Start()
FEW_IMAGES = 640_000  # over all epochs; more are 10,000 steps of 64 images, where optimizer=auto goes over to SGD
FINE_SIZE = 320  # pixels of images up to which masks are learned at full resolution
FEW_FOR_SCRATCH = 5_000  # images; official weights saw 118,000


@dataclass(frozen=True)
class Choice:
    """What recipe="auto" chooses.

    settings: arguments of `train` by name; text: what was chosen and why, for the user; fallback: the settings that
    take the place of some of these unless the first epoch is better than the start. Empty where nothing is tried.
    """

    settings: dict[str, Any]
    text: str
    fallback: dict[str, Any] = field(default_factory=dict)


def describe_scratch(images: int) -> str:
    """The first line of a training from random weights."""
    told = "training from scratch: the weights are random"
    if images >= FEW_FOR_SCRATCH:
        return told
    return (
        f"{told}. {images} images are too few to learn what objects look like: expect a low mAP on images it has not "
        "seen, or start from pretrained weights, e.g. model=yolo11n-seg.pt"
    )


def choose(start: Start, images: int, epochs: int, imgsz: int, given: Mapping[str, Any]) -> Choice:
    """The settings of recipe="auto" for epochs over `images` images of `imgsz` pixels.

    `given` are the user's own arguments, which win.

    Of weights that have learned something: random ones are trained with the defaults. A run so long that it would be
    one from scratch elsewhere has images enough for the defaults too.
    """
    fine = {"mask_ratio": 1}, "targets at full resolution give the finest masks, which small images can afford"
    half = {"mask_ratio": 2}, "targets at half resolution give finer masks"
    reasons: list[tuple[dict[str, Any], str]] = [fine if imgsz <= FINE_SIZE else half]
    fallback: dict[str, Any] = {}
    if images * epochs <= FEW_IMAGES or given.get("keep"):
        batch = given.get("batch") or 0
        if batch < 1:  # none is given, or one that is still to be measured
            batch = batch_for(images)
        steps = {"batch": batch, "nbs": batch}, f"{images} images: one step per batch"
        rest = (
            {"freeze_bn": True},
            "the statistics of the weights, from many images, are better than those of small batches",
        )
        if is_tried(start, given):
            fallback = {name: value for name, value in KNOWN.items() if name not in given}
        reasons = [steps, *reasons, rest, _steps(start, bool(given.get("keep")), fallback)]
    settings: dict[str, Any] = {}
    if "optimizer" in given:  # whose rates are another's
        given = {**dict.fromkeys(("lr0", "momentum", "warmup_bias_lr")), **given}
    lines = ["recipe=auto (for the defaults of ultralytics, recipe=ultralytics):"]
    for values, why in reasons:
        chosen = {name: value for name, value in values.items() if name not in given}
        settings |= chosen
        if chosen:
            lines.append(f"  {write_settings(chosen)}: {why}")
    return Choice(settings, "\n".join(lines) if settings else "", fallback)


def is_tried(start: Start, given: Mapping[str, Any]) -> bool:
    """Whether an epoch of larger steps is tried first, on weights that know every class.

    They know the classes by name; whether they know how these look here, nothing says before. Where the user chooses
    the steps, or nothing is validated, there is nothing to try.
    """
    decided = given.keys() & {"optimizer", "lr0"}
    return start.new == 0 and given.get("val", True) and not given.get("keep") and not decided


def _steps(start: Start, keep: bool, fallback: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Optimizer, rate and average, and why."""
    if keep:
        return KEEP, f"{start.new} classes are learned and {start.known} kept: large steps that spare known classes"
    if fallback:
        return TRIED, (
            "the weights know every class by name, but these may look different here: larger steps are tried for one "
            f"epoch; if it is not clearly better than the start, training begins again with {write_settings(fallback)}"
        )
    if start.new == 0:
        return KNOWN, "the weights know every class: small steps, and an average that stays close to the start"
    new = f"{start.new} of {start.known + start.new} classes are new to the weights"
    return NEW, f"{new}: larger steps, and an average over the last ones"


def write_settings(settings: Mapping[str, Any]) -> str:
    """Settings as a user would give them: "lr0=0.001 momentum=0.9"."""
    return " ".join(f"{name}={value}" for name, value in settings.items())


def batch_for(images: int) -> int:
    """A power of two from 4 to 16 that makes about 16 steps an epoch, where there are images enough."""
    return max((size for size in (4, 8, 16) if size * 16 <= images), default=4)
