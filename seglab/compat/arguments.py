"""Arguments that scripts for ultralytics carry and seglab has no use for.

What changes nothing here is dropped, so that a script runs with its import changed; what would change something is
met with one sentence on what seglab has instead. The names are ultralytics' public ones that are not seglab's too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seglab.errors import SeglabError

ANY = None  # in place of the values: whatever is said under this name, nothing changes here
OFF = (False, None)
_EVERYWHERE = {
    "augment": (OFF, "seglab looks at every image once, so leave it out"),
    "compile": (OFF, "networks run uncompiled; on CPUs predict takes engine='auto'"),
    "dnn": (OFF, "export with format='onnx' and open the file, which runs through onnxruntime"),
    "single_cls": (OFF, "give the dataset's YAML a single name, with labels of class 0"),
    "task": (("segment", None), "seglab finds instances with masks only"),
}
_INNER_LAYERS = "take inner layers with a forward hook on model.network"

# verb -> name -> (the values that change nothing, what seglab has instead)
ARGUMENTS: dict[str, dict[str, tuple[tuple | None, str]]] = {
    "train": {
        **_EVERYWHERE,
        **dict.fromkeys(("verbose", "auto_augment", "erasing", "pose", "kobj"), (ANY, "")),
        **dict.fromkeys(("save_json", "half"), (OFF, "say it to val or export")),
        "classes": ((None,), "write a dataset that labels these classes only"),
        "conf": ((None, 0.001), "say it to val"),
        "copy_paste_mode": (("flip",), "copies are pasted mirrored, within one image"),
        "dropout": ((0, None), "the network has no dropout; weight_decay and augmentation regularise it"),
        "fraction": ((1,), "write a dataset YAML that lists fewer images"),
        "iou": ((0.7,), "say it to val"),
        "max_det": ((300,), "say it to val"),
        "multi_scale": ((0, None), "scale= changes the size of the objects from image to image"),
        "profile": (OFF, "`seglab benchmark` times every format"),
        "rect": (OFF, "training images are square; val and predict take rect="),
        "split": (("val",), "training validates on the split val; name another to val"),
        "time": ((None,), "say how long in epochs="),
    },
    "val": {
        **_EVERYWHERE,
        **dict.fromkeys(("retina_masks", "save_hybrid"), (ANY, "")),
        **dict.fromkeys(("save_txt", "save_conf", "save_crop", "visualize"), (OFF, "say it to predict")),
        "agnostic_nms": (OFF, "figures are counted class by class"),
        "classes": ((None,), "figures come class by class, as in metrics.seg.maps"),
        "half": (OFF, "weights are validated in float32; export with half=True and validate that file"),
    },
    "predict": {
        **_EVERYWHERE,
        "embed": ((None,), _INNER_LAYERS),
        "retina_masks": (ANY, ""),  # masks always have the image's own resolution
        "save_frames": (OFF, "loop over predict(..., stream=True) and save() each result"),
        "show": (OFF, "call show() on each result"),
        "stream_buffer": (OFF, "frames are read in turn, as they are asked for"),
        "visualize": (OFF, _INNER_LAYERS),
    },
    "export": {
        **_EVERYWHERE,
        **dict.fromkeys(("simplify", "verbose"), (ANY, "")),
        "agnostic_nms": (OFF, "predict on the file with agnostic_nms=True"),
        "device": ((None, "cpu", 0, "0", "cuda", "cuda:0"), "files are written on the CPU, engines on the first GPU"),
        "fraction": ((1,), "int8 is calibrated on up to 64 images of data="),
        "keras": (OFF, "seglab writes no SavedModel; use format='litert' or 'onnx'"),
        "opset": ((None, 17), "ONNX files have opset 17"),
        "optimize": (OFF, "leave it out; TorchScript files run on phones as they are"),
        "workspace": ((None,), "leave it out; TensorRT takes the memory it needs"),
    },
}


def drop_unsupported(verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a verb without those that change nothing here.

    Errors: SeglabError for the first that asks for something seglab does not have, saying what it has instead.
    """
    for name, value in arguments.items():
        harmless, instead = ARGUMENTS[verb].get(name, (ANY, ""))
        if harmless is not ANY and value not in harmless:
            raise SeglabError(f"{verb} does not take {name}={value!r}: {instead}")
    return {name: value for name, value in arguments.items() if name not in ARGUMENTS[verb]}


def unsupported(name: str, instead: str) -> Callable[..., Any]:
    """A method that seglab does not have: calling it raises SeglabError, which says what there is instead."""

    def method(*_: Any, **__: Any) -> Any:
        raise SeglabError(f"seglab has no {name}: {instead}")

    return method
