"""What a run tells and keeps: a line an epoch, results.csv, TensorBoard, weights and the state to resume from."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from seglab.config import TrainConfig
from seglab.files import atomic_write
from seglab.model.weights import save_weights
from seglab.training.checkpoint import Progress, ema_state, write_state
from seglab.training.keep import STATE as TEACHER
from seglab.training.keep import TERMS as KEEP_TERMS

TERMS = ("box", "seg", "cls", "dfl")
SECONDS_BETWEEN_SAVES = 10.0  # epochs may be shorter than writing their weights takes; a kill loses this much at most


class RunLogger:
    """The folder of a running run.

    metadata: what weights files say about themselves; save: write the last weights and the resumable state as the
    run goes on, at the end of an epoch; save_period: also keep the weights of every n-th epoch.
    """

    def __init__(self, folder: Path, metadata: dict[str, Any], epochs: int, save: bool = True, save_period: int = -1):
        self.folder, self.weights, self.metadata = folder, folder / "weights", metadata
        self.epochs, self.save, self.save_period = epochs, save, save_period
        self.best: tuple[dict[str, Tensor], dict[str, Any]] | None = None  # weights and metadata, not yet written
        self.saved = -SECONDS_BETWEEN_SAVES
        self.writer = tensorboard_writer(folder)
        self.bar = None

    def begin(self, tensors: dict[str, Tensor], progress: Progress, mask_targets: str = "soft") -> None:
        """Before the first epoch, or the first after a resume: `tensors` as `capture` makes them.

        A start that was validated is the history's row 0, and its weights are the best so far. mask_targets: soft or
        hard, what these have learned from, which decides how their masks are read.
        """
        if in_notebook():
            from tqdm.auto import tqdm

            self.bar = tqdm(total=self.epochs, initial=progress.epoch, desc="training", unit="epoch")
        if progress.epoch == 0:
            if progress.history:
                about = self._about(progress)
                about["train_args"] = {**about.get("train_args", {}), "mask_targets": mask_targets}
                self.best = ema_state(tensors), about
                self._tell(progress)
            self.write(tensors, progress)

    def add(self, tensors: dict[str, Tensor], progress: Progress, better: bool) -> None:
        """After an epoch, whose row ends progress.history; better: its weights are the best so far."""
        self._tell(progress)
        if self.bar is not None:
            self.bar.update()
        if better:
            self.best = ema_state(tensors), self._about(progress)
        if self.save_period > 0 and progress.epoch % self.save_period == 0:
            path = self.weights / f"epoch{progress.epoch}.safetensors"
            save_weights(path, ema_state(tensors), self._about(progress))
        if self.save and time.monotonic() - self.saved >= SECONDS_BETWEEN_SAVES:
            self.write(tensors, progress)

    def end(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """After the last epoch: write what is still to be written; there is nothing to resume any more."""
        self.write(tensors, progress)
        self._write_results(progress)
        (self.weights / "resume.safetensors").unlink(missing_ok=True)
        (self.folder / TEACHER).unlink(missing_ok=True)
        for open_one in (self.writer, self.bar):
            if open_one is not None:
                open_one.close()

    def write(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Write the weights; the state comes last, so that a run killed on the way resumes from the state before."""
        if self.best:
            save_weights(self.weights / "best.safetensors", *self.best)
            self.best = None
        if self.save:
            save_weights(self.weights / "last.safetensors", ema_state(tensors), self._about(progress))
            write_state(self.folder, tensors, progress)
            self.saved = time.monotonic()

    def _tell(self, progress: Progress) -> None:
        """Tell the last row of the history to results.csv, TensorBoard and whoever watches."""
        row = progress.history[-1]
        self._write_results(progress)
        if self.writer:
            for name, value in row.items():
                self.writer.add_scalar(name, value, progress.epoch)
        line = epoch_line(row, self.epochs)
        if self.bar is None:
            print(line, flush=True)
        else:
            self.bar.set_postfix_str(line.partition("  ")[2])

    def _write_results(self, progress: Progress) -> None:
        path = self.folder / "results.csv"
        try:
            write_results(path, progress.history)
        except PermissionError:  # on Windows; no reason to end a run
            print(f"{path} is open in another program: close it there, so that the row can be added later", flush=True)

    def _about(self, progress: Progress) -> dict[str, Any]:
        return {**self.metadata, "epoch": progress.epoch, "metrics": progress.history[-1] if progress.history else {}}


