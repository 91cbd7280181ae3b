"""ONNX: one file that most runtimes read."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from seglab.errors import SeglabError
from seglab.export import foreign
from seglab.export.end_to_end import EndToEnd
from seglab.export.inference_model import DTYPES, InferenceModel
from seglab.export.int8 import quantise
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

OPSET = 17  # read by every onnxruntime since 1.12 (2022), TensorRT since 8.6 and OpenVINO since 2023
DYNAMIC_AXES = {
    "images": {0: "batch", 2: "height", 3: "width"},
    "predictions": {0: "batch", 2: "anchors"},
    "prototypes": {0: "batch", 2: "prototype_height", 3: "prototype_width"},
}
END_TO_END_AXES = {
    "image": {0: "height", 1: "width"},
    "boxes": {0: "found"},
    "scores": {0: "found"},
    "classes": {0: "found"},
    "masks": {0: "found", 1: "height", 2: "width"},
}


def write(model: YOLO11Seg, path: str | Path, description: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """Write `model` as ONNX, weights and description inside.

    images -> predictions, prototypes (shapes: `Deployed`); where the description says end to end, image -> boxes,
    scores, classes, masks (shapes: `EndToEnd`) and those two. calibration: for int8, batches of letterboxed images
    (B, 3, H, W) float in 0..1 that set the ranges.
    Errors: onnx.checker.ValidationError when the written graph is not valid ONNX.
    """
    import onnx

    deployed = InferenceModel(model, DTYPES[description.precision])
    settings = description.end_to_end
    if settings:
        whole = EndToEnd(deployed, description.size, **settings, mask_targets=description.mask_targets).eval()
        found = ["boxes", "scores", "classes", "masks"][: 4 if settings["masks"] else 3]
        axes = {name: END_TO_END_AXES[name] for name in ("image", *found)}
        _trace(whole, torch.zeros(48, 64, 3, dtype=torch.uint8), path, ["image"], found, axes)
    else:
        example = torch.zeros(description.batch, 3, *description.size)
        _trace(deployed, example, path, ["images"], [], DYNAMIC_AXES if description.dynamic else {})
    if description.precision == "int8":
        quantise(path, calibration)
    onnx.checker.check_model(str(path), full_check=True)
    describe(path, description)


def _trace(
    module: nn.Module, example: Tensor, path: str | Path, inputs: list[str], found: list[str], axes: dict[str, dict]
) -> None:
    """Through the exporter that traces: it writes the same numbers as the one built on torch.export, at a tenth of the
    time, needs no further package, and serves every torch from 2.4 on."""
    tracing = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size check is a Python condition and the exporter announces its age
        torch.onnx.export(
            module,
            (example,),
            str(path),
            input_names=inputs,
            output_names=[*found, "predictions", "prototypes"],
            dynamic_axes=axes,
            opset_version=OPSET,
            **tracing,
        )


def describe(path: str | Path, description: ModelMetadata) -> None:
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
    description = ModelMetadata.from_strings(session.get_modelmeta().custom_metadata_map, str(path))
    image_input = session.get_inputs()[0]
    given = image_input.name
    outputs = [output.name for output in session.get_outputs()]
    channels_last = False
    if description.is_foreign:
        shapes = [output.shape for output in session.get_outputs()]
        description = foreign.fit_to_graph(description, image_input.shape, shapes)
        channels_last = foreign.is_channels_last(image_input.shape)
    dtype = np.float16 if image_input.type == "tensor(float16)" else np.float32

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        predictions, prototypes = session.run(None, {given: images.numpy().astype(dtype, copy=False)})
        return torch.from_numpy(predictions), torch.from_numpy(prototypes)

    def run_dense(images: Tensor) -> tuple[Tensor, Tensor]:
        """Through an end-to-end file, which letterboxes: what is letterboxed already it leaves as it is."""
        image = (images[0] * 255).round().byte().permute(1, 2, 0).contiguous()
        predictions, prototypes = session.run(outputs[-2:], {given: image.numpy()})
        return torch.from_numpy(predictions), torch.from_numpy(prototypes)

    def complete(image: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(session.run(outputs[:-2], {given: np.ascontiguousarray(image)}))

    if description.end_to_end:
        return Runtime(path, description, run_dense, complete)
    return Runtime(path, description, run, channels_last=channels_last)
