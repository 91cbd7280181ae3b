"""Core ML: for Apple's devices. Any system can convert; only macOS can run the file, so only there is it verified."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import pt2
from seglab.export.metadata import ModelMetadata
from seglab.export.packages import require
from seglab.export.runtime import Runtime
from seglab.files import replace as replace_with
from seglab.files import staging_dir
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = ".mlpackage"
PRECISIONS = ("fp32", "fp16")
DYNAMIC = False
RUNS_CODE = False

OUTPUTS = ("predictions", "prototypes")
# What fp16 computes in float16: the layers that take the time. What lies between them and decoding stay float32.
IN_HALF = {"conv", "conv_transpose", "silu", "max_pool", "upsample_nearest_neighbor"}


def needs() -> dict[str, str]:
    return {"coremltools": "coremltools"}


def runs_here() -> bool:
    return platform.system() == "Darwin"


def write(model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """Convert the exported program to an ML program, with the metadata as user-defined metadata.

    fp16 is the precision Apple's neural engine computes in; asked for, the network's layers take it, while input,
    decoding and outputs stay float32 as in every format.
    """
    package = _package()
    program = pt2.program(model, replace(metadata, precision="fp32")).run_decompositions({})
    if metadata.precision == "fp16":
        precision = package.transform.FP16ComputePrecision(op_selector=lambda op: op.op_type in IN_HALF)
    else:
        precision = package.precision.FLOAT32
    converted = package.convert(
        program,
        outputs=[package.TensorType(name, dtype=np.float32) for name in OUTPUTS],
        minimum_deployment_target=package.target.iOS16,
        compute_precision=precision,
    )
    converted.user_defined_metadata.update(metadata.to_strings())
    converted.license = metadata.license
    converted.save(path)


def write_metadata(path: Path, metadata: ModelMetadata) -> None:
    """Replace the metadata of the package."""
    model = _package().models.MLModel(str(path), skip_model_load=True)
    model.user_defined_metadata.update(metadata.to_strings())
    with staging_dir(path) as folder:
        copy = folder / path.name
        model.save(copy)
        replace_with(copy, path)


def load(path: Path) -> Runtime:
    """Run the package. Errors: SeglabError on systems other than macOS."""
    package = _package()
    if not runs_here():
        raise SeglabError(f"{path} runs on macOS only: here, predict with an ONNX file of the same model")
    model = package.models.MLModel(str(path))
    metadata = ModelMetadata.from_strings(dict(model.user_defined_metadata), str(path))

    def run(images: Tensor) -> list[Tensor]:
        outputs = model.predict({"images": images.numpy()})
        return [torch.from_numpy(outputs[name]) for name in OUTPUTS]

    return Runtime(path, metadata, run)


def _package() -> ModuleType:
    return require("coremltools", needs()["coremltools"])
