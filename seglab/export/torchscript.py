"""TorchScript: runs wherever libtorch does, without Python. Deprecated by PyTorch in favor of pt2, yet common."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export.inference_model import DTYPES, InferenceModel
from seglab.export.metadata import KEYS, ModelMetadata, write_into_archive
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = ".torchscript"
PRECISIONS = ("fp32", "fp16")
DYNAMIC = True
RUNS_CODE = True

write_metadata = write_into_archive


def needs() -> dict[str, str]:
    return {}


def runs_here() -> bool:
    return True


def write(model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """Trace `model` and write it with its metadata as extra files of the archive."""
    inference_model = InferenceModel(model, DTYPES[metadata.precision])
    example = torch.zeros(metadata.batch, 3, *metadata.size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size check is a Python condition, and the tracer announces its age
        traced = torch.jit.trace(inference_model, example, check_trace=False)
        torch.jit.save(traced, path, _extra_files=metadata.to_strings())


def load(path: Path) -> Runtime:
    """Run the file in this process: whatever its program says, so it must come from somebody that the user trusts."""
    extra_files: dict[str, str | bytes] = dict.fromkeys(KEYS, "")  # filled by torch
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(path, map_location="cpu", _extra_files=extra_files).eval()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise SeglabError(f"torch cannot read {path} ({reason}): export it again") from None
    strings = {
        key: value.decode() if isinstance(value, bytes) else value for key, value in extra_files.items() if value
    }
    metadata = ModelMetadata.from_strings(strings, str(path))
    return Runtime(path, metadata, torch.inference_mode()(module))
