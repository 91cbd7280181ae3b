"""TensorFlow's SavedModel: for TensorFlow Serving and what is made of it. A folder with graph, weights and metadata."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import onnx
from seglab.export.foreign_tensors import fit_to_graph, is_channels_last
from seglab.export.metadata import ModelMetadata, read_sidecar, write_sidecar
from seglab.export.packages import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = "_saved_model"
PRECISIONS = ("fp32",)
DYNAMIC = False
RUNS_CODE = True  # TensorFlow's operations read and write files

SIGNATURE = "serving_default"
GRAPH = "saved_model.pb"
# The converter compares layouts of tensors on these images, which it would download if they were not in its folder.
SAMPLES = "calibration_image_sample_data_20x128x128x3_float32.npy"
SAMPLES_SHAPE = (20, 128, 128, 3)

write_metadata = write_sidecar


def needs() -> dict[str, str]:
    return {"tensorflow": "tensorflow", "onnx2tf": "onnx2tf"}


def runs_here() -> bool:
    return True


def write(model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """A SavedModel of one signature, by the names, layout and units that programs for other YOLO files know.

    images (B, H, W, 3) float32 in 0..1 -> output_0 (B, 4 + C + 32, A), the predictions with boxes in 0..1 of width and
    height, and output_1 (B, H/4, W/4, 32), the prototypes. Called by itself, the loaded model gives a list of both.
    """
    with tempfile.TemporaryDirectory() as folder:
        converted = convert(model, metadata, Path(folder))
        tensorflow = import_tensorflow()
        module = tensorflow.Module()
        module.network = converted  # whose weights are written with it

        @tensorflow.function(input_signature=[images_of(metadata, "images")])
        def call(images: Any) -> list[Any]:
            return list(call_converted(converted, images))

        @tensorflow.function(input_signature=[images_of(metadata, "images")])
        def serve(images: Any) -> dict[str, Any]:
            predictions, prototypes = call(images)
            return {"output_0": predictions, "output_1": prototypes}

        module.__call__ = call
        tensorflow.saved_model.save(module, str(path), signatures={SIGNATURE: serve})
    write_metadata(path, metadata)


def convert(model: YOLO11Seg, metadata: ModelMetadata, folder: Path) -> Any:
    """The network as TensorFlow loads it from onnx2tf, which is run as a program of its own in `folder`.

    It gets a copy of the ONNX file in which everything constant has been computed, since it stops at what is not.
    Errors: SeglabError where a package is missing, with the environment that has it, and where the converter fails.
    """
    try:
        require("onnx2tf", needs()["onnx2tf"])
    except SeglabError:
        raise SeglabError(
            "format=saved_model and format=pb convert with onnx2tf, which needs older versions of numpy and onnx: "
            "export in a separate environment (in a clone: python -m venv tensorflow; tensorflow/bin/pip install . "
            "onnx2tf); what it writes runs anywhere with tensorflow"
        ) from None
    onnx.write(model, folder / "model.onnx", replace(metadata, precision="fp32"))
    _fold(folder / "model.onnx", folder / "folded.onnx")
    samples = np.random.default_rng(0).random(SAMPLES_SHAPE, dtype=np.float32)
    np.save(folder / SAMPLES, samples)

    options = ["--not_use_onnxsim", "--verbosity", "error"]
    command = [sys.executable, "-m", "onnx2tf", "-i", "folded.onnx", "-o", "converted", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if not (folder / "converted" / GRAPH).is_file():
        last_line = (done.stderr or done.stdout or "no message").strip().splitlines()[-1]
        raise SeglabError(f"onnx2tf cannot convert the network ({last_line[:300]}): export it with another imgsz")
    return import_tensorflow().saved_model.load(str(folder / "converted"))


def _fold(source: Path, folded: Path) -> None:
    """Write a copy of an ONNX file in which onnxruntime has computed what is constant."""
    onnxruntime = require("onnxruntime", onnx.needs()["onnxruntime"])
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def images_of(metadata: ModelMetadata, name: str) -> Any:
    """What the graph takes: images (B, H, W, 3) float32, under a name."""
    tensorflow = import_tensorflow()
    return tensorflow.TensorSpec((metadata.batch, *metadata.size, 3), tensorflow.float32, name=name)


def call_converted(converted: Any, images: Any) -> tuple[Any, Any]:
    """TensorFlow's images (B, H, W, 3) -> predictions (B, 4 + C + 32, A) with boxes in 0..1, prototypes."""
    tensorflow = import_tensorflow()
    signature = converted.signatures[SIGNATURE]
    (input_name,) = signature.structured_input_signature[1]
    outputs = {len(output.shape): output for output in signature(**{input_name: images}).values()}
    predictions, prototypes = outputs[3], outputs[4]  # known by their dimensions
    height, width = images.shape[1:3]
    scale = tensorflow.constant([1 / width, 1 / height, 1 / width, 1 / height], tensorflow.float32)
    boxes = predictions[:, :4] * scale[:, None]
    return tensorflow.concat([boxes, predictions[:, 4:]], axis=1), prototypes


def load(path: Path) -> Runtime:
    """Run the folder on the CPU: whatever its program says, so it must come from somebody that the user trusts."""
    tensorflow = import_tensorflow()
    metadata = read_sidecar(path)
    if not (path / GRAPH).is_file():
        raise SeglabError(f"{path} has no {GRAPH}: export it again")
    try:
        with tensorflow.device("/CPU:0"):
            signature = tensorflow.saved_model.load(str(path)).signatures[SIGNATURE]
    except (OSError, KeyError, ValueError, tensorflow.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise SeglabError(f"tensorflow cannot read {path} ({reason}): export it again") from None
    ((input_name, images),) = signature.structured_input_signature[1].items()

    def call(values: Any) -> list[Any]:
        return list(signature(**{input_name: values}).values())

    return make_runtime(path, metadata, call, images, list(signature.structured_outputs.values()))


def make_runtime(path: Path, metadata: ModelMetadata, call: Any, images: Any, outputs: list[Any]) -> Runtime:
    """The runtime of a program of TensorFlow.

    call: a tensor of images -> outputs in any order. images, outputs: their specifications, with `shape`.
    """
    tensorflow = import_tensorflow()
    channels_last = False
    if metadata.is_foreign:
        metadata = fit_to_graph(metadata, images.shape.as_list(), [output.shape.as_list() for output in outputs])
        channels_last = is_channels_last(images.shape.as_list())

    def run(batch: Tensor) -> list[Tensor]:
        values = batch if metadata.is_foreign else batch.permute(0, 2, 3, 1)
        with tensorflow.device("/CPU:0"):
            given = call(tensorflow.constant(values.numpy(), images.dtype))
        ordered = sorted((torch.from_numpy(output.numpy().copy()) for output in given), key=Tensor.dim)
        if metadata.is_foreign:
            return ordered
        predictions, prototypes = ordered
        height, width = metadata.size
        predictions[:, :4] *= torch.tensor([width, height, width, height])[:, None]
        return [predictions, prototypes.permute(0, 3, 1, 2).contiguous()]

    return Runtime(path, metadata, run, channels_last=channels_last)


def import_tensorflow() -> Any:
    """TensorFlow on as many threads as torch uses, if it has not begun to compute; it says errors alone."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tensorflow = require("tensorflow", needs()["tensorflow"])
    try:
        tensorflow.config.threading.set_intra_op_parallelism_threads(torch.get_num_threads())
    except RuntimeError:  # it has begun
        pass
    return tensorflow
