"""OpenVINO: the fastest format on x86 CPUs. A folder with graph (.xml), weights (.bin) and metadata."""

from __future__ import annotations

import re
import sys
import tempfile
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import onnx
from seglab.export.foreign_tensors import fit_to_graph, is_channels_last
from seglab.export.metadata import ModelMetadata, read_sidecar, write_sidecar
from seglab.export.packages import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = "_openvino_model"
PRECISIONS = ("fp32", "fp16", "int8")
DYNAMIC = True
RUNS_CODE = False

GRAPH = "model.xml"
_OPSET = re.compile(r"opset\d{1,2}")  # the operations that come with OpenVINO; others come from a library of somebody's
ENDLESS = {"Loop", "TensorIterator"}

write_metadata = write_sidecar


def needs() -> dict[str, str]:
    return {"openvino": "openvino"}


def runs_here() -> bool:
    return True


def write(model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """Translate the ONNX file of the same model; its int8 version when the metadata says so."""
    package = _package()
    path.mkdir(parents=True, exist_ok=True)
    half = metadata.precision == "fp16"
    onnx_metadata = replace(metadata, precision="fp32") if half else metadata  # halved below, by OpenVINO itself
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        onnx.write(model, source, onnx_metadata, calibration)
        graph = package.Core().read_model(source)
        package.save_model(graph, path / GRAPH, compress_to_fp16=half)
    write_metadata(path, metadata)


def load(path: Path, streams: int = 1, precision: str = "fp32") -> Runtime:
    """Run the folder on the CPU on as many threads as torch uses.

    streams: so many threads may call it at once, and share the cores; 1 gives each call all of them.
    precision: of the arithmetic, "fp32" or "bf16". It is asked for by name: on CPUs that can, OpenVINO would otherwise
    choose bfloat16 and be off by tens of pixels without a word.
    """
    package = _package()
    settings = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": streams,
    }
    core = package.Core()
    graph_file = find_graph(path)
    refuse_strange_layers(graph_file)
    try:
        graph = core.read_model(graph_file)
        compiled = core.compile_model(graph, "CPU", settings)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise SeglabError(f"openvino cannot read {path} ({reason}): export it again") from None

    metadata = read_sidecar(path)
    channels_last = False
    if metadata.is_foreign:
        images_shape = _shape(compiled.input(0))
        output_shapes = [_shape(output) for output in compiled.outputs]
        metadata = fit_to_graph(metadata, images_shape, output_shapes)
        channels_last = is_channels_last(images_shape)
        if graph.has_rt_info(["nncf", "quantization"]):  # the mark of OpenVINO's own quantizer
            metadata = replace(metadata, precision="int8")

    # A request holds the memory of one call: each call takes one that is free, and they are as many as were needed.
    free: deque[Any] = deque()

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        try:
            request = free.pop()
        except IndexError:
            request = compiled.create_infer_request()
        request.infer([images.numpy()], share_inputs=True)
        outputs = [torch.from_numpy(request.get_output_tensor(place).data.copy()) for place in (0, 1)]
        free.append(request)
        return outputs[0], outputs[1]

    return Runtime(path, metadata, run, channels_last=channels_last)


def find_graph(folder: Path) -> Path:
    """The .xml file of the folder: model.xml where seglab wrote it, any name where another tool did.

    Errors: SeglabError when there is none, or more than one to choose from.
    """
    if (folder / GRAPH).is_file():
        return folder / GRAPH
    graphs = sorted(folder.glob("*.xml"))
    if len(graphs) != 1:
        names = ", ".join(path.name for path in graphs) or "none"
        raise SeglabError(f"{folder} must contain one .xml file, the graph, but contains {names}: export it again")
    return graphs[0]


def refuse_strange_layers(graph: Path) -> None:
    """Errors: SeglabError for a graph with layers of somebody's extension, which would be code, or with loops."""
    from seglab.formats.text_files import read_xml  # with YAML and XML, which opening a model need not wait for

    for layer in read_xml(graph).iter("layer"):
        version = layer.get("version", "")
        kind = layer.get("type", "")
        if not _OPSET.fullmatch(version) or kind in ENDLESS:
            raise SeglabError(
                f"{graph} has a layer of the type {kind[:40]!r} ({version[:40]!r}), which no network of a YOLO model "
                "needs: export it again"
            )


def _shape(port: Any) -> list[int | None]:
    """The shape of an input or output; None for what is free."""
    return [None if side.is_dynamic else side.get_length() for side in port.get_partial_shape()]


def _package() -> ModuleType:
    # Its companion reports usage to its maker unless told otherwise. None in sys.modules is how Python marks a module
    # that cannot be imported, and without the companion nothing is sent.
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)
    return require("openvino", needs()["openvino"])
