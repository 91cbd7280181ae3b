"""LiteRT (TFLite): for Android and small boards. The converter needs an older torch, in a separate environment."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export.foreign_metadata import read_metadata
from seglab.export.foreign_tensors import fit_to_graph, is_channels_last
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata
from seglab.export.packages import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = ".tflite"
PRECISIONS = ("fp32",)
DYNAMIC = False
RUNS_CODE = False

ENTRY = "metadata.json"  # in a zip archive after the model, where readers of the model never look
MAX_VALUES = 1 << 28  # of a tensor: a gigabyte of float32
MAX_METADATA = 1 << 20  # bytes; an entry that is larger cannot be metadata


def needs() -> dict[str, str]:
    return {"litert_torch": "litert-torch", "ai_edge_litert": "ai-edge-litert"}


def runs_here() -> bool:
    return True


def write(model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """Convert with litert-torch. Errors: SeglabError where it is missing, with the environment that has it."""
    try:
        converter: Any = require("litert_torch", needs()["litert_torch"])
    except SeglabError:
        raise SeglabError(
            "format=litert converts with litert-torch, which needs an older version of torch: export in a separate "
            "environment (in a clone: python -m venv litert; litert/bin/pip install . litert-torch); the file runs "
            "anywhere with ai-edge-litert"
        ) from None
    example = (torch.zeros(metadata.batch, 3, *metadata.size),)
    converter.convert(InferenceModel(model), example).export(str(path))
    write_metadata(path, metadata)


def write_metadata(path: Path, metadata: ModelMetadata) -> None:
    """Replace the metadata of the file."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            model_ends = min(entry.header_offset for entry in archive.infolist())
        with path.open("r+b") as file:
            file.truncate(model_ends)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(ENTRY, json.dumps(metadata.to_strings()))


def load(path: Path) -> Runtime:
    """Run the file on the CPU on as many threads as torch uses."""
    require("ai_edge_litert", needs()["ai_edge_litert"])
    from ai_edge_litert.interpreter import Interpreter

    try:
        strings = read_appended(path)
        interpreter = Interpreter(str(path), num_threads=torch.get_num_threads())
    except (zipfile.BadZipFile, ValueError) as error:
        raise SeglabError(f"{path} is not a LiteRT file with metadata ({error}): export it again") from None
    for tensor in interpreter.get_tensor_details():
        if math.prod(_shape(tensor)) > MAX_VALUES:
            raise SeglabError(
                f"{path} has a tensor of shape {_shape(tensor)}, too large for any network: use another file"
            )
    interpreter.allocate_tensors()
    (graph_input,) = interpreter.get_input_details()
    # Outputs are known by their number of dimensions: predictions have three, prototypes four.
    outputs = sorted(interpreter.get_output_details(), key=lambda output: len(output["shape"]))

    metadata = ModelMetadata.from_strings(strings, str(path))
    channels_last = False
    if metadata.is_foreign:
        images_shape = _shape(graph_input)
        metadata = fit_to_graph(metadata, images_shape, [_shape(output) for output in outputs])
        channels_last = is_channels_last(images_shape)

    def run(images: Tensor) -> list[Tensor]:
        interpreter.set_tensor(graph_input["index"], quantized(images.numpy(), graph_input))
        interpreter.invoke()
        values = [dequantized(interpreter.get_tensor(output["index"]), output) for output in outputs]
        return [torch.from_numpy(output) for output in values]

    return Runtime(path, metadata, run, channels_last=channels_last)


def _shape(tensor: dict[str, Any]) -> list[int]:
    return [int(side) for side in tensor["shape"]]


def read_appended(path: Path) -> dict[str, Any]:
    """The metadata in the zip archive after the model: seglab's entry, or that of another tool under whatever name.

    Errors: zipfile.BadZipFile where there is no archive; ValueError when no entry holds class names.
    """
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        seglab_first = sorted(entries, key=lambda name: name != ENTRY)
        for name in seglab_first:
            if entries[name].file_size > MAX_METADATA:
                continue
            try:
                metadata = read_metadata(archive.read(name).decode())
            except ValueError:  # also of bytes that are not text: labels and the like may lie there too
                continue
            if "names" in metadata:
                return metadata
    raise ValueError("no entry of its archive has class names")


def quantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Float values as a tensor of the file takes them: as they are, or as the integers that stand for them."""
    dtype = np.dtype(tensor["dtype"])
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(dtype)
    steps = np.rint(values / scale) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def dequantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """The inverse of `quantized`, in float32."""
    if values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
