"""Arguments of scripts written for ultralytics, made those of seglab.

`translate` goes through what a verb was given: names that have changed get their new ones, values that can be honored
by rounding are, with a word; what has no effect on segmentation is dropped, and what seglab lacks is refused with one
sentence on what there is instead. DEFAULTS are the names and defaults that `yolo cfg` prints; docs/compat.md shows the
whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seglab.config import VERBS, Argument, arguments_of, refuse_unknown
from seglab.errors import SeglabError
from seglab.formats.text_files import read_yaml
from seglab.sizes import STRIDE, round_up

TRANSLATED = ("train", "val", "predict", "export")  # the verbs that scripts for ultralytics call
TASKS = ("segment", None)

# --- ultralytics' arguments ---

# Name -> default, in the order of `yolo cfg` (8.4).
DEFAULTS: dict[str, Any] = {
    "task": "detect",
    "mode": "train",
    "model": None,
    "data": None,
    "epochs": 100,
    "time": None,
    "patience": 100,
    "batch": 16,
    "imgsz": 640,
    "save": True,
    "save_period": -1,
    "cache": False,
    "device": None,
    "workers": 8,
    "project": None,
    "name": None,
    "exist_ok": False,
    "pretrained": True,
    "cls_remap": True,
    "optimizer": "auto",
    "verbose": True,
    "seed": 0,
    "deterministic": True,
    "single_cls": False,
    "rect": False,
    "cos_lr": False,
    "close_mosaic": 10,
    "resume": False,
    "amp": True,
    "fraction": 1.0,
    "profile": False,
    "freeze": None,
    "multi_scale": 0.0,
    "compile": False,
    "channels_last": None,
    "overlap_mask": True,
    "mask_ratio": 4,
    "dropout": 0.0,
    "val": True,
    "split": "val",
    "save_json": False,
    "conf": None,
    "iou": 0.7,
    "max_det": 300,
    "quantize": None,
    "dnn": False,
    "plots": True,
    "nms": None,
    "source": None,
    "vid_stride": 1,
    "stream_buffer": False,
    "visualize": False,
    "augment": False,
    "agnostic_nms": False,
    "classes": None,
    "retina_masks": False,
    "embed": None,
    "show": False,
    "save_frames": False,
    "save_txt": False,
    "save_conf": False,
    "save_crop": False,
    "show_labels": True,
    "show_conf": True,
    "show_boxes": True,
    "line_width": None,
    "format": "torchscript",
    "optimize": False,
    "dynamic": False,
    "simplify": True,
    "opset": None,
    "workspace": None,
    "lr0": 0.01,
    "lrf": 0.01,
    "momentum": 0.937,
    "weight_decay": 0.0005,
    "warmup_epochs": 3.0,
    "warmup_momentum": 0.8,
    "warmup_bias_lr": 0.1,
    "distill_model": None,
    "dis": 6.0,
    "box": 7.5,
    "cls": 0.5,
    "cls_pw": 0.0,
    "dfl": 1.5,
    "pose": 12.0,
    "kobj": 1.0,
    "rle": 1.0,
    "angle": 1.0,
    "dlog": 1.0,
    "dgrad": 0.5,
    "dlam": 1.0,
    "nbs": 64,
    "hsv_h": 0.015,
    "hsv_s": 0.7,
    "hsv_v": 0.4,
    "degrees": 0.0,
    "translate": 0.1,
    "scale": 0.5,
    "shear": 0.0,
    "perspective": 0.0,
    "flipud": 0.0,
    "fliplr": 0.5,
    "bgr": 0.0,
    "mosaic": 1.0,
    "mixup": 0.0,
    "cutmix": 0.0,
    "copy_paste": 0.0,
    "copy_paste_mode": "flip",
    "auto_augment": "randaugment",
    "erasing": 0.4,
    "cfg": None,
    "tracker": "tracktrack.yaml",
}

# Accepted by ultralytics too, but not among what `yolo cfg` prints: older names, and those of single verbs.
OTHER_NAMES = (
    "half", "int8", "keras", "end2end", "save_dir", "boxes", "hide_labels", "hide_conf", "line_thickness",
    "label_smoothing", "save_hybrid", "crop_fraction", "stream", "conf_thres", "iou_thres",
)  # fmt: skip


class NoEffect(NamedTuple):
    """Names that change nothing in the verbs that do not take them, and why."""

    reason: str
    names: tuple[str, ...]


# For the verbs whose own arguments (seglab.config) lack the name: in ultralytics it has no effect there either.
NO_EFFECT: tuple[NoEffect, ...] = (
    NoEffect("the task is always segment, and the verb is the one that you call", ("task", "mode")),
    NoEffect(
        "only training uses it",
        (
            "epochs",
            "time",
            "patience",
            "save_period",
            "cache",
            "pretrained",
            "optimizer",
            "seed",
            "deterministic",
            "cos_lr",
            "close_mosaic",
            "resume",
            "amp",
            "profile",
            "freeze",
            "multi_scale",
            "overlap_mask",
            "mask_ratio",
            "val",
            "lr0",
            "lrf",
            "momentum",
            "weight_decay",
            "warmup_epochs",
            "warmup_momentum",
            "warmup_bias_lr",
            "box",
            "cls",
            "cls_pw",
            "dfl",
            "nbs",
            "cls_remap",
            "distill_model",
        ),
    ),
    NoEffect(
        "only training augments images",
        (
            "hsv_h",
            "hsv_s",
            "hsv_v",
            "degrees",
            "translate",
            "scale",
            "shear",
            "perspective",
            "flipud",
            "fliplr",
            "bgr",
            "mosaic",
            "mixup",
            "cutmix",
            "copy_paste",
            "copy_paste_mode",
        ),
    ),
    NoEffect("part of the loss of other tasks", ("pose", "kobj", "rle", "angle", "dlog", "dgrad", "dlam")),
    NoEffect("for classification only", ("dropout", "auto_augment", "erasing")),
    NoEffect("there is no distillation without distill_model", ("dis",)),
    NoEffect("it reads no dataset", ("data", "split", "fraction", "single_cls", "workers")),
    NoEffect("an exported file detects all classes", ("classes",)),
    NoEffect("validation during training runs plain NMS per class", ("agnostic_nms", "augment")),
    NoEffect("the protocol determines the size at which masks are compared", ("retina_masks",)),
    NoEffect("images come from the dataset", ("source", "vid_stride", "stream_buffer", "stream")),
    NoEffect("it produces no results for single images", ("embed", "show", "save_frames", "save_crop")),
    NoEffect("it draws no images", ("show_labels", "show_conf", "show_boxes", "line_width", "visualize")),
    NoEffect(
        "it writes no such files",
        ("save", "save_json", "save_txt", "save_conf", "plots", "project", "exist_ok", "save_dir"),
    ),
    NoEffect("for export only", ("format", "optimize", "dynamic", "simplify", "opset", "workspace", "int8", "keras")),
    NoEffect("ONNX files run in onnxruntime, with the same results", ("dnn",)),
    NoEffect("seglab chooses it by the device; results do not depend on it", ("channels_last", "compile")),
    NoEffect("files are exported on the CPU, TensorRT engines on the first GPU", ("device",)),
    NoEffect("YOLO11 has a single head, whose boxes always need NMS", ("nms", "end2end")),
    NoEffect("amp= controls mixed precision; validation during training is in float32", ("half", "quantize")),
    NoEffect("imgsz determines the shape", ("rect",)),
    NoEffect("it prints the same either way", ("verbose",)),
    NoEffect("only track uses it", ("tracker",)),
    NoEffect("ultralytics has removed it", ("label_smoothing", "save_hybrid", "crop_fraction")),
)


class Refusal(NamedTuple):
    """An argument that would change something and that seglab lacks.

    harmless: the values that change nothing; instead: what there is for the others.
    """

    harmless: tuple
    instead: str


# In one verb a name may have no effect for a reason of its own.
OWN_REASONS: dict[tuple[str, str], str] = {
    ("predict", "stream_buffer"): "every frame is read, in order; vid_stride= skips frames",
    ("predict", "data"): "the classes are those of the weights",
}
OFF = (False, None, 0)
CLASSES = "{} has no class to replace; change what it does with add_callback(event, function)"
REFUSED: dict[tuple[str, str], Refusal] = {
    ("train", "distill_model"): Refusal((None,), "distillation is not supported; start from weights with model="),
    ("train", "cls_pw"): Refusal(OFF, "all classes have the same weight; list images of rare classes several times"),
    ("train", "cls_remap"): Refusal((True, None), "classes with the same name always keep their weights"),
    ("train", "copy_paste_mode"): Refusal(("flip", None), "copies are always mirrored within their image"),
    ("val", "mask_ratio"): Refusal((4, None), "masks are compared in full size, or at a quarter with protocol=yolo"),
    ("val", "overlap_mask"): Refusal((True, None), "masks are always compared in full, even where they overlap"),
    ("train", "save_json"): Refusal(OFF, "pass it to val() on the result"),
    ("train", "save_txt"): Refusal(OFF, "pass it to val() on the result"),
    ("train", "int8"): Refusal(OFF, "quantization-aware training is not supported; pass it to export() with data="),
    ("train", "trainer"): Refusal((None,), CLASSES.format("train")),
    ("val", "validator"): Refusal((None,), CLASSES.format("val")),
    ("predict", "predictor"): Refusal((None,), CLASSES.format("predict")),
    ("export", "keras"): Refusal(OFF, "seglab writes no Keras models; use format='saved_model' for TensorFlow"),
    ("export", "optimize"): Refusal(OFF, "TorchScript files run on phones as they are, leave it out"),
    ("export", "agnostic_nms"): Refusal(OFF, "pass it to predict() on the exported file"),
    ("export", "augment"): Refusal(OFF, "pass it to predict() on the exported file"),
    ("predict", "int8"): Refusal(OFF, "export with int8=True and data=, and predict with that file"),
    ("val", "int8"): Refusal(OFF, "export with int8=True and data=, and validate that file"),
}

# Values of export's device= that mean another chip than the one files are written on.
FOREIGN_DEVICES = ("dla", "npu", "xpu", "tpu", "intel")
PRECISIONS = {"16": "half", "fp16": "half", "8": "int8", "int8": "int8", "32": "", "fp32": ""}


# --- from theirs to ours ---

Say = Callable[[str], None]


def translate(verb: str, arguments: Mapping[str, Any], say: Say = print) -> dict[str, Any]:
    """The arguments of a verb as seglab takes them, without those that are None, which means the default.

    say: takes a line for every value that is changed or not used.
    Errors: SeglabError for the first name that is no argument, naming the one that was meant, and for the first value
    that asks for something seglab lacks, saying what there is instead.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    own = {about.name: about for config in VERBS[verb].arguments for about in arguments_of(config)}
    if "cfg" in given:
        given = {**of_config(read_config(given.pop("cfg")), own), **given}
    given = with_new_names(given)
    kept = {}
    for name, value in given.items():
        if name in own:
            kept[name] = honored(own[name], value, say)
            continue
        refuse_unsupported(verb, name, value)
        if name not in reasons():
            refuse_foreign(verb, name, own)
        if value != DEFAULTS.get(name) and name not in ("task", "mode"):
            say(f"{verb} does not use {name}={value!r}: {OWN_REASONS.get((verb, name), reasons()[name])}")
    return kept


