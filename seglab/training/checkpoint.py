"""A run on disk: weights for users, and the state that continues an interrupted run bit for bit.

A run folder holds `weights/last.safetensors` and `weights/best.safetensors` (the averaged weights under the model's own
names) and, until the run ends, `weights/resume.safetensors`. Nothing is pickled, and every file appears whole or not at
all. Random numbers need no saving: data order and augmentation are functions of the seed, the epoch and the image,
and torch is seeded anew for every epoch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seglab.errors import SeglabError
from seglab.model.weights import load_weights, save_weights


@dataclass
class Progress:
    """Where a run stands; plain JSON data."""

    epoch: int = 0  # epochs finished
    updates: int = 0  # optimiser steps taken
    restarts: int = 0  # times the run went back because numbers were no longer finite
    best_epoch: int = -1  # counted from 0
    best_fitness: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)  # one row an epoch, as in results.csv
    scaler: dict[str, Any] = field(default_factory=dict)  # the fp16 gradient scale


def capture(network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Copies on the CPU of all tensors that training changes: the last good state, to rewind to or to write."""
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"average/{name}": tensor for name, tensor in average.state_dict().items()}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{key}/{name}"] = value
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def restore(
    tensors: dict[str, Tensor], network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """The inverse of `capture`, in place."""
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, rest = name.split("/", 1)
        parts[part][rest] = tensor
    network.load_state_dict(parts["network"])
    average.load_state_dict(parts["average"])
    parameters = dict(network.named_parameters())
    optimizer.state.clear()
    for name, tensor in parts["optimizer"].items():
        key, rest = name.split("/", 1)
        parameter = parameters[rest]
        like = parameter if tensor.shape == parameter.shape else tensor  # the parameter's own memory layout
        optimizer.state[parameter][key] = torch.empty_like(like, device=parameter.device).copy_(tensor)


def ema_state(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The averaged weights among captured tensors, under the model's own names: what users get."""
    return {name.removeprefix("average/"): t for name, t in tensors.items() if name.startswith("average/")}


def write_state(folder: Path, tensors: dict[str, Tensor], progress: Progress) -> None:
    """Write what `read_state` needs to continue the run in `folder`."""
    save_weights(folder / "weights" / "resume.safetensors", tensors, {"progress": asdict(progress)})


def read_state(folder: Path) -> tuple[dict[str, Tensor], Progress]:
    """The state of an interrupted run. Errors: SeglabError when the run has ended or never began."""
    path = folder / "weights" / "resume.safetensors"
    if not path.is_file():
        raise SeglabError(
            f"cannot resume from {folder}: it has no weights/resume.safetensors, so the run is finished or wrote none; "
            "start a new run from its weights/last.safetensors instead"
        )
    tensors, metadata = load_weights(path)
    return tensors, Progress(**metadata["progress"])