def make_row(epoch: int, seconds: float, losses: list[float], figures: dict[str, float], rates: list[float]) -> dict:
    """One epoch as results.csv names it.

    epoch: from 1; losses: in the order of TERMS, then KEEP_TERMS where a teacher took part; rates: learning rates.
    """
    train = {f"train/{term}_loss": value for term, value in zip((*TERMS, *KEEP_TERMS), losses)}
    lr = {f"lr/pg{index}": rate for index, rate in enumerate(rates)}
    return {"epoch": epoch, "time": round(seconds, 3), **train, **figures, **lr}


def write_results(path: Path, history: list[dict[str, float]]) -> None:
    """Write the whole results.csv; its columns are those of all rows, in the order of the fullest row."""
    fullest_first = sorted(history, key=len, reverse=True)
    columns = list(dict.fromkeys(name for row in fullest_first for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in history)
    atomic_write(path, text.getvalue().encode())


def epoch_line(row: dict[str, float], epochs: int) -> str:
    """One epoch for people; the start, which no training came before, has no losses."""
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}" if row["epoch"] else "start"]
    parts += [f"{term} {row[f'train/{term}_loss']:.3f}" for term in TERMS if f"train/{term}_loss" in row]
    for short, name in (("box mAP", "metrics/mAP50-95(B)"), ("mask mAP", "metrics/mAP50-95(M)")):
        if name in row:
            parts.append(f"{short} {row[name]:.3f}")
    return "  ".join(parts)


def describe_gain(history: list[dict[str, float]], best: int, config: TrainConfig, lr: float) -> str:
    """Whether training helped, in a line; with what to change where it ended below its start.

    best: the best epoch, 0 for the start; lr: the highest learning rate. Empty where the start was not validated, or
    by other metrics.
    """
    if not history or history[0]["epoch"] != 0 or "metrics/mAP50-95(M)" not in history[0]:
        return ""
    rows = {row["epoch"]: row for row in history}
    start, last = rows[0], history[-1]
    if best:
        told = f"training helped: mask mAP {_map(rows[best], 'M')} at epoch {best}, {_map(start, 'M')} at the start"
        told += f"; box mAP {_map(rows[best], 'B')}, {_map(start, 'B')} at the start"
    else:
        told = f"training did not help: no epoch is better than the start (mask mAP {_map(start, 'M')}, "
        told += f"box mAP {_map(start, 'B')}), whose weights are the result"
    if _fitness(last) >= _fitness(start):
        return told
    remedies = [f"lr0={lr / 3:.1g}"]
    remedies += ["freeze_bn=True"] if not config.freeze_bn else []
    remedies += ["freeze=10"] if config.freeze is None else []
    remedies += [f"mosaic={config.augment.mosaic / 2:g}"] if config.augment.mosaic > 0.2 else []
    return f"{told}\nthe last epoch is below the start ({_map(last, 'M')}): try {', '.join(remedies)}, or more images"


def _map(row: dict[str, float], part: str) -> str:
    return f"{row[f'metrics/mAP50-95({part})']:.3f}"


def _fitness(row: dict[str, float]) -> float:
    return row["metrics/mAP50-95(B)"] + row["metrics/mAP50-95(M)"]


def progress_bar(batches: Iterable, text: str) -> Iterable:
    """The batches of an epoch, with a bar that vanishes at its end where somebody watches a terminal."""
    if in_notebook() or not sys.stderr.isatty():
        return batches
    from tqdm.auto import tqdm

    return tqdm(batches, desc=text, leave=False, unit="batch")


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def tensorboard_writer(folder: Path) -> Any | None:
    """A TensorBoard writer into `folder`, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
