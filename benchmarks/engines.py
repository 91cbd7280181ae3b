"""Engines beside eager PyTorch and ultralytics: `python -m benchmarks.engines [weights=...] [imgsz=640] [threads=1,2]`.

The network alone on one image, every engine in turn, A B C A B C ...: the figure is the median of the ratios to the
eager fused network of the same round; "packed" is that network as prediction runs it. Ultralytics' line is its own
fused PyTorch network with the same weights.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from seglab.errors import SeglabError
from seglab.export.benchmark import interleaved
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import FORMATS, load_runtime
from seglab.model.packed import pack
from seglab.model.yolo11 import YOLO11Seg

VARIANTS = [
    ("torchscript", {}),
    ("onnx", {}),
    ("onnx", {"dynamic": True}),
    ("onnx", {"precision": "int8"}),
    ("openvino", {}),
    ("openvino", {"dynamic": True}),
    ("openvino", {"precision": "int8"}),
    ("ncnn", {}),
    ("executorch", {}),
]


def engines(network: YOLO11Seg, imgsz: int, folder: Path) -> dict[tuple[str, str], Path]:
    """Files of every engine whose package is installed."""
    names = {index: str(index) for index in range(network.classes)}
    files = {}
    for name, changes in VARIANTS:
        metadata = replace(ModelMetadata(names, (imgsz, imgsz)), **changes)
        label = " ".join(str(value) for value in changes.values()).replace("True", "dynamic")
        path = folder / f"{name}-{label or 'static'}{FORMATS[name].SUFFIX}"
        calibration = [torch.rand(1, 3, imgsz, imgsz)] if "precision" in changes else []
        try:
            FORMATS[name].write(network, path, metadata, calibration)
            files[name, label] = path
        except SeglabError as error:
            print(f"{name}: {error}", file=sys.stderr)
    return files


def peer(network: YOLO11Seg):
    """Ultralytics' network with the same weights, called as its predictor calls it; None when it is not installed."""
    os.environ["YOLO_OFFLINE"] = "1"
    try:
        from ultralytics.nn.tasks import SegmentationModel
    except ModuleNotFoundError:
        return None
    model = SegmentationModel(f"yolo11{network.scale}-seg.yaml", nc=network.classes, verbose=False)
    model.load_state_dict(network.state_dict())
    fused = model.eval().fuse(verbose=False)
    return lambda images: fused(images.contiguous())  # its predictor hands over the plain format


def main(weights: str | None = None, imgsz: int = 640, threads: str = "1,2", rounds: int = 20) -> None:
    """Print a Markdown table of medians and ratios, one block a number of threads."""
    torch.manual_seed(0)
    network = YOLO11Seg("n").eval()
    if weights:
        from seglab.model.transfer import transfer
        from seglab.model.weights import load_weights
        from seglab.model.yolo11 import architecture_of

        state = load_weights(weights).state
        network = YOLO11Seg(*architecture_of(state)).eval()
        transfer(network, state)
    images = torch.rand(1, 3, imgsz, imgsz).contiguous(memory_format=torch.channels_last)  # as prediction has them
    with tempfile.TemporaryDirectory() as folder:
        files = engines(network, imgsz, Path(folder))
        for count in map(int, str(threads).split(",")):
            beside = peer(network)  # first: importing it sets the number of threads
            torch.set_num_threads(count)
            eager, packed = (InferenceModel(network).to(memory_format=torch.channels_last) for _ in range(2))
            packed.network = pack(packed.network)
            forwards = {("pytorch", "eager, fused"): eager, ("pytorch", "eager, packed"): packed}
            if beside is not None:
                forwards["ultralytics", "eager, fused"] = beside
            forwards |= {key: load_runtime(path, trust=True).forward for key, path in files.items()}
            seconds = interleaved(forwards, images, rounds)
            base = seconds["pytorch", "eager, fused"]
            print(f"\n{count} thread{'s' * (count > 1)}, {imgsz} px, medians of {rounds} rounds\n")
            print("| engine | | ms | of eager's time |\n|-|-|-|-|")
            for (name, label), times in seconds.items():
                ratio = statistics.median(a / b for a, b in zip(times, base))
                print(f"| {name} | {label} | {1e3 * statistics.median(times):.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    options = dict(word.split("=", 1) for word in sys.argv[1:])
    main(**{name: int(value) if name in ("imgsz", "rounds") else value for name, value in options.items()})