def reasons() -> dict[str, str]:
    """Name -> why it has no effect in verbs that do not take it."""
    return {name: row.reason for row in NO_EFFECT for name in row.names}


def read_config(path: str | Path | Mapping) -> dict[str, Any]:
    """The content of a YAML file such as `seglab copy-cfg`, `yolo copy-cfg` or a run's args.yaml.

    Errors: SeglabError for a file that is not there or holds no such thing.
    """
    if isinstance(path, Mapping):
        return dict(path)
    if not isinstance(path, str | Path):  # as of a bare `--cfg`
        raise SeglabError(f"cfg={path} is not the name of a file: give a YAML file such as `seglab copy-cfg` writes")
    file = Path(path)
    if not file.is_file():
        raise SeglabError(f"cfg={path}: there is no such file; give a YAML file such as `seglab copy-cfg` writes")
    values = read_yaml(file)
    if not isinstance(values, Mapping):
        raise SeglabError(f"cfg={path} must contain arguments: write `name: value` lines")
    return dict(values)


def of_config(values: Mapping[str, Any], own: Mapping[str, Argument]) -> dict[str, Any]:
    """What a file of arguments for every verb says to this one, whose own ones are `own`.

    A value at ultralytics' default or at seglab's is as good as none: such files hold every argument. So is what is for
    other verbs, and the folder of the run that wrote the file.
    """
    kept = {}
    for name, value in values.items():
        if value is None or name in ("mode", "save_dir", "cfg"):
            continue
        is_default = name in DEFAULTS and value == DEFAULTS[name]
        is_own_default = name in own and value == own[name].default
        is_of_another_verb = name not in own and (name in verbs_of() or name in reasons())
        if not (is_default or is_own_default or is_of_another_verb):
            kept[name] = value
    return kept


