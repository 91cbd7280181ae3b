"""LiteRT (TFLite): for Android and small boards. The converter wants an older torch: an environment of its own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import foreign
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

ENTRY = "metadata.json"  # in a zip archive after the model, where readers of the model never look
MAX_METADATA = 1 << 20  # bytes; what is larger is not a description


def write(model: YOLO11Seg, path: Path, description: ModelMetadata) -> None:
    """Convert with litert-torch. Errors: SeglabError where it is missing, with the environment that has it."""
    try:
        converter = require("litert_torch", "litert-torch")
    except SeglabError:
        raise SeglabError(
            "format=litert converts with litert-torch, which wants an older torch than most: export in an environment "
            "of its own (in a clone: python -m venv litert; litert/bin/pip install . litert-torch); the file runs "
            "anywhere with ai-edge-litert"
        ) from None
    example = (torch.zeros(description.batch, 3, *description.size),)
    converter.convert(InferenceModel(model), example).export(str(path))
    describe(path, description)


def describe(path: Path, description: ModelMetadata) -> None:
    """Replace what the file says about itself."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            model_ends = min(entry.header_offset for entry in archive.infolist())
        with path.open("r+b") as file:
            file.truncate(model_ends)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(ENTRY, json.dumps(description.to_strings()))


def load(path: Path) -> Runtime:
    """Run the file on the CPU on as many threads as torch uses."""
    require("ai_edge_litert", "ai-edge-litert")
    from ai_edge_litert.interpreter import Interpreter

    try:
        metadata = read_appended(path)
        interpreter = Interpreter(str(path), num_threads=torch.get_num_threads())
    except (zipfile.BadZipFile, ValueError) as error:
        raise SeglabError(f"{path} is no LiteRT file that says what it is ({error}): export it again") from None
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    # Outputs are known by their number of dimensions: predictions have three, prototypes four.
    outputs = sorted(interpreter.get_output_details(), key=lambda output: len(output["shape"]))

    description, channels_last = ModelMetadata.from_strings(metadata, str(path)), False
    if description.is_foreign:
        shape, *shapes = ([int(side) for side in end["shape"]] for end in (given, *outputs))
        description = foreign.fit_to_graph(description, shape, shapes)
        channels_last = foreign.is_channels_last(shape)

    def run(images: Tensor) -> tuple[Tensor, ...]:
        interpreter.set_tensor(given["index"], quantized(images.numpy(), given))
        interpreter.invoke()
        found = (dequantized(interpreter.get_tensor(output["index"]), output) for output in outputs)
        return tuple(torch.from_numpy(output) for output in found)

    return Runtime(path, description, run, channels_last=channels_last)


def read_appended(path: Path) -> dict[str, Any]:
    """What the zip archive after the model says: seglab's entry, or that of another tool under whatever name.

    Errors: zipfile.BadZipFile where there is no archive; ValueError when no entry holds class names.
    """
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        order = sorted(entries, key=lambda name: name != ENTRY)  # ours first
        for name in order:
            if entries[name].file_size > MAX_METADATA:
                continue
            try:
                metadata = foreign.read_metadata(archive.read(name).decode())
            except ValueError:  # also of bytes that are no text: labels and the like may lie there too
                continue
            if "names" in metadata:
                return metadata
    raise ValueError("no entry of its archive holds class names")


def quantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Float values as a tensor of the file takes them: as they are, or as the integers that stand for them."""
    dtype = np.dtype(tensor["dtype"])
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    scale, zero = tensor["quantization"]
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(dtype)


def dequantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """The inverse of `quantized`, in float32."""
    if values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    scale, zero = tensor["quantization"]
    return (values.astype(np.float32) - zero) * np.float32(scale)
