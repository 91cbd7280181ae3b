"""TorchScript: runs wherever libtorch does, without Python. Deprecated by PyTorch in favour of pt2, yet common."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from seglab.errors import SeglabError
from seglab.export.inference_model import DTYPES, InferenceModel
from seglab.export.metadata import KEYS, ModelMetadata, write_inside
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

describe = write_inside


def write(model: YOLO11Seg, path: Path, description: ModelMetadata) -> None:
    """Trace `model` and write it with its description as extra files of the archive."""
    deployed = InferenceModel(model, DTYPES[description.precision])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size check is a Python condition and the tracer announces its age
        traced = torch.jit.trace(deployed, torch.zeros(description.batch, 3, *description.size), check_trace=False)
        torch.jit.save(traced, path, _extra_files=description.to_strings())


def load(path: Path) -> Runtime:
    """Run the file in this process. TorchScript holds tensors and its own small language: loading runs no Python."""
    strings = dict.fromkeys(KEYS, "")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(path, map_location="cpu", _extra_files=strings).eval()
    except RuntimeError as error:
        raise SeglabError(f"torch cannot read {path} ({str(error).splitlines()[0]}): export it again") from None
    strings = {key: value.decode() if isinstance(value, bytes) else value for key, value in strings.items() if value}
    return Runtime(path, ModelMetadata.from_strings(strings, str(path)), torch.inference_mode()(module))
