"""ncnn: for phones and small boards. A folder with the graph (.param), the weights (.bin) and the metadata."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError, reading
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata, read_sidecar, write_sidecar
from seglab.export.packages import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = "_ncnn_model"
PRECISIONS = ("fp32", "fp16")
DYNAMIC = False
RUNS_CODE = False

GRAPH = "model.ncnn.param"
WEIGHTS = "model.ncnn.bin"
# What else pnnx writes, which nobody needs: option -> file name.
BY_PRODUCTS = {"pnnxparam": "p.param", "pnnxbin": "p.bin", "pnnxpy": "p.py", "pnnxonnx": "p.onnx", "ncnnpy": "n.py"}
# What a graph may hold. ncnn checks little of what it reads, so a file is looked through before.
MAGIC = "7767517"  # the first line of every graph
MAX_LAYERS = 10_000  # and blobs; YOLO11x has 900
SMALL_NUMBER = 1 << 20  # what any number may be; counts of weights may be as large as their file
_WORD = re.compile(r"[\w./:-]{1,200}")
_SETTING = re.compile(r"-?\d{1,6}=-?[\d.e+-]{1,40}(,-?[\d.e+-]{1,40})*")
# The layers that pnnx writes for a network of seglab, and those of other YOLO models.
LAYERS = {
    *("BatchNorm", "BinaryOp", "Concat", "Convolution", "ConvolutionDepthWise", "Crop", "Deconvolution"),
    *("DeconvolutionDepthWise", "Dropout", "Eltwise", "Flatten", "Gemm", "InnerProduct", "Input", "Interp", "MatMul"),
    *("MemoryData", "Noop", "Padding", "Permute", "Pooling", "Reduction", "Reshape", "Sigmoid", "Slice", "Softmax"),
    *("Split", "Squeeze", "Swish", "UnaryOp", "ExpandDims", "Tile"),
}
REDUCED_PRECISION = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage")

write_metadata = write_sidecar


def needs() -> dict[str, str]:
    return {"pnnx": "pnnx", "ncnn": "ncnn"}


def runs_here() -> bool:
    return True


def write(model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """Translate a trace of `model` with pnnx, which is a program of its own and works in a temporary folder.

    fp16 stores the weights so; what is computed is the same network. ncnn takes one image per call.
    """
    pnnx = require("pnnx", " ".join(needs().values()))
    if metadata.batch != 1:
        raise SeglabError(f"format=ncnn takes one image per call: export with batch=1 instead of {metadata.batch}")
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size check is a Python condition, and the tracer announces its age
        by_products = {option: str(Path(folder) / name) for option, name in BY_PRODUCTS.items()}
        pnnx.export(
            InferenceModel(model),
            str(Path(folder) / "traced.pt"),
            torch.zeros(1, 3, *metadata.size),
            check_trace=False,
            fp16=metadata.precision == "fp16",
            ncnnparam=str(path / GRAPH),
            ncnnbin=str(path / WEIGHTS),
            **by_products,
        )
    write_metadata(path, metadata)


def load(path: Path) -> Runtime:
    """Run the folder on the CPU on as many threads as torch uses; fp32 files are computed in float32 throughout."""
    ncnn = require("ncnn", needs()["ncnn"])
    metadata = read_sidecar(path)
    refuse_strange_layers(path)
    net = ncnn.Net()
    net.opt.num_threads = torch.get_num_threads()
    for option in REDUCED_PRECISION:
        allowed = metadata.precision == "fp16" and "fp16" in option
        setattr(net.opt, option, allowed)
    failed = net.load_param(str(path / GRAPH)) or net.load_model(str(path / WEIGHTS))  # 0 where all is well
    if failed:
        raise SeglabError(f"ncnn cannot read {path}: export it again")
    inputs, outputs = net.input_names(), net.output_names()
    if not ({"in0"} <= set(inputs) and {"out0", "out1"} <= set(outputs)):
        raise SeglabError(f"{path} has no input in0 with outputs out0 and out1: export it again")

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        with net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(images[0].numpy()).clone())
            predictions = np.array(extractor.extract("out0")[1])
            prototypes = np.array(extractor.extract("out1")[1])
        return torch.from_numpy(predictions)[None], torch.from_numpy(prototypes)[None]

    return Runtime(path, metadata, run)


def refuse_strange_layers(folder: Path) -> None:
    """Errors: SeglabError for a graph that is not one of known layers, or whose numbers would fill the memory."""
    graph = folder / GRAPH
    weights = folder / WEIGHTS
    if not (graph.is_file() and weights.is_file()):
        raise SeglabError(f"{folder} must contain {GRAPH} and {WEIGHTS}: export it again")
    with reading(graph, "a graph of ncnn", "export it again"):
        magic, counts, *rows = graph.read_text(encoding="ascii").splitlines()
        layers, blobs = map(int, counts.split())
        if magic.strip() != MAGIC or not (0 < layers == len(rows) <= MAX_LAYERS and 0 < blobs <= MAX_LAYERS):
            raise ValueError("its first lines are not those of its layers")
        largest = max(SMALL_NUMBER, weights.stat().st_size)
        for number, row in enumerate(rows, start=3):
            _check_row(row.split(), number, largest)


def _check_row(words: list[str], number: int, largest: int) -> None:
    """One layer: type, name, count of inputs, count of outputs, their names, settings. Errors: ValueError."""
    kind, name, inputs, outputs = words[:4]
    blobs = int(inputs) + int(outputs)
    settings = words[4 + blobs :]
    if kind not in LAYERS:
        raise ValueError(f"the layer {kind[:40]!r} in line {number} is none of a YOLO model")
    is_plain = all(_WORD.fullmatch(word) for word in [name, *words[4 : 4 + blobs]])
    if min(int(inputs), int(outputs)) < 0 or len(words) < 4 + blobs or not is_plain:
        raise ValueError(f"line {number} is not a layer")
    for setting in settings:
        if not _SETTING.fullmatch(setting) or any(abs(float(value)) > largest for value in _values(setting)):
            raise ValueError(f"the setting {setting[:40]!r} in line {number} is none of a YOLO model")


def _values(setting: str) -> list[str]:
    """The numbers of a setting such as 0=16 or -23303=2,1,1."""
    return setting.partition("=")[2].split(",")
