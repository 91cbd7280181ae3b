"""ExecuTorch: PyTorch's own runtime for phones. A folder with the program (.pte) and the metadata."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import pt2
from seglab.export.metadata import ModelMetadata, read_sidecar, write_sidecar
from seglab.export.packages import require
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = "_executorch_model"
PRECISIONS = ("fp32",)
DYNAMIC = False
RUNS_CODE = False

PROGRAM = "model.pte"

write_metadata = write_sidecar


def needs() -> dict[str, str]:
    return {"executorch": "executorch==1.5.1"}


def runs_here() -> bool:
    return True


def write(model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """Lower the exported program to XNNPACK's kernels, with portable ones for what remains."""
    require("executorch", needs()["executorch"])
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = pt2.program(model, metadata)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path.mkdir(parents=True, exist_ok=True)
    (path / PROGRAM).write_bytes(lowered.to_executorch().buffer)
    write_metadata(path, metadata)


def load(path: Path) -> Runtime:
    """Run the folder through ExecuTorch's Python runtime."""
    require("executorch", needs()["executorch"])
    from executorch.runtime import Runtime as ExecutorchRuntime

    try:
        method = ExecutorchRuntime.get().load_program(path / PROGRAM).load_method("forward")
    except RuntimeError as error:
        raise SeglabError(f"executorch cannot read {path} ({error}): export it again") from None

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        predictions, prototypes = method.execute([images])
        return predictions.clone(), prototypes.clone()

    return Runtime(path, read_sidecar(path), run)
