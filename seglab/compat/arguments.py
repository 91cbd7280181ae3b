"""Arguments of scripts written for ultralytics that seglab does not use.

An argument that changes nothing here is dropped, so that a script runs with its import changed; one that would change
something is refused with one sentence on what seglab has instead. The names are ultralytics' public ones, without
those that seglab has too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from seglab.errors import SeglabError

ANY = None  # in place of the harmless values: whatever the value, nothing changes here
OFF = (False, None)


class Unsupported(NamedTuple):
    """harmless: the values that change nothing here, or ANY; instead: what seglab has for the others, "" with ANY."""

    harmless: tuple | None
    instead: str


DROPPED = Unsupported(ANY, "")
INNER_LAYERS = "use a forward hook on model.network to see inner layers"

EVERYWHERE = {
    "augment": Unsupported(OFF, "seglab has no test-time augmentation, leave it out"),
    "compile": Unsupported(OFF, "networks are not compiled; on CPUs, predict() has engine='auto'"),
    "dnn": Unsupported(OFF, "export with format='onnx' and open that file, which runs in onnxruntime"),
    "single_cls": Unsupported(OFF, "give the dataset's YAML a single name, with labels of class 0"),
    "task": Unsupported(("segment", None), "seglab supports instance segmentation only"),
}

# verb -> argument -> which of its values change nothing, and what there is instead of the others.
ARGUMENTS: dict[str, dict[str, Unsupported]] = {
    "train": {
        **EVERYWHERE,
        "auto_augment": DROPPED,
        "erasing": DROPPED,
        "kobj": DROPPED,
        "pose": DROPPED,
        "verbose": DROPPED,
        "classes": Unsupported((None,), "write a dataset that labels these classes only"),
        "conf": Unsupported((None, 0.001), "pass it to val()"),
        "copy_paste_mode": Unsupported(("flip",), "copies are pasted mirrored, within one image"),
        "dropout": Unsupported((0, None), "the network has no dropout; use weight_decay and augmentation"),
        "fraction": Unsupported((1,), "write a dataset YAML that lists fewer images"),
        "half": Unsupported(OFF, "pass it to export()"),
        "iou": Unsupported((0.7,), "pass it to val()"),
        "max_det": Unsupported((300,), "pass it to val()"),
        "multi_scale": Unsupported((0, None), "use scale=, which changes the size of instances from image to image"),
        "profile": Unsupported(OFF, "use `seglab benchmark`, which times every format"),
        "rect": Unsupported(OFF, "training images are square; pass it to val() or predict()"),
        "save_json": Unsupported(OFF, "pass it to val()"),
        "split": Unsupported(("val",), "training validates on the split val; pass another one to val()"),
        "time": Unsupported((None,), "set the length with epochs="),
    },
    "val": {
        **EVERYWHERE,
        "retina_masks": DROPPED,
        "save_hybrid": DROPPED,
        "agnostic_nms": Unsupported(OFF, "metrics are computed class by class"),
        "classes": Unsupported((None,), "look at the metrics of each class, e.g. metrics.seg.maps"),
        "half": Unsupported(OFF, "weights are validated in float32; export with half=True and validate that file"),
        "save_conf": Unsupported(OFF, "pass it to predict()"),
        "save_crop": Unsupported(OFF, "pass it to predict()"),
        "save_txt": Unsupported(OFF, "pass it to predict()"),
        "visualize": Unsupported(OFF, INNER_LAYERS),
    },
    "predict": {
        **EVERYWHERE,
        "embed": Unsupported((None,), INNER_LAYERS),
        "retina_masks": DROPPED,  # masks always have the image's own resolution
        "save_frames": Unsupported(OFF, "loop over predict(..., stream=True) and save() each result"),
        "show": Unsupported(OFF, "call show() on each result"),
        "stream_buffer": Unsupported(OFF, "frames are read in order, when they are needed"),
        "visualize": Unsupported(OFF, INNER_LAYERS),
    },
    "export": {
        **EVERYWHERE,
        "simplify": DROPPED,
        "verbose": DROPPED,
        "agnostic_nms": Unsupported(OFF, "pass it to predict() on the exported file"),
        "device": Unsupported(
            (None, "cpu", 0, "0", "cuda", "cuda:0"), "files are written on the CPU, TensorRT engines on the first GPU"
        ),
        "fraction": Unsupported((1,), "int8 is calibrated on up to 64 images of data="),
        "keras": Unsupported(OFF, "seglab writes no SavedModel; use format='litert' or 'onnx'"),
        "opset": Unsupported((None, 17), "ONNX files have opset 17"),
        "optimize": Unsupported(OFF, "TorchScript files run on phones as they are, leave it out"),
        "workspace": Unsupported((None,), "TensorRT takes the memory it needs, leave it out"),
    },
}


def drop_unsupported(verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a verb without those that change nothing here.

    Errors: SeglabError for the first that asks for something seglab does not have, saying what it has instead.
    """
    table = ARGUMENTS[verb]
    for name, value in arguments.items():
        row = table.get(name, DROPPED)
        if row.harmless is not None and value not in row.harmless:
            raise SeglabError(f"{verb} does not take {name}={value!r}: {row.instead}")
    return {name: value for name, value in arguments.items() if name not in table}


def unsupported(name: str, instead: str) -> Callable[..., Any]:
    """A method that seglab does not have: calling it raises SeglabError, which says what there is instead."""

    def method(*_: Any, **__: Any) -> Any:
        raise SeglabError(f"seglab has no {name}(): {instead}")

    return method
