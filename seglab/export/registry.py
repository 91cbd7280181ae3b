"""The list of export formats. To add one, write a module with the members of `ExportFormat`, and add a line here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from torch import Tensor

from seglab.errors import SeglabError, reading
from seglab.export import (
    coreml,
    executorch,
    litert,
    ncnn,
    onnx,
    openvino,
    pb,
    pt2,
    rknn,
    saved_model,
    tensorrt,
    torchscript,
)
from seglab.export.metadata import ModelMetadata
from seglab.export.runtime import Runtime
from seglab.export.trust import refuse_stranger
from seglab.model.yolo11 import YOLO11Seg


class ExportFormat(Protocol):
    """What the module of a format holds."""

    @property
    def SUFFIX(self) -> str:
        """What is put after the model's name. A suffix without a dot names a folder."""

    @property
    def PRECISIONS(self) -> tuple[str, ...]:
        """Those it can be written in: fp32, fp16, int8."""

    @property
    def DYNAMIC(self) -> bool:
        """Whether a file can take any batch and size."""

    @property
    def RUNS_CODE(self) -> bool:
        """Whether a file is a program, which can do whatever its author likes as soon as it is opened."""

    def needs(self) -> dict[str, str]:
        """The packages that write and run it: name to import -> what `pip install` takes."""

    def runs_here(self) -> bool:
        """Whether this machine can run the files, as far as system and hardware go."""

    def write(self, model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
        """Write a network with its metadata.

        calibration: batches of letterboxed images (B, 3, H, W) float in 0..1, which set the ranges of int8.
        """

    def write_metadata(self, path: Path, metadata: ModelMetadata) -> None:
        """Replace the metadata of a file that exists."""

    def load(self, path: Path) -> Runtime:
        """Open a file to run it. Errors: SeglabError when it is damaged or cannot run here."""


# Name as in `format=` -> module.
FORMATS: dict[str, ExportFormat] = {
    "torchscript": torchscript,
    "pt2": pt2,
    "onnx": onnx,
    "openvino": openvino,
    "ncnn": ncnn,
    "executorch": executorch,
    "coreml": coreml,
    "engine": tensorrt,
    "litert": litert,
    "saved_model": saved_model,
    "pb": pb,
    "rknn": rknn,
}
ALIASES = {"tensorrt": "engine", "tflite": "litert"}


def find_format(name: str) -> tuple[str, ExportFormat]:
    """Name and module of a format, by its name or an alias. Errors: SeglabError that lists the formats there are."""
    name = ALIASES.get(name, name)
    if name not in FORMATS:
        raise SeglabError(
            f"there is no export format '{name}': choose one of {', '.join(FORMATS)}; docs/export.md explains how "
            "to convert an ONNX file to others"
        )
    return name, FORMATS[name]


def model_path(path: Path) -> Path:
    """The exported model that `path` means: a file inside a format's folder stands for the folder.

    What is itself named like a model is one, whatever the folder is called that it lies in.
    """
    folder_suffixes = tuple(its.SUFFIX for its in FORMATS.values() if "." not in its.SUFFIX)
    is_inside = path.parent.name.endswith(folder_suffixes) and _format_named(path.name) is None
    return path.parent if is_inside else path


def format_of(path: Path) -> ExportFormat | None:
    """The format of an exported file, folder, or file inside such a folder, by the name; None for any other name."""
    return _format_named(model_path(path).name)


def _format_named(name: str) -> ExportFormat | None:
    return next((its for its in FORMATS.values() if name.endswith(its.SUFFIX)), None)


def weights_beside(exported: str | Path) -> Path:
    """The weights that lie beside an exported file: same name, .safetensors.

    Errors: SeglabError where there are none.
    """
    path = model_path(Path(exported))
    found = format_of(path)
    suffix = found.SUFFIX if found else path.suffix
    weights = path.with_name(path.name.removesuffix(suffix) + ".safetensors")
    if not weights.is_file():
        raise SeglabError(f"no weights at {weights}: pass model=, the weights that {exported} was exported from")
    return weights


def load_runtime(path: str | Path, trust: bool = False) -> Runtime:
    """Open an exported file to run it, in the format that its name says.

    trust: open a file that is a program (TorchScript, TensorRT) although it was not written by this user's seglab.
    Errors: FileNotFoundError; SeglabError for an unknown format, a missing package, a program that nobody vouches for,
    a damaged file or one without metadata.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no exported model at {path}: check the path")
    found = format_of(path)
    if found is None:
        known = ", ".join(f"*{its.SUFFIX}" for its in FORMATS.values())
        raise SeglabError(f"{path} is not named like an exported model: seglab runs {known}")
    path = model_path(path)
    _refuse_pipes(path)
    if found.RUNS_CODE and not trust:
        refuse_stranger(path)
    with reading(path, f"a model as *{found.SUFFIX} files hold them", "export it again"):
        return found.load(path)


def _refuse_pipes(path: Path) -> None:
    """Errors: SeglabError where a file is a pipe or a device, which nobody may ever be done with reading."""
    inside = path.rglob("*") if path.is_dir() else ()
    for file in (path, *inside):
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise SeglabError(f"{file} is a pipe or a device, not a file: give an exported model")
