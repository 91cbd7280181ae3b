"""OpenVINO: the fastest way on x86 processors. A folder with graph (.xml), weights (.bin) and description."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import onnx
from seglab.export.description import Description, read_beside, write_beside
from seglab.export.formats import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

describe = write_beside


def write(model: YOLO11Seg, path: Path, description: Description, calibration: Iterable[Tensor] = ()) -> None:
    """Translate the ONNX file of the same model; its int8 version when the description says so."""
    package = _package()
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        half = description.precision == "fp16"
        onnx.write(model, source, replace(description, precision="fp32") if half else description, calibration)
        graph = package.Core().read_model(source)
        package.save_model(graph, path / "model.xml", compress_to_fp16=half)
    describe(path, description)


def load(path: Path) -> Runtime:
    """Run the folder on the CPU on as many threads as torch uses.

    Arithmetic is float32, asked for by name: on processors that can, OpenVINO would otherwise choose bfloat16 and be
    off by tens of pixels without a word.
    """
    package = _package()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    try:
        compiled = package.Core().compile_model(path / "model.xml", "CPU", settings)
    except RuntimeError as error:
        raise SeglabError(f"openvino cannot read {path} ({str(error).splitlines()[0]}): export it again") from None

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        outputs = compiled([images.numpy()])
        return torch.from_numpy(outputs[0].copy()), torch.from_numpy(outputs[1].copy())

    return Runtime(path, read_beside(path), run)


def _package() -> ModuleType:
    # Its companion reports usage to its maker unless told otherwise; without the companion, nothing is sent.
    sys.modules.setdefault("openvino_telemetry", None)
    return require("openvino", "openvino")
