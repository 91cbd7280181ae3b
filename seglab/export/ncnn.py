"""ncnn: for phones and small boards. A folder with the graph (.param), the weights (.bin) and the metadata."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError
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
    net = ncnn.Net()
    net.opt.num_threads = torch.get_num_threads()
    for option in REDUCED_PRECISION:
        allowed = metadata.precision == "fp16" and "fp16" in option
        setattr(net.opt, option, allowed)
    failed = net.load_param(str(path / GRAPH)) or net.load_model(str(path / WEIGHTS))  # 0 where all is well
    if failed:
        raise SeglabError(f"ncnn cannot read {path}: export it again")

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        with net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(images[0].numpy()).clone())
            predictions = np.array(extractor.extract("out0")[1])
            prototypes = np.array(extractor.extract("out1")[1])
        return torch.from_numpy(predictions)[None], torch.from_numpy(prototypes)[None]

    return Runtime(path, metadata, run)
