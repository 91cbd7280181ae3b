"""LiteRT (TFLite): for Android and small boards. The converter wants an older torch: an environment of its own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export.deployed import Deployed
from seglab.export.description import Description
from seglab.export.formats import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

ENTRY = "metadata.json"  # in a zip archive after the model, where readers of the model never look


def write(model: YOLO11Seg, path: Path, description: Description) -> None:
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
    converter.convert(Deployed(model), example).export(str(path))
    describe(path, description)


def describe(path: Path, description: Description) -> None:
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
        with zipfile.ZipFile(path) as archive:
            strings = json.loads(archive.read(ENTRY))
        interpreter = Interpreter(str(path), num_threads=torch.get_num_threads())
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise SeglabError(f"{path} is no LiteRT file of seglab ({error}): export it again") from None
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    # Outputs are known by their number of dimensions: predictions have three, prototypes four.
    predictions, prototypes = sorted(interpreter.get_output_details(), key=lambda output: len(output["shape"]))

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        interpreter.set_tensor(given, images.numpy())
        interpreter.invoke()
        found = (interpreter.get_tensor(output["index"]) for output in (predictions, prototypes))
        return tuple(torch.from_numpy(output) for output in found)

    return Runtime(path, Description.from_strings(strings, str(path)), run)