def verbs_of() -> dict[str, list[str]]:
    """Name of an argument of seglab -> the verbs that take it."""
    found: dict[str, list[str]] = {}
    for verb in TRANSLATED:
        for config in VERBS[verb].arguments:
            for about in arguments_of(config):
                found.setdefault(about.name, []).append(verb)
    return found


def refuse_foreign(verb: str, name: str, own: Mapping[str, Argument]) -> None:
    """Errors: SeglabError for a name that the verb does not have, saying which verb has it or what was meant."""
    others = verbs_of().get(name)
    if others:
        raise SeglabError(f"{verb} has no argument '{name}': it belongs to {' and '.join(others)}, pass it there")
    refuse_unknown([name], own, verb)


def with_new_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Names and spellings that have changed, under the names they have now.

    Errors: SeglabError for another task, and for a precision that there is not.
    """
    given = dict(given)
    for old, new, turned in (
        ("boxes", "show_boxes", False),
        ("hide_labels", "show_labels", True),
        ("hide_conf", "show_conf", True),
        ("line_thickness", "line_width", False),
    ):
        if old in given:
            value = given.pop(old)
            given.setdefault(new, not value if turned else value)
    task = given.pop("task", None)
    if task not in TASKS:
        raise SeglabError(f"task={task!r} is not supported, only task='segment': leave it out")
    if "quantize" in given:
        precision = str(given.pop("quantize")).lower()
        if precision not in PRECISIONS:
            raise SeglabError(f"quantize={precision} must be 8 (int8), 16 (fp16) or 32 (fp32)")
        if PRECISIONS[precision]:
            given[PRECISIONS[precision]] = True
    if "save_dir" in given:
        folder = Path(str(given.pop("save_dir")))
        given |= {"project": str(folder.parent), "name": folder.name, "exist_ok": True}
    return given


def refuse_unsupported(verb: str, name: str, value: Any) -> None:
    """Errors: SeglabError for a value that would change something seglab lacks."""
    refusal = REFUSED.get((verb, name))
    if refusal is not None and value not in refusal.harmless:
        raise SeglabError(f"{verb} does not take {name}={value!r}: {refusal.instead}")
    if verb == "export" and name == "device" and str(value).lower().startswith(FOREIGN_DEVICES):
        raise SeglabError(f"export does not take device={value!r}: only CPUs and GPUs are supported, leave it out")


def honored(about: Argument, value: Any, say: Say) -> Any:
    """A value of another type or between the steps, as the nearest that the argument takes, with a word where it moved.

    What cannot be honored is given back as it is, for the verb to refuse.
    """
    hint = str(about.type)
    name = about.name
    if about.type is bool and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and "str" not in hint:
        value = _number(value)
    takes_whole = "int" in hint and "float" not in hint
    if takes_whole and isinstance(value, float) and value == value and abs(value) < 1e9:
        if value != int(value):
            say(f"{name}={value:g} is rounded to {round(value)}")
        value = round(value)
    if name == "imgsz":
        return _honored_size(about, value, say)
    if name == "amp" and value in ("fp16", "fp32"):
        return value == "fp16"
    if name == "cache" and isinstance(value, str):
        return {"true": "ram", "false": False}.get(value.lower(), value.lower())
    if name == "multi_scale" and isinstance(value, bool):
        return 0.5 if value else 0.0
    if name == "save_period" and value == 0:
        return -1
    return value


def _honored_size(about: Argument, value: Any, say: Say) -> Any:
    """An input size in multiples of the stride, square where the argument has one side only."""
    sides = [_number(side) for side in value] if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(side, (int, float)) and not isinstance(side, bool) and side > 0 for side in sides):
        return value
    rounded = [max(round_up(round(side)), STRIDE) for side in sides]
    only_square = "tuple" not in str(about.type)
    if only_square and len(rounded) > 1:
        say(f"imgsz={list(sides)}: the training input is square, with a side of {max(rounded)}")
        return max(rounded)
    if rounded != sides:
        written = rounded[0] if len(rounded) == 1 else rounded
        say(f"imgsz={value} is rounded up to {written}: sides must be multiples of {STRIDE}")
    return rounded[0] if len(rounded) == 1 else tuple(rounded)


def _number(text: Any) -> Any:
    """The number that a text is; anything else as it is."""
    if not isinstance(text, str):
        return text
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


# --- what docs/compat.md says ---


class Status(NamedTuple):
    """What an argument does in a verb. kind: "effective", "no-op" or "refused"; text: why, or what there is instead."""

    kind: str
    text: str


def status(verb: str, name: str) -> Status:
    """What seglab does with an argument of ultralytics. Errors: KeyError for a name that has no row."""
    renamed = {"quantize": ("half", "int8"), "boxes": ("show_boxes",), "hide_labels": ("show_labels",)}
    renamed |= {"hide_conf": ("show_conf",), "line_thickness": ("line_width",), "save_dir": ("project",)}
    own = {about.name for config in VERBS[verb].arguments for about in arguments_of(config)}
    if name == "cfg" or own & {name, *renamed.get(name, ())}:
        return Status("effective", "")
    if (verb, name) in REFUSED:
        return Status("refused", REFUSED[verb, name].instead)
    return Status("no-op", OWN_REASONS.get((verb, name), reasons()[name]))


def table() -> Iterator[tuple[str, dict[str, Status]]]:
    """Every argument that ultralytics prints, and what it does in each verb."""
    for name in DEFAULTS:
        yield name, {verb: status(verb, name) for verb in TRANSLATED}
