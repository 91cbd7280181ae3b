"""Core ML: for Apple's devices. Any system converts; only macOS runs, so only there the file can be verified."""

from __future__ import annotations

import platform
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import pt2
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

RUNS_HERE = platform.system() == "Darwin"
OUTPUTS = ("predictions", "prototypes")
# What fp16 computes in float16: the layers that take the time. What lies between them and decoding stay float32.
IN_HALF = {"conv", "conv_transpose", "silu", "max_pool", "upsample_nearest_neighbor"}


def write(model: YOLO11Seg, path: Path, description: ModelMetadata) -> None:
    """Convert the exported program to an ML program, with the description as user-defined metadata.

    fp16 is the precision Apple's neural engine computes in; asked for, the network's layers take it, while input,
    decoding and outputs stay float32 as in every format.
    """
    package = require("coremltools", "coremltools")
    program = pt2.program(model, replace(description, precision="fp32")).run_decompositions({})
    if description.precision == "fp16":
        precision = package.transform.FP16ComputePrecision(op_selector=lambda op: op.op_type in IN_HALF)
    else:
        precision = package.precision.FLOAT32
    converted = package.convert(
        program,
        outputs=[package.TensorType(name, dtype=np.float32) for name in OUTPUTS],
        minimum_deployment_target=package.target.iOS16,
        compute_precision=precision,
    )
    converted.user_defined_metadata.update(description.to_strings())
    converted.license = description.license
    converted.save(path)


def describe(path: Path, description: ModelMetadata) -> None:
    """Replace what the package says about itself."""
    package = require("coremltools", "coremltools")
    model = package.models.MLModel(str(path), skip_model_load=True)
    model.user_defined_metadata.update(description.to_strings())
    fresh = path.with_name(f"fresh-{path.name}")
    model.save(fresh)
    shutil.rmtree(path)
    fresh.replace(path)


def load(path: Path) -> Runtime:
    """Run the package. Errors: SeglabError on systems other than macOS."""
    package = require("coremltools", "coremltools")
    if not RUNS_HERE:
        raise SeglabError(f"{path} runs on macOS only: predict with the ONNX file of the same model here")
    model = package.models.MLModel(str(path))
    description = ModelMetadata.from_strings(dict(model.user_defined_metadata), str(path))

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model.predict({"images": images.numpy()})
        return tuple(torch.from_numpy(outputs[name]) for name in OUTPUTS)

    return Runtime(path, description, run)
