"""Files as other YOLO tools write them: their metadata, and one deviation of their tensors at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from seglab.export.inference_model import InferenceModel
from seglab.geometry.boxes import xywh_to_xyxy

NAMES = {0: "circle", 1: "square", 2: "star"}


SIZE = (96, 160)


def foreign_strings(**changes) -> dict:
    """What ultralytics writes, as a mapping."""
    about = {
        "description": "Ultralytics YOLO11n-seg model trained on shapes.yaml",
        "author": "Ultralytics",
        "date": "2025-12-17T13:26:59.173422",
        "version": "8.3.240",
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
        "docs": "https://docs.ultralytics.com",
        "stride": 32,
        "task": "segment",
        "batch": 1,
        "imgsz": list(SIZE),
        "names": NAMES,
        "args": {"batch": 1, "half": False, "dynamic": False, "nms": False, "data": None},
        "channels": 3,
        "end2end": False,
    }
    return about | changes


class OtherTool(nn.Module):
    """The network behind the tensors of other tools, one deviation at a time."""

    def __init__(self, network, layout: str):
        super().__init__()
        self.inference_model, self.layout = InferenceModel(network), layout

    def forward(self, images):
        layout = self.layout
        if layout in ("channels last", "quantized"):
            images = images.permute(0, 3, 1, 2)
        predictions, prototypes = self.inference_model(images.float())
        height, width = images.shape[2:]
        if layout in ("normalized", "channels last", "quantized", "detections, normalized"):
            scale = torch.tensor([width, height, width, height])[:, None]
            predictions = torch.cat((predictions[:, :4] / scale, predictions[:, 4:]), dim=1)
        if layout.startswith("detections"):
            scores, labels = predictions[:, 4:7].max(dim=1)
            best = scores.topk(50).indices
            prototypes = prototypes.abs()  # so that no mask is empty, which prediction would leave out
            rows = torch.cat((scores[:, None], labels[:, None].float(), predictions[:, 7:].abs()), dim=1)
            rows = torch.cat((xywh_to_xyxy(predictions[:, :4].transpose(1, 2)).transpose(1, 2), rows), dim=1)
            predictions = rows.gather(2, best[:, None].expand(-1, 38, -1)).transpose(1, 2)  # (B, 50, 38)
        if layout == "transposed":
            predictions = predictions.transpose(1, 2)
        if layout in ("channels last", "quantized"):
            prototypes = prototypes.permute(0, 2, 3, 1)
        if layout == "float16":
            predictions, prototypes = predictions.half(), prototypes.half()
        return predictions, prototypes


def foreign_onnx(network, layout: str, path: Path, about: dict | None = None, dynamic: bool = False) -> Path:
    """An ONNX file as another tool would write it."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    shape = (1, *SIZE, 3) if layout == "channels last" else (1, 3, *SIZE)
    example = torch.zeros(shape, dtype=torch.float16 if layout == "float16" else torch.float32)
    axes = {"images": {0: "batch", 2: "height", 3: "width"}, "output0": {0: "batch", 2: "anchors"}}
    axes |= {"output1": {0: "batch", 2: "mask_height", 3: "mask_width"}}
    torch.onnx.export(
        OtherTool(network, layout).eval(), (example,), str(path), input_names=["images"],
        output_names=["output0", "output1"], opset_version=17, dynamo=False, dynamic_axes=axes if dynamic else {},
    )  # fmt: skip
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {key: str(value) for key, value in (about or foreign_strings()).items()})
    onnx.save(graph, path)
    return path
