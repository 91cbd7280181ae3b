"""How fast a network is, in a line: what train(profile=True) prints in the end."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from seglab.export import onnx
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata
from seglab.inference.predictor import Clock, Forward
from seglab.model.yolo11 import YOLO11Seg, count_flops, count_parameters

RUNS = 5  # timed, after one that is not


def profile(network: YOLO11Seg, names: dict[int, str], imgsz: int) -> str:
    """Size and latency of a network on images of one size: in PyTorch on its device, and in onnxruntime on the CPU."""
    device = next(network.parameters()).device
    images = torch.rand(1, 3, imgsz, imgsz)
    in_torch = milliseconds(InferenceModel(network).to(device), images.to(device), device)
    parts = [
        f"{count_parameters(network):,} parameters",
        f"{count_flops(network) / 1e9:.1f} GFLOPs at 640 px",
        f"{in_torch:.1f} ms an image of {imgsz} px in PyTorch on {device}",
    ]
    if importlib.util.find_spec("onnxruntime"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            onnx.write(network, path, ModelMetadata(names=names, size=(imgsz, imgsz)))
            runtime = onnx.load(path)
            parts.append(f"{milliseconds(runtime.forward, images, torch.device('cpu')):.1f} ms in onnxruntime")
    else:
        parts.append("onnxruntime is not installed")
    return f"profile: {', '.join(parts)}"


@torch.inference_mode()
def milliseconds(forward: Forward, images: Tensor, device: torch.device) -> float:
    """The median time of a few runs."""
    forward(images)
    clock = Clock(device)
    times = []
    for _ in range(RUNS):
        clock.lap()
        forward(images)
        times.append(clock.lap())
    return median(times)
