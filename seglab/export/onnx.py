"""ONNX: one file that most runtimes read."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export.deployed import Deployed
from seglab.export.description import Description
from seglab.export.formats import require
from seglab.export.int8 import quantise
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

OPSET = 17  # read by every onnxruntime since 1.12 (2022), TensorRT since 8.6 and OpenVINO since 2023
DYNAMIC_AXES = {
    "images": {0: "batch", 2: "height", 3: "width"},
    "predictions": {0: "batch", 2: "anchors"},
    "prototypes": {0: "batch", 2: "prototype_height", 3: "prototype_width"},
}


def write(model: YOLO11Seg, path: str | Path, description: Description, calibration: Iterable[Tensor] = ()) -> None:
    """Write `model` as ONNX: images -> predictions, prototypes (shapes: `Deployed`), weights and description inside.

    calibration: for int8, batches of letterboxed images (B, 3, H, W) float in 0..1 that set the ranges.
    The exporter that traces is used: it writes the same numbers as the one built on torch.export, at a tenth of the
    time, needs no further package, and serves every torch from 2.4 on.
    Errors: onnx.checker.ValidationError when the written graph is not valid ONNX.
    """
    import onnx

    deployed = Deployed(model, half=description.precision == "fp16")
    tracing = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size check is a Python condition and the exporter announces its age
        torch.onnx.export(
            deployed,
            (torch.zeros(description.batch, 3, *description.size),),
            str(path),
            input_names=["images"],
            output_names=["predictions", "prototypes"],
            dynamic_axes=DYNAMIC_AXES if description.dynamic else None,
            opset_version=OPSET,
            **tracing,
        )
    if description.precision == "int8":
        quantise(path, calibration)
    onnx.checker.check_model(str(path), full_check=True)
    describe(path, description)


def describe(path: str | Path, description: Description) -> None:
    """Replace what an ONNX file says about itself."""
    import onnx

    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, description.to_strings())
    onnx.save(graph, path)


def load(path: str | Path) -> Runtime:
    """Run an ONNX file through onnxruntime on as many threads as torch uses.

    Errors: SeglabError when onnxruntime is missing, the file is damaged or says nothing about itself.
    """
    onnxruntime = require("onnxruntime", "onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common public base
        raise SeglabError(f"onnxruntime cannot read {path} ({error}): export it again") from None
    description = Description.from_strings(session.get_modelmeta().custom_metadata_map, str(path))

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        predictions, prototypes = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        return torch.from_numpy(predictions), torch.from_numpy(prototypes)

    return Runtime(path, description, run)
