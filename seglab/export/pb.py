"""TensorFlow's frozen graph (GraphDef): one file with graph, weights and metadata, as older deployments load it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from seglab.errors import SeglabError, reading
from seglab.export import saved_model
from seglab.export.metadata import ModelMetadata
from seglab.export.runtime import Runtime
from seglab.export.saved_model import import_tensorflow
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = ".pb"
PRECISIONS = ("fp32",)
DYNAMIC = False
RUNS_CODE = True  # TensorFlow's operations read and write files

INPUT = "x"  # and the outputs of a frozen function, by the names that programs for other YOLO files know
OUTPUTS = ("Identity", "Identity_1")
METADATA = "seglab_metadata"  # a constant that nothing in the graph uses

needs = saved_model.needs
runs_here = saved_model.runs_here


def write(model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """x (B, H, W, 3) -> Identity, Identity_1: what `saved_model.write` calls images, output_0 and output_1."""
    with tempfile.TemporaryDirectory() as folder:
        converted = saved_model.convert(model, metadata, Path(folder))
        tensorflow = import_tensorflow()
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        @tensorflow.function(input_signature=[saved_model.images_of(metadata, INPUT)])
        def infer(images: Any) -> tuple[Any, Any]:
            return saved_model.call_converted(converted, images)

        frozen = convert_variables_to_constants_v2(infer.get_concrete_function())
        path.write_bytes(frozen.graph.as_graph_def().SerializeToString())
    write_metadata(path, metadata)


def write_metadata(path: Path, metadata: ModelMetadata) -> None:
    """Replace the metadata of the file."""
    tensorflow = import_tensorflow()
    graph = _read(path)
    for place, node in enumerate(graph.node):
        if node.name == METADATA:
            del graph.node[place]
            break
    node = graph.node.add(name=METADATA, op="Const")
    node.attr["dtype"].type = tensorflow.string.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tensorflow.make_tensor_proto(json.dumps(metadata.to_strings())))
    path.write_bytes(graph.SerializeToString())


def load(path: Path) -> Runtime:
    """Run the file on the CPU: whatever its program says, so it must come from somebody that the user trusts."""
    tensorflow = import_tensorflow()
    graph = _read(path)
    texts = [node.attr["value"].tensor.string_val[0] for node in graph.node if node.name == METADATA]
    if not texts:
        raise SeglabError(f"{path} has no seglab metadata: export it again")
    metadata = ModelMetadata.from_strings(json.loads(texts[0]), str(path))

    with tensorflow.device("/CPU:0"):
        imported = tensorflow.compat.v1.wrap_function(lambda: tensorflow.import_graph_def(graph, name=""), [])
    tensors = [imported.graph.as_graph_element(f"{name}:0") for name in (INPUT, *OUTPUTS)]
    images, *outputs = tensors
    call = imported.prune(images, outputs)
    return saved_model.make_runtime(path, metadata, call, images, outputs)


def _read(path: Path) -> Any:
    """The graph of a file. Errors: SeglabError where it holds none."""
    tensorflow = import_tensorflow()
    graph = tensorflow.compat.v1.GraphDef()
    with reading(path, "a frozen graph of TensorFlow", "export it again"):
        graph.ParseFromString(path.read_bytes())
    return graph
