"""TensorRT: the fastest format on NVIDIA GPUs. An engine fits one GPU architecture and one TensorRT version only."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import onnx
from seglab.export.metadata import ModelMetadata
from seglab.export.packages import require
from seglab.export.runtime import Runtime
from seglab.files import atomic_write
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = ".engine"
PRECISIONS = ("fp32", "fp16")
DYNAMIC = True
RUNS_CODE = True

LENGTH_BYTES = 4  # the file begins with the length of the metadata, then its JSON, then the engine
MAX_BATCH_FACTOR = 4  # a dynamic engine takes up to so many times the batch of its metadata per call,
MAX_SIDE_FACTOR = 2  # and sides up to so many times as long
MIN_SIDE = 32
GIBIBYTE = 1 << 30


def needs() -> dict[str, str]:
    return {"tensorrt": "tensorrt"}


def runs_here() -> bool:
    return torch.cuda.is_available()


def write(
    model: YOLO11Seg,
    path: Path,
    metadata: ModelMetadata,
    calibration: Iterable[Tensor] = (),
    workspace: float | None = None,
) -> None:
    """Build an engine from the ONNX file of the same model, on the GPU that will run it.

    The network is strongly typed: float16 is where that file says so, and nowhere else. workspace: GiB that building
    may use, by default all there is.
    """
    trt = _package()
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    # TensorRT reads ONNX, so that is what the network becomes first.
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        onnx.write(model, source, metadata)
        if not parser.parse(source.read_bytes()):
            raise SeglabError(
                f"TensorRT cannot read the ONNX graph ({parser.get_error(0)}): use another version of tensorrt, or "
                "export format=onnx"
            )
    config = builder.create_builder_config()
    if workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(workspace * GIBIBYTE))
    config.clear_flag(trt.BuilderFlag.TF32)  # float32 means float32
    # A dynamic engine is tuned for the metadata's shape and takes shapes within a range about it.
    if metadata.dynamic:
        batch = metadata.batch
        height, width = metadata.size
        smallest = (1, 3, MIN_SIDE, MIN_SIDE)
        largest = (MAX_BATCH_FACTOR * batch, 3, MAX_SIDE_FACTOR * height, MAX_SIDE_FACTOR * width)
        profile = builder.create_optimization_profile()
        profile.set_shape("images", smallest, (batch, 3, height, width), largest)
        config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise SeglabError(
            "TensorRT could not build the engine: see its messages above, or use format=onnx, which works without it"
        )
    _save(path, metadata, bytes(engine))


def write_metadata(path: Path, metadata: ModelMetadata) -> None:
    """Replace the metadata of the file."""
    _, engine = _read(path)
    _save(path, metadata, engine)


def load(path: Path) -> Runtime:
    """Run the engine on the first GPU. Errors: SeglabError when it was built for another GPU or version.

    So does the call, for sides that a dynamic engine was not built for.
    """
    trt = _package()
    metadata, engine_bytes = _read(path)
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(engine_bytes)
    if engine is None:
        raise SeglabError(f"{path} was built for another GPU or TensorRT version: export it again on this machine")
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    output_names = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]

    def call(images: Tensor) -> tuple[Tensor, ...]:
        if not context.set_input_shape("images", tuple(images.shape)):
            height, width = (MAX_SIDE_FACTOR * side for side in metadata.size)
            raise SeglabError(
                f"{path} takes up to {height} x {width} pixels, not {images.shape[2]} x {images.shape[3]}: predict "
                "with a smaller imgsz, or export with a larger one"
            )
        # TensorRT reads from and writes to memory that torch owns.
        context.set_tensor_address("images", images.data_ptr())
        outputs = {name: torch.empty(tuple(context.get_tensor_shape(name)), device="cuda") for name in output_names}
        for name, output in outputs.items():
            context.set_tensor_address(name, output.data_ptr())
        stream = torch.cuda.current_stream()
        succeeded = context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        if not succeeded:
            raise SeglabError(f"TensorRT could not run {path} (see its messages above): export it again")
        # Predictions have three dimensions, prototypes four.
        return tuple(sorted(outputs.values(), key=lambda output: output.ndim))

    # However many images come, no call takes more than the engine was built for.
    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        groups = images.cuda().split(MAX_BATCH_FACTOR * metadata.batch)
        parts = [call(group) for group in groups]
        predictions = torch.cat([part[0] for part in parts])
        prototypes = torch.cat([part[1] for part in parts])
        return predictions, prototypes

    return Runtime(path, metadata, run)


def _package() -> Any:
    if not runs_here():
        raise SeglabError(
            "format=engine needs an NVIDIA GPU: export to onnx here, and to engine on the machine that runs it"
        )
    return require("tensorrt", needs()["tensorrt"])


def _save(path: Path, metadata: ModelMetadata, engine: bytes) -> None:
    text = json.dumps(metadata.to_strings()).encode()
    length = len(text).to_bytes(LENGTH_BYTES, "little")
    atomic_write(path, length + text + engine)


def _read(path: Path) -> tuple[ModelMetadata, bytes]:
    data = path.read_bytes()  # refused before this unless it is trusted
    metadata_ends = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
    try:
        strings = json.loads(data[LENGTH_BYTES:metadata_ends])
    except ValueError:
        raise SeglabError(f"{path} does not begin with metadata: export it again with seglab") from None
    return ModelMetadata.from_strings(strings, str(path)), data[metadata_ends:]
