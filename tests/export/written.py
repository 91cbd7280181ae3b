"""An export format's file, written where its packages and hardware are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seglab.export.metadata import ModelMetadata
from seglab.export.registry import FORMATS
from seglab.model.yolo11 import YOLO11Seg


def written(name: str, network: YOLO11Seg, metadata: ModelMetadata, folder: Path) -> Path:
    """The file or folder of a format in `folder`; skips the test where the format cannot be written."""
    for package in FORMATS[name].needs():
        pytest.importorskip(package, reason=f"format {name} needs {package}")
    if name == "pt2":
        pytest.importorskip("torch.export.pt2_archive", reason="pt2 archives came with PyTorch 2.9")
    if name == "engine" and not torch.cuda.is_available():
        pytest.skip("TensorRT needs an NVIDIA GPU")
    path = folder / f"model{FORMATS[name].SUFFIX}"
    FORMATS[name].write(network, path, metadata)
    return path
