"""OpenVINO: the fastest way on x86 CPUs. A folder with graph (.xml), weights (.bin) and description."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import foreign, onnx
from seglab.export.metadata import ModelMetadata, read_beside, write_beside
from seglab.export.registry import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

GRAPH = "model.xml"

describe = write_beside


def write(model: YOLO11Seg, path: Path, description: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """Translate the ONNX file of the same model; its int8 version when the description says so."""
    package = _package()
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        half = description.precision == "fp16"
        onnx.write(model, source, replace(description, precision="fp32") if half else description, calibration)
        graph = package.Core().read_model(source)
        package.save_model(graph, path / GRAPH, compress_to_fp16=half)
    describe(path, description)


def load(path: Path) -> Runtime:
    """Run the folder on the CPU on as many threads as torch uses.

    Arithmetic is float32, asked for by name: on CPUs that can, OpenVINO would otherwise choose bfloat16 and be
    off by tens of pixels without a word.
    """
    package = _package()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    core, graph_file = package.Core(), find_graph(path)
    try:
        graph = core.read_model(graph_file)
        compiled = core.compile_model(graph, "CPU", settings)
    except RuntimeError as error:
        raise SeglabError(f"openvino cannot read {path} ({str(error).splitlines()[0]}): export it again") from None
    description, channels_last = read_beside(path), False
    if description.is_foreign:
        images_shape, *shapes = (_shape(end) for end in (compiled.input(0), *compiled.outputs))
        description = foreign.fit_to_graph(description, images_shape, shapes)
        if graph.has_rt_info(["nncf", "quantization"]):  # the mark of OpenVINO's own quantizer
            description = replace(description, precision="int8")
        channels_last = foreign.is_channels_last(images_shape)

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        outputs = compiled([images.numpy()])
        return torch.from_numpy(outputs[0].copy()), torch.from_numpy(outputs[1].copy())

    return Runtime(path, description, run, channels_last=channels_last)


def find_graph(folder: Path) -> Path:
    """The .xml file of the folder: model.xml where seglab wrote it, any name where another tool did.

    Errors: SeglabError when there is none, or more than one to choose from.
    """
    if (folder / GRAPH).is_file():
        return folder / GRAPH
    found = sorted(folder.glob("*.xml"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise SeglabError(f"{folder} must hold one .xml file, the graph, and holds {names}: export it again")
    return found[0]


def _shape(end: Any) -> list[int | None]:
    """The shape of an input or output; None for what is free."""
    return [None if side.is_dynamic else side.get_length() for side in end.get_partial_shape()]


def _package() -> ModuleType:
    # Its companion reports usage to its maker unless told otherwise; without the companion, nothing is sent.
    sys.modules.setdefault("openvino_telemetry", None)
    return require("openvino", "openvino")
