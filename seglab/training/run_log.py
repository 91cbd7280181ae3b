"""Where the rows of a run go: one printed line per epoch, results.csv, a display in notebooks.

A row is one epoch, 0 being the start: "epoch", "time" in seconds, the loss terms by their names (train/box_loss,
val/box_loss, ...), the metrics and the learning rates. Loggers go by the names in it, so a new one appears everywhere.
Trackers of experiments (TensorBoard, W&B, ...) are in seglab/loggers.
To add a logger, write a class with `log` and `close` and give it a place in `RunLogger`.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from seglab.files import atomic_write
from seglab.notebooks import in_notebook
from seglab.training.loss import TERMS
from seglab.training.notebook import NotebookLogger
from seglab.training.rows import MAP, Row


def make_row(epoch: int, seconds: float, losses: Row, metrics: Row, rates: list[float]) -> Row:
    """One epoch as results.csv names it.

    epoch: from 1; losses: the training's, by the names of their terms; metrics: of the validation, already named as
    columns; rates: learning rates of the optimizer's groups.
    """
    train = {f"train/{name}_loss": value for name, value in losses.items()}
    lr = {f"lr/pg{index}": rate for index, rate in enumerate(rates)}
    return {"epoch": epoch, "time": round(seconds, 3), **train, **metrics, **lr}


class Logger(Protocol):
    """What follows a run."""

    def log(self, history: list[Row]) -> None:
        """After an epoch, or the validation of the start: the last row is new."""

    def close(self, history: list[Row]) -> None:
        """After the last epoch."""


class RunLogger:
    """Everything that follows the run in `folder`.

    epochs: of the whole run; done: those of them that a resumed run has already had; verbose: say so after every epoch.
    """

    def __init__(self, folder: Path, epochs: int, done: int = 0, verbose: bool = True):
        self.verbose = verbose
        self.loggers: list[Logger] = [CsvLogger(folder / "results.csv")]
        self.notebook = NotebookLogger(epochs, done) if verbose and in_notebook() else None
        if verbose:
            self.loggers.append(self.notebook or ConsoleLogger(epochs))

    def log(self, history: list[Row]) -> None:
        for logger in self.loggers:
            logger.log(history)

    def close(self, history: list[Row]) -> None:
        for logger in self.loggers:
            logger.close(history)

    def say(self, text: str) -> None:
        print(text, flush=True)

    def progress_bar(self, batches: Iterable[dict], text: str) -> Iterable[dict]:
        if self.notebook is not None:
            return self.notebook.batches(batches, text)
        return progress_bar(batches, text) if self.verbose else batches


class SilentLogger(RunLogger):
    """What processes other than the first have: it does nothing."""

    def __init__(self) -> None:
        self.loggers = []

    def say(self, text: str) -> None:
        pass

    def progress_bar(self, batches: Iterable[dict], text: str) -> Iterable[dict]:
        return batches


class CsvLogger:
    """results.csv, written anew after every epoch: a row for each, after row 0, which is what the start was worth."""

    def __init__(self, path: Path):
        self.path = path

    def log(self, history: list[Row]) -> None:
        try:
            write_results(self.path, history)
        except PermissionError:  # on Windows; no reason to end a run
            print(f"{self.path} is open in another program: close it, and the row will be added later", flush=True)

    def close(self, history: list[Row]) -> None:
        self.log(history)  # the file may have been open in another program until now


class ConsoleLogger:
    """A line an epoch."""

    def __init__(self, epochs: int):
        self.epochs = epochs

    def log(self, history: list[Row]) -> None:
        print(epoch_line(history[-1], self.epochs), flush=True)

    def close(self, history: list[Row]) -> None:
        pass


def write_results(path: Path, history: list[Row]) -> None:
    """Write the whole results.csv; its columns are those of all rows, in the order of the fullest row."""
    fullest_first = sorted(history, key=len, reverse=True)
    columns = list(dict.fromkeys(name for row in fullest_first for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()})
    atomic_write(path, text.getvalue().encode())


def epoch_line(row: Row, epochs: int) -> str:
    """One epoch for people; the start, which no training came before, has no losses."""
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}" if row["epoch"] else "start"]
    for name in TERMS:
        if f"train/{name}_loss" in row:
            parts.append(f"{name} {row[f'train/{name}_loss']:.3f}")
    for label, name in MAP.items():
        if name in row:
            parts.append(f"{label} {row[name]:.3f}")
    return "  ".join(parts)


def progress_bar(batches: Iterable[dict], text: str) -> Iterable[dict]:
    """The batches of an epoch, with a bar that vanishes at its end where somebody watches a terminal."""
    if not sys.stderr.isatty():
        return batches
    from tqdm.auto import tqdm

    return tqdm(batches, desc=text, leave=False, unit="batch")
