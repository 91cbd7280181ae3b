"""A run on disk: weights for users, and the state that resumes an interrupted run bit for bit.

A run folder holds `weights/last.safetensors` and `weights/best.safetensors` (the averaged weights under the model's own
names), the same as `last.pt` and `best.pt` for scripts that copy these, and, until the run ends,
`weights/resume.safetensors`. No file holds code, and every file appears whole or not at all. Random numbers need no
saving: data order and augmentation are functions of the seed, the epoch and the image, and torch is seeded anew for
every epoch.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seglab.errors import SeglabError, reading
from seglab.model.weights import load_weights, save_checkpoint, save_weights

BEST = "weights/best.safetensors"  # paths in a run folder
LAST = "weights/last.safetensors"
RESUME = "weights/resume.safetensors"
ANEW = "start a new run from its last weights"  # what to do where a state is of no use
SECONDS_BETWEEN_SAVES = 10.0  # epochs may be shorter than writing their weights takes; a kill loses this much at most


@dataclass
class Progress:
    """Where a run stands; plain JSON data."""

    epoch: int = 0  # epochs finished
    updates: int = 0  # optimizer steps taken
    restarts: int = 0  # times an epoch was restarted because numbers were no longer finite
    best_epoch: int = -1  # counted from 0; -1 is the start
    best_fitness: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)  # one row an epoch, as in results.csv
    scaler: dict[str, Any] = field(default_factory=dict)  # the fp16 gradient scale
    start_mask_targets: str | None = None  # soft or hard, what the weights at the start had learned from
    fallback: dict[str, Any] = field(default_factory=dict)  # settings to begin again with, while epoch 1 is a trial


def capture(network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Copies on the CPU of all tensors that training changes: the last good state, to restart from or to write."""
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


def check_optimizer_state(optimizer: torch.optim.Optimizer) -> None:
    """Errors: ValueError where what is kept of the parameters is not what this optimizer keeps, but another's.

    It is compared with what one step leaves of a parameter like it.
    """
    for group in optimizer.param_groups:
        known = [parameter for parameter in group["params"] if optimizer.state.get(parameter)]
        if not known:
            continue
        probe = nn.Parameter(torch.zeros_like(known[0]))
        probe.grad = torch.zeros_like(probe)
        fresh = type(optimizer)([{**group, "params": [probe]}], lr=group["lr"])  # type: ignore[call-arg]
        fresh.step()
        expected = {name for name, value in fresh.state[probe].items() if isinstance(value, Tensor)}
        for parameter in known:
            if (found := set(optimizer.state[parameter])) != expected:
                raise ValueError(f"{type(optimizer).__name__} keeps {sorted(expected)}, not {sorted(found)}")


def ema_state(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The averaged weights among captured tensors, under the model's own names: what users get."""
    return {name.removeprefix("average/"): t for name, t in tensors.items() if name.startswith("average/")}


def save_both(path: Path, state: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write weights as safetensors, and beside them as a checkpoint of the name that scripts expect, best.pt say."""
    save_weights(path, state, metadata)
    save_checkpoint(path.with_suffix(".pt"), state, metadata)


def write_state(folder: Path, tensors: dict[str, Tensor], progress: Progress) -> None:
    """Write what `read_state` needs to continue the run in `folder`."""
    save_weights(folder / RESUME, tensors, {"progress": asdict(progress)})


def read_state(folder: Path) -> tuple[dict[str, Tensor], Progress]:
    """The state of an interrupted run. Errors: SeglabError when the run has ended or never began."""
    path = folder / RESUME
    if not path.is_file():
        raise SeglabError(
            f"cannot resume from {folder}: there is no {RESUME}, so the run is finished or has saved nothing; start a "
            f"new run from its {LAST} instead"
        )
    tensors, metadata = load_weights(path)
    with reading(path, "the state of a run", ANEW):
        progress = Progress(**metadata["progress"])
        has_numbers = all(isinstance(getattr(progress, name), int) for name in ("epoch", "updates", "restarts"))
        if not (has_numbers and isinstance(progress.history, list) and isinstance(progress.fallback, dict)):
            raise ValueError("it does not say how far the run was")
        if not all(isinstance(row, dict) and isinstance(row.get("time"), (int, float)) for row in progress.history):
            raise ValueError("its history is not one of epochs")
    return tensors, progress


class CheckpointWriter:
    """Writes the weights of a run, and the state to resume it from.

    metadata: what weights files say about themselves; save: write the last weights and the resumable state as the
    run goes on, at the end of an epoch; save_period: also keep the weights of every n-th epoch.
    `tensors` are always as `capture` makes them.
    """

    def __init__(self, folder: Path, metadata: dict[str, Any], save: bool = True, save_period: int = -1):
        self.folder = folder
        self.metadata = metadata
        self.save = save
        self.save_period = save_period
        self.best: tuple[dict[str, Tensor], dict[str, Any]] | None = None  # weights and metadata, not yet written
        self.at_every_epoch = False
        self.saved = -SECONDS_BETWEEN_SAVES  # when, by the clock of `time.monotonic`

    def begin(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Before the first epoch. A start that was validated is the history's row 0, and the best so far."""
        if progress.history:
            arguments = {**self.metadata.get("train_args", {}), "mask_targets": progress.start_mask_targets}
            self.best = ema_state(tensors), {**self._metadata(progress), "train_args": arguments}
        self.write(tensors, progress)

    def add(self, tensors: dict[str, Tensor], progress: Progress, better: bool) -> bool:
        """After an epoch, whose row ends progress.history; better: its weights are the best so far.

        Whether the last weights have been written, which happens every few seconds unless `at_every_epoch`.
        """
        if better:
            self.best = ema_state(tensors), self._metadata(progress)
        if self.save_period > 0 and progress.epoch % self.save_period == 0:
            path = self.folder / f"weights/epoch{progress.epoch}.safetensors"
            save_both(path, ema_state(tensors), self._metadata(progress))
        due = self.at_every_epoch or time.monotonic() - self.saved >= SECONDS_BETWEEN_SAVES
        if self.save and due:
            self.write(tensors, progress)
        return self.save and due

    def end(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """After the last epoch: write what is still to be written; there is nothing to resume any more."""
        self.write(tensors, progress)
        (self.folder / RESUME).unlink(missing_ok=True)

    def write(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Write the weights; the state comes last, so that a run killed on the way resumes from the state before."""
        if self.best:
            save_both(self.folder / BEST, *self.best)
            self.best = None
        if self.save:
            save_both(self.folder / LAST, ema_state(tensors), self._metadata(progress))
            write_state(self.folder, tensors, progress)
            self.saved = time.monotonic()

    def _metadata(self, progress: Progress) -> dict[str, Any]:
        metrics = progress.history[-1] if progress.history else {}
        return {**self.metadata, "epoch": progress.epoch, "metrics": metrics}
