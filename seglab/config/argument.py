"""What an argument is, and how values are checked against it."""

from __future__ import annotations

import difflib
import math
import numbers
import types
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from seglab.errors import SeglabError

MAX_LISTED = 12  # names in a message, where help lists them too
# Words of other tools -> what they may mean here, the likeliest first.
OTHER_WORDS = {
    "size img_size imgsize image_size img imgs input_size resolution sz": ("imgsz", "size", "source"),
    "batch_size batchsize bs bsz per_device_train_batch_size": ("batch",),
    "weight weights checkpoint ckpt model_path pt": ("model", "pretrained"),
    "lr learning_rate initial_lr base_lr": ("lr0",),
    "epoch num_epochs n_epochs max_epochs num_train_epochs iterations steps": ("epochs",),
    "num_workers n_workers nproc threads jobs": ("workers",),
    "confidence threshold thresh score score_thr conf_thres conf_thresh conf_threshold min_conf": ("conf",),
    "iou_thres iou_thresh iou_threshold nms_iou nms_thres nms_threshold": ("iou",),
    "gpu gpus cuda devices accelerator": ("device",),
    "fp16 half_precision": ("half", "amp"),
    "dataset datasets data_yaml yaml dataset_path": ("data",),
    "image images input inputs path file video src folder": ("source", "data", "file"),
    "output output_dir out_dir outdir save_path run_dir": ("project", "out"),
    "early_stopping early_stop": ("patience",),
    "opt optim": ("optimizer",),
    "wd decay": ("weight_decay",),
    "quality fmt type to": ("format", "to"),
    "num_classes nc class_ids filter_classes cls_ids": ("classes",),
    "max_detections maxdet topk": ("max_det",),
    "tta": ("augment",),
    "frame_stride stride skip_frames": ("vid_stride",),
    "draw annotate": ("save",),
    "random_seed": ("seed",),
}

# Headings of `seglab help`.
DATA = "Model and data"
READING = "Images"
RUN = "Training"
MACHINE = "Device and speed"
OPTIMIZER = "Optimizer"
LOSS = "Loss"
AUGMENTATION = "Augmentation"
DETECTION = "Detections"
OUTPUT = "Output"


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


_known: dict[type, tuple[Argument, ...]] = {}  # every call of a verb asks, and evaluating the hints takes milliseconds


def arguments_of(config: type) -> tuple[Argument, ...]:
    """The arguments of one class, in the order in which it lists them."""
    if config not in _known:
        _known[config] = tuple(_read_arguments(config))
    return _known[config]


def _read_arguments(config: type) -> list[Argument]:
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


# --- checks ---


def refuse_unknown(
    given: Iterable[str], valid: Iterable[str], where: str = "", kind: str = "argument", help_mode: str | None = None
) -> None:
    """Raise SeglabError for the first name that does not exist, giving the nearest one that does.

    where: who has no such name ("train has no argument ..."), "" for "there is no ..."; kind: what the names are
    names of. help_mode: the mode whose `seglab help` lists them, which for arguments is `where`; "" where none does.
    """
    if help_mode is None:
        help_mode = where if kind == "argument" else ""
    subject = f"{where} has" if where else "there is"
    valid = sorted(valid)
    for name in given:
        if name not in valid:
            nearest = nearest_name(str(name), valid)
            if nearest:
                advice = f"did you mean '{nearest}'?"
            elif len(valid) > MAX_LISTED and help_mode:
                advice = f"`seglab help {help_mode}` lists all {len(valid)}"
            else:
                advice = f"choose one of {', '.join(valid)}"
            raise SeglabError(f"{subject} no {kind} '{name}': {advice}")


def nearest_name(wrong: str, valid: Iterable[str]) -> str:
    """The valid name that was probably meant: what the word stands for in other tools, or is spelled like; else ""."""
    valid = list(valid)
    plain = wrong.lower().replace("-", "_")
    meant = [name for words, names in OTHER_WORDS.items() if plain in words.split() for name in names if name in valid]
    if plain in valid:
        return plain
    nearest = difflib.get_close_matches(plain, valid, n=1, cutoff=0.7)  # below, advice misleads
    return next(iter([*meant, *nearest]), "")


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


def class_ids(classes: Any) -> list[int]:
    """Class ids as an int or any sequence of numbers -> a list of ints. Errors: SeglabError for anything else."""
    try:
        several = list(classes)
    except TypeError:  # one number
        several = [classes]
    try:
        return [int(class_id) for class_id in several]
    except (TypeError, ValueError):
        raise SeglabError(f"classes={classes!r} must be class ids, e.g. classes=[0, 2]") from None


@dataclass(frozen=True)
class Arguments:
    """Arguments that belong together. Errors: SeglabError from the constructor for a value that does not fit."""

    def __post_init__(self) -> None:
        for about in arguments_of(type(self)):
            value = getattr(self, about.name)
            if value is None and about.default is not MISSING:  # None means the default everywhere
                value = about.default
            self._set(about.name, fit_value(about, value))

    def _set(self, name: str, value: Any) -> None:
        """Give an argument its checked value, while the object is made."""
        object.__setattr__(self, name, value)
