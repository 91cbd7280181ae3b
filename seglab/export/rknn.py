"""RKNN: for the neural processors of Rockchip's boards. A folder with the file for one chip and the metadata.

The converter simulates the chip on a PC, but only what it has just converted: a file cannot be opened again. So the
parity check runs in the process that writes the file, and anywhere else the file is for boards alone.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import onnx
from seglab.export.metadata import ModelMetadata, read_sidecar, write_sidecar
from seglab.export.packages import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = "_rknn_model"
PRECISIONS = ("fp16",)  # what these chips compute floats in
DYNAMIC = False
RUNS_CODE = False

CHIP = "rk3588"
_simulated: dict[Path, Any] = {}  # the folder that this process has written last -> its converter

write_metadata = write_sidecar


def needs() -> dict[str, str]:
    return {"rknn": "rknn-toolkit2"}


def runs_here() -> bool:
    return True  # in the process that writes it


def write(
    model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = (), chip: str | None = None
) -> None:
    """Convert the ONNX file of `model` for a chip (None: rk3588), one image per call.

    Errors: SeglabError where rknn-toolkit2 is missing, with the environment that has it, and where it fails.
    """
    try:
        api: Any = require("rknn.api", needs()["rknn"])
    except SeglabError:
        raise SeglabError(
            "format=rknn converts with rknn-toolkit2, which needs older versions of torch, numpy and onnx: export in a "
            "separate environment (in a clone: python -m venv rknn; rknn/bin/pip install . rknn-toolkit2 onnxruntime "
            '"setuptools<80"); what it writes runs on boards with rknn-toolkit-lite2'
        ) from None
    if metadata.batch != 1:
        raise SeglabError(f"format=rknn takes one image per call: export with batch=1 instead of {metadata.batch}")

    chip = chip or CHIP
    path.mkdir(parents=True, exist_ok=True)
    converter = api.RKNN(verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        onnx.write(model, graph, replace(metadata, precision="fp32"))
        name = path.name.removesuffix(SUFFIX)
        for step, arguments in (
            (converter.config, {"target_platform": chip}),
            (converter.load_onnx, {"model": str(graph)}),
            (converter.build, {"do_quantization": False}),
            (converter.export_rknn, {"export_path": str(path / f"{name}-{chip}.rknn")}),
            (converter.init_runtime, {}),  # without a board it is the simulator's
        ):
            _succeed(step, arguments, chip)
    _simulated.clear()
    _simulated[path] = converter
    write_metadata(path, metadata)


def _succeed(step: Any, arguments: dict[str, Any], chip: str) -> None:
    """Take a step of the converter, which tells much of what it does.

    Errors: SeglabError where it fails: it returns 0 where it does not, and may also raise.
    """
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            failed = step(**arguments)
        reason = f"it returned {failed}"
    except Exception as error:  # plain exceptions, with a whole traceback as their text
        failed = True
        reason = str(error).strip().splitlines()[-1]
    if failed:
        raise SeglabError(
            f"rknn-toolkit2 cannot convert the network for name={chip} ({step.__name__}: {reason}): choose one of its "
            "chips that compute in floating point, such as rk3588, rk3576, rk3568, rk3566 or rk3562"
        )


def load(path: Path) -> Runtime:
    """Run, in the simulator, the folder that this process has written last.

    Errors: SeglabError for any other, which only runs on a board.
    """
    metadata = read_sidecar(path)
    converter = _simulated.get(path)
    if converter is None:
        raise SeglabError(
            f"{path} runs on Rockchip's boards only, with rknn-toolkit-lite2: here, use the weights or an ONNX file"
        )

    def run(images: Tensor) -> list[Tensor]:
        outputs = converter.inference(inputs=[images.numpy()], data_format=["nchw"])
        ordered = sorted((torch.from_numpy(output).float() for output in outputs), key=Tensor.dim)
        return ordered

    return Runtime(path, metadata, run)
