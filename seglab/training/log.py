"""What a run tells: a line an epoch, results.csv, TensorBoard."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seglab.training.checkpoint import write_text

TERMS = ("box", "seg", "cls", "dfl")


def make_row(epoch: int, seconds: float, losses: list[float], metrics: dict[str, float], lrs: list[float]) -> dict:
    """One epoch as results.csv names it. epoch: from 0; losses: the terms in the order of TERMS."""
    train = {f"train/{term}_loss": value for term, value in zip(TERMS, losses)}
    rates = {f"lr/pg{index}": lr for index, lr in enumerate(lrs)}
    return {"epoch": epoch + 1, "time": round(seconds, 3), **train, **metrics, **rates}


def write_results(path: Path, history: list[dict[str, float]]) -> None:
    """Write the whole results.csv; columns are those of any row, in order of appearance."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in history)
    write_text(path, text.getvalue())


def epoch_line(row: dict[str, float], epochs: int) -> str:
    """One epoch for people."""
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"]
    parts += [f"{term} {row[f'train/{term}_loss']:.3f}" for term in TERMS]
    for short, name in (("box mAP", "metrics/mAP50-95(B)"), ("mask mAP", "metrics/mAP50-95(M)")):
        if name in row:
            parts.append(f"{short} {row[name]:.3f}")
    return "  ".join(parts)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def epochs_bar(first: int, epochs: int):
    """The one bar of a notebook, over epochs; None in a terminal, which gets a line an epoch instead."""
    if not in_notebook():
        return None
    from tqdm.auto import tqdm

    return tqdm(total=epochs, initial=first, desc="training", unit="epoch")


def follow(batches: Iterable, text: str) -> Iterable:
    """The batches of an epoch, with a bar that vanishes at its end where somebody watches a terminal."""
    if in_notebook() or not sys.stderr.isatty():
        return batches
    from tqdm.auto import tqdm

    return tqdm(batches, desc=text, leave=False, unit="batch")


def tensorboard_writer(folder: Path) -> Any | None:
    """A TensorBoard writer into `folder`, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
