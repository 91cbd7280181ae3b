"""TensorRT: the fastest way on NVIDIA's cards. An engine fits one kind of card and one TensorRT version only."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import onnx
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

LENGTH_BYTES = 4  # the file begins with the length of the description, then its JSON, then the engine
LARGEST = 4  # a dynamic engine takes up to so many times the described batch a call, and sides up to twice as long


def write(model: YOLO11Seg, path: Path, description: ModelMetadata) -> None:
    """Build an engine from the ONNX file of the same model, on the card it shall run on.

    The network is strongly typed: float16 is where that file says so, and nowhere else.
    """
    trt = _package()
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        onnx.write(model, source, description)
        if not parser.parse(source.read_bytes()):
            raise SeglabError(f"TensorRT cannot read the ONNX graph: {parser.get_error(0)}")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # float32 means float32
    if description.dynamic:
        batch, (height, width) = description.batch, description.size
        profile = builder.create_optimization_profile()
        least, most = (1, 3, 32, 32), (LARGEST * batch, 3, 2 * height, 2 * width)
        profile.set_shape("images", least, (batch, 3, height, width), most)
        config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise SeglabError("TensorRT could not build the engine; its messages above say why")
    _save(path, description, bytes(engine))


def describe(path: Path, description: ModelMetadata) -> None:
    """Replace what the file says about itself."""
    _save(path, description, _read(path)[1])


def load(path: Path) -> Runtime:
    """Run the engine on the first card. Errors: SeglabError when it was built for another card or version.

    So does the call, for sides that a dynamic engine was not built for.
    """
    trt = _package()
    description, engine_bytes = _read(path)
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(engine_bytes)
    if engine is None:
        raise SeglabError(f"{path} was built for another card or TensorRT version: export it again on this machine")
    context = engine.create_execution_context()

    def call(images: Tensor) -> list[Tensor]:
        if not context.set_input_shape("images", tuple(images.shape)):
            height, width = description.size
            raise SeglabError(
                f"{path} takes up to {2 * height} x {2 * width} pixels, not {images.shape[2]} x {images.shape[3]}: "
                "predict with a smaller imgsz, or export with a larger one"
            )
        context.set_tensor_address("images", images.data_ptr())
        outputs = []
        for name in ("predictions", "prototypes"):
            outputs.append(torch.empty(tuple(context.get_tensor_shape(name)), device="cuda"))
            context.set_tensor_address(name, outputs[-1].data_ptr())
        stream = torch.cuda.current_stream()
        done = context.execute_async_v3(stream.cuda_stream)
        stream.synchronize()
        if not done:
            raise SeglabError(f"TensorRT could not run {path}, its messages above say why: export it again")
        return outputs

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        calls = map(call, images.cuda().split(LARGEST * description.batch))
        predictions, prototypes = map(torch.cat, zip(*calls))
        return predictions, prototypes

    return Runtime(path, description, run)


def _package():
    if not torch.cuda.is_available():
        raise SeglabError("format=engine needs an NVIDIA card: export to onnx here, and to engine where it shall run")
    return require("tensorrt", "tensorrt")


def _save(path: Path, description: ModelMetadata, engine: bytes) -> None:
    text = json.dumps(description.to_strings()).encode()
    path.write_bytes(len(text).to_bytes(LENGTH_BYTES, "little") + text + engine)


def _read(path: Path) -> tuple[ModelMetadata, bytes]:
    data = path.read_bytes()
    end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
    try:
        strings = json.loads(data[LENGTH_BYTES:end])
    except ValueError:
        raise SeglabError(f"{path} does not begin with a description: export it again with seglab") from None
    return ModelMetadata.from_strings(strings, str(path)), data[end:]
