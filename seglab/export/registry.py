"""The table of formats: what each is called, what its files look like, and what it can do."""

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
    precisions: tuple[str, ...] = ("fp32",)
    dynamic: bool = False


FORMATS = {
    "torchscript": Format("torchscript", ".torchscript", ("fp32", "fp16"), dynamic=True),
    "pt2": Format("pt2", ".pt2", ("fp32", "fp16"), dynamic=True),
    "onnx": Format("onnx", ".onnx", ("fp32", "fp16", "int8"), dynamic=True),
    "openvino": Format("openvino", "_openvino_model", ("fp32", "fp16", "int8"), dynamic=True),
    "ncnn": Format("ncnn", "_ncnn_model", ("fp32", "fp16")),
    "executorch": Format("executorch", "_executorch_model"),
    "coreml": Format("coreml", ".mlpackage", ("fp32", "fp16")),
    "engine": Format("tensorrt", ".engine", ("fp32", "fp16"), dynamic=True),
    "litert": Format("litert", ".tflite"),
}
ALIASES = {"tensorrt": "engine", "tflite": "litert"}


def find_format(name: str) -> tuple[str, Format]:
    """A format by name or alias. Errors: SeglabError that lists those there are, and where the way to others stands."""
    name = ALIASES.get(name, name)
    if name not in FORMATS:
        raise SeglabError(
            f"there is no export format '{name}': choose one of {', '.join(FORMATS)}, or see in docs/export.md which "
            "others are left out and how the ONNX file leads there"
        )
    return name, FORMATS[name]


def model_path(path: Path) -> Path:
    """Where the exported model is that `path` means: a file inside a format's folder stands for the folder."""
    folders = tuple(row.suffix for row in FORMATS.values() if "." not in row.suffix)
    return path.parent if path.parent.name.endswith(folders) else path


def format_of(path: Path) -> Format | None:
    """The format of an exported file, folder, or file inside such a folder, judged by the name."""
    name = model_path(path).name
    return next((row for row in FORMATS.values() if name.endswith(row.suffix)), None)


def weights_beside(exported: str | Path) -> Path:
    """The weights that lie beside an exported file: same name, .safetensors.

    Errors: SeglabError where there are none.
    """
    path = model_path(Path(exported))
    found = format_of(path)
    suffix = found.suffix if found else path.suffix
    weights = path.with_name(path.name.removesuffix(suffix) + ".safetensors")
    if not weights.is_file():
        raise SeglabError(f"no weights at {weights}: pass the weights {exported} was exported from as model=")
    return weights


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
