"""ONNX: one file that most runtimes read."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seglab.errors import SeglabError, reading
from seglab.export.foreign_tensors import fit_to_graph, is_channels_last
from seglab.export.inference_model import DTYPES, InferenceModel
from seglab.export.int8 import quantize
from seglab.export.metadata import ModelMetadata
from seglab.export.packages import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = ".onnx"
PRECISIONS = ("fp32", "fp16", "int8")
DYNAMIC = True
RUNS_CODE = False

OPSET = 17  # read by every onnxruntime since 1.12 (2022), TensorRT since 8.6 and OpenVINO since 2023
DENSE_OUTPUTS = ["output0", "output1"]  # predictions and prototypes, by the names that deployed programs know
DYNAMIC_AXES = {
    "images": {0: "batch", 2: "height", 3: "width"},
    "output0": {0: "batch", 2: "anchors"},
    "output1": {0: "batch", 2: "prototype_height", 3: "prototype_width"},
}
END_TO_END_AXES = {
    "image": {0: "height", 1: "width"},
    "boxes": {0: "detections"},
    "scores": {0: "detections"},
    "classes": {0: "detections"},
    "masks": {0: "detections", 1: "height", 2: "width"},
}
# Operations that may go on for ever, and whose operations may be used: ONNX's own, and those that quantization adds.
ENDLESS = {"Loop", "Scan"}
DOMAINS = {"", "ai.onnx", "com.microsoft"}
MAX_NODES = 100_000  # with all that functions of the file stand for; YOLO11x has a thousand
EXAMPLE_IMAGE = (48, 64, 3)  # an end-to-end file is traced with it; any size will do


def needs() -> dict[str, str]:
    return {"onnxruntime": "onnxruntime"}


def runs_here() -> bool:
    return True


def write(
    model: YOLO11Seg,
    path: str | Path,
    metadata: ModelMetadata,
    calibration: Iterable[Tensor] = (),
    opset: int | None = None,
    fold: bool = True,
) -> None:
    """Write `model` as ONNX, weights and metadata inside.

    images -> predictions, prototypes (shapes: `InferenceModel`); where the metadata says end to end, image -> boxes,
    scores, classes, masks (shapes: `EndToEnd`) and those two.
    calibration: for int8, batches of letterboxed images (B, 3, H, W) float in 0..1 that set the ranges. opset: version
    of the operator set, by default OPSET; fold: compute what is constant while writing.
    Errors: onnx.checker.ValidationError when the written graph is not valid ONNX.
    """
    import onnx

    inference_model = InferenceModel(model, DTYPES[metadata.precision])
    if metadata.end_to_end:
        _trace_end_to_end(inference_model, metadata, path, opset or OPSET, fold)
    else:
        example = torch.zeros(metadata.batch, 3, *metadata.size)
        axes = DYNAMIC_AXES if metadata.dynamic else {}
        _trace(inference_model, example, path, ["images"], DENSE_OUTPUTS, axes, opset or OPSET, fold)
    if metadata.precision == "int8":
        quantize(path, calibration)
    onnx.checker.check_model(str(path), full_check=True)
    write_metadata(path, metadata)


def _trace_end_to_end(
    inference_model: InferenceModel, metadata: ModelMetadata, path: str | Path, opset: int, fold: bool
) -> None:
    from seglab.export.end_to_end import EndToEnd  # with torchvision

    settings = metadata.end_to_end
    module = EndToEnd(inference_model, metadata.size, **settings, mask_targets=metadata.mask_targets).eval()
    detection_outputs = ["boxes", "scores", "classes"]
    if settings["masks"]:
        detection_outputs.append("masks")
    axes = {name: END_TO_END_AXES[name] for name in ("image", *detection_outputs)}
    example = torch.zeros(EXAMPLE_IMAGE, dtype=torch.uint8)
    _trace(module, example, path, ["image"], detection_outputs + DENSE_OUTPUTS, axes, opset, fold)


def _trace(
    module: nn.Module,
    example: Tensor,
    path: str | Path,
    inputs: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
    opset: int,
    fold: bool,
) -> None:
    """Write through the exporter that traces.

    It writes the same numbers as the one built on torch.export in a tenth of the time, needs no further package, and
    serves every torch from 2.4 on.
    """
    options: dict[str, Any] = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size check is a Python condition, and the exporter announces its age
        torch.onnx.export(
            module,
            (example,),
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=opset,
            do_constant_folding=fold,
            **options,
        )


def write_metadata(path: str | Path, metadata: ModelMetadata) -> None:
    """Replace the metadata of an ONNX file."""
    import onnx

    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, metadata.to_strings())
    onnx.save(graph, path)


def load(path: str | Path, streams: int = 1) -> Runtime:
    """Run an ONNX file through onnxruntime on as many threads as torch uses.

    streams: so many threads may call it at once, and share the cores; 1 gives each call all of them.
    Errors: SeglabError when onnxruntime is missing, the file is damaged or has no metadata.
    """
    session = _open_session(path, max(1, torch.get_num_threads() // streams))
    metadata = ModelMetadata.from_strings(session.get_modelmeta().custom_metadata_map, str(path))
    if metadata.end_to_end:
        return _end_to_end_runtime(path, metadata, session)

    graph_input = session.get_inputs()[0]
    channels_last = False
    if metadata.is_foreign:
        output_shapes = [output.shape for output in session.get_outputs()]
        metadata = fit_to_graph(metadata, graph_input.shape, output_shapes)
        channels_last = is_channels_last(graph_input.shape)
    dtype = np.float16 if graph_input.type == "tensor(float16)" else np.float32

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        inputs = images.numpy().astype(dtype, copy=False)
        predictions, prototypes = session.run(None, {graph_input.name: inputs})
        return torch.from_numpy(predictions), torch.from_numpy(prototypes)

    return Runtime(path, metadata, run, channels_last=channels_last)


def _open_session(path: str | Path, threads: int) -> Any:
    onnxruntime = require("onnxruntime", needs()["onnxruntime"])
    _refuse_external_data(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common public base
        raise SeglabError(f"onnxruntime cannot read {path} ({error}): export it again") from None


def _refuse_external_data(path: str | Path) -> None:
    """Errors: SeglabError for a file that is no ONNX graph, or whose weights lie in other files, which it names.

    Loops are refused too, since they may never end, and operations that are not ONNX's own; and functions of functions
    of functions, which onnxruntime would write out as billions of nodes.
    """
    import onnx
    from onnx.external_data_helper import uses_external_data

    with reading(path, "an ONNX file", "export it again"):
        model = onnx.load(path, load_external_data=False)
        _refuse_endless_functions(model)
    parts = [model.graph, *model.functions, *(training.algorithm for training in model.training_info)]
    outside = [tensor.name for part in parts for tensor in _tensors(part) if uses_external_data(tensor)]
    own = {function.name for function in model.functions}
    strange = [
        node.op_type
        for part in parts
        for node in _nodes(part)
        if node.op_type in ENDLESS or not (node.domain in DOMAINS or node.op_type in own)
    ]
    if strange:
        raise SeglabError(f"{path} has the operation {strange[0][:80]!r}, which no YOLO model needs: use another file")
    if outside:
        raise SeglabError(
            f"{path} keeps the weights {outside[0][:80]!r} in another file, which could be any: save it as one file "
            "(onnx.save does)"
        )


def _refuse_endless_functions(model: Any) -> None:
    """Errors: ValueError where functions call themselves, or stand for more than MAX_NODES nodes."""
    functions: dict[tuple[str, str], list[Any]] = {}
    for function in model.functions:
        functions.setdefault((function.domain, function.name), []).append(function)
    counts: dict[tuple[str, str], int | None] = {}  # None: being counted

    def count(part: Any) -> int:
        total = 0
        for node in _nodes(part):
            total += 1 + count_called((node.domain, node.op_type))
            if total > MAX_NODES:
                raise ValueError(f"its functions stand for more than {MAX_NODES:,} operations")
        return total

    def count_called(name: tuple[str, str]) -> int:
        if name not in counts:
            counts[name] = None
            counts[name] = sum(map(count, functions.get(name, ())))
        known = counts[name]
        if known is None:
            raise ValueError(f"its function {name[1][:80]!r} calls itself")
        return known

    count(model.graph)


def _tensors(graph: Any) -> Iterator[Any]:
    """All tensors that a graph holds: weights, and those in attributes of nodes, also within their own graphs."""
    for inner in _graphs(graph):
        yield from getattr(inner, "initializer", ())  # a function has none
        for sparse in getattr(inner, "sparse_initializer", ()):
            yield sparse.values
            yield sparse.indices
        for attribute in (attribute for node in inner.node for attribute in node.attribute):
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor.values
                yield attribute.sparse_tensor.indices


def _nodes(graph: Any) -> Iterator[Any]:
    """All nodes of a graph, also within the graphs of its nodes."""
    for inner in _graphs(graph):
        yield from inner.node


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph, and all graphs in attributes of its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)


def _end_to_end_runtime(path: str | Path, metadata: ModelMetadata, session: Any) -> Runtime:
    """The runtime of a file that takes one image of any size, and gives detections before its dense outputs."""
    input_name = session.get_inputs()[0].name
    outputs = [output.name for output in session.get_outputs()]
    detection_outputs = outputs[:-2]
    dense_outputs = outputs[-2:]

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        # The file letterboxes, but leaves as it is what is letterboxed already.
        image = (images[0] * 255).round().byte().permute(1, 2, 0).contiguous()  # (H, W, 3)
        predictions, prototypes = session.run(dense_outputs, {input_name: image.numpy()})
        return torch.from_numpy(predictions), torch.from_numpy(prototypes)

    def end_to_end(image: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(session.run(detection_outputs, {input_name: np.ascontiguousarray(image)}))

    return Runtime(path, metadata, run, end_to_end)
