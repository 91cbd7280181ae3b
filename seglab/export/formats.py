"""The table of formats: what each is called, what its files look like, what it can do and which package it needs."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from seglab.errors import SeglabError


class Format(NamedTuple):
    """One row. Its module seglab.export.<module> has write(model, path, description, calibration), describe, load."""

    module: str
    suffix: str  # what is put after the model's name; those without a dot are folders
    packages: str  # what pip installs for it, beside seglab
    precisions: tuple[str, ...] = ("fp32",)
    dynamic: bool = False


FORMATS = {
    "torchscript": Format("torchscript", ".torchscript", "", ("fp32", "fp16"), dynamic=True),
    "pt2": Format("pt2", ".pt2", "", ("fp32", "fp16"), dynamic=True),
    "onnx": Format("onnx", ".onnx", "onnxruntime", ("fp32", "fp16", "int8"), dynamic=True),
    "openvino": Format("openvino", "_openvino_model", "openvino", ("fp32", "fp16", "int8"), dynamic=True),
    "ncnn": Format("ncnn", "_ncnn_model", "pnnx ncnn", ("fp32", "fp16")),
    "executorch": Format("executorch", "_executorch_model", "executorch==1.5.1"),
    "coreml": Format("coreml", ".mlpackage", "coremltools", ("fp32", "fp16")),
    "engine": Format("tensorrt", ".engine", "tensorrt", ("fp32", "fp16")),
    "litert": Format("litert", ".tflite", "ai-edge-litert"),
}
ALIASES = {"tensorrt": "engine", "tflite": "litert", "exported_program": "pt2"}


def find_format(name: str) -> tuple[str, Format]:
    """A format by name or alias. Errors: SeglabError that lists those there are."""
    name = ALIASES.get(name, name)
    if name not in FORMATS:
        raise SeglabError(f"there is no export format '{name}': choose one of {', '.join(FORMATS)}")
    return name, FORMATS[name]


def format_of(path: Path) -> Format | None:
    """The format of an exported file, folder, or file inside such a folder, judged by the name."""
    for row in FORMATS.values():
        if path.name.endswith(row.suffix) or ("." not in row.suffix and path.parent.name.endswith(row.suffix)):
            return row
    return None


def module_of(row: Format) -> ModuleType:
    """The module that writes and runs a format."""
    return importlib.import_module(f"seglab.export.{row.module}")


def require(package: str, pip: str) -> ModuleType:
    """Import an optional package. Errors: SeglabError with the line that installs it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] != package.partition(".")[0]:
            raise
        raise SeglabError(f"this format needs the package {package}: pip install {pip}") from None
