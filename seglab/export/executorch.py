"""ExecuTorch: PyTorch's own runtime for phones. A folder with the program (.pte) and the description."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import pt2
from seglab.export.metadata import ModelMetadata, read_beside, write_beside
from seglab.export.registry import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

PIP = "executorch==1.5.1"
describe = write_beside


def write(model: YOLO11Seg, path: Path, description: ModelMetadata) -> None:
    """Lower the exported program to XNNPACK's kernels, with portable ones for what remains."""
    require("executorch", PIP)
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    lowered = to_edge_transform_and_lower(pt2.program(model, description), partitioner=[XnnpackPartitioner()])
    path.mkdir(parents=True, exist_ok=True)
    (path / "model.pte").write_bytes(lowered.to_executorch().buffer)
    describe(path, description)


def load(path: Path) -> Runtime:
    """Run the folder through ExecuTorch's Python runtime."""
    require("executorch", PIP)
    from executorch.runtime import Runtime as Engine

    try:
        method = Engine.get().load_program(path / "model.pte").load_method("forward")
    except RuntimeError as error:
        raise SeglabError(f"executorch cannot read {path} ({error}): export it again") from None

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        predictions, prototypes = method.execute([images])
        return predictions.clone(), prototypes.clone()

    return Runtime(path, read_beside(path), run)
