"""ncnn: for phones and small boards. A folder with the graph (.param), the weights (.bin) and the description."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata, read_beside, write_beside
from seglab.export.registry import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

describe = write_beside


def write(model: YOLO11Seg, path: Path, description: ModelMetadata) -> None:
    """Translate a trace of `model` with pnnx, which is a program of its own and works in a temporary folder.

    fp16 stores the weights so; what is computed is the same network. ncnn takes one image a call.
    """
    pnnx = require("pnnx", "pnnx ncnn")
    if description.batch != 1:
        raise SeglabError(f"format=ncnn takes one image a call: export with batch=1 instead of {description.batch}")
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size check is a Python condition and the tracer announces its age
        extras = {"pnnxparam": "p.param", "pnnxbin": "p.bin", "pnnxpy": "p.py", "pnnxonnx": "p.onnx", "ncnnpy": "n.py"}
        pnnx.export(
            InferenceModel(model),
            str(Path(folder) / "traced.pt"),
            torch.zeros(1, 3, *description.size),
            check_trace=False,
            fp16=description.precision == "fp16",
            ncnnparam=str(path / "model.ncnn.param"),
            ncnnbin=str(path / "model.ncnn.bin"),
            **{option: str(Path(folder) / name) for option, name in extras.items()},
        )
    describe(path, description)


def load(path: Path) -> Runtime:
    """Run the folder on the CPU on as many threads as torch uses; fp32 files are computed in float32 throughout."""
    ncnn = require("ncnn", "ncnn")
    description = read_beside(path)
    net = ncnn.Net()
    net.opt.num_threads = torch.get_num_threads()
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, description.precision == "fp16" and "fp16" in option)
    if net.load_param(str(path / "model.ncnn.param")) or net.load_model(str(path / "model.ncnn.bin")):
        raise SeglabError(f"ncnn cannot read {path}: export it again")

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        with net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(images[0].numpy()).clone())
            outputs = [np.array(extractor.extract(name)[1]) for name in ("out0", "out1")]
        return torch.from_numpy(outputs[0])[None], torch.from_numpy(outputs[1])[None]

    return Runtime(path, description, run)
