"""Weights & Biases. `WANDB_MODE=offline` writes into ./wandb, for `wandb sync`; other settings are the library's."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seglab.loggers.tracker import About

PACKAGE = "wandb"
DEFAULT_PROJECT = "seglab"


class Opened(NamedTuple):
    run: Any
    is_ours: bool  # a run that the user has opened is not closed here


def start(about: About) -> Opened:
    import wandb

    if wandb.run is not None:
        wandb.run.config.update(dict(about.arguments), allow_val_change=True)
        return Opened(wandb.run, is_ours=False)
    run = wandb.init(
        project=about.project or os.environ.get("WANDB_PROJECT", DEFAULT_PROJECT),
        name=about.name,
        config=dict(about.arguments),
        id=about.resumes,
        resume="allow" if about.resumes else None,
    )
    return Opened(run, is_ours=True)


def identity(run: Opened) -> str:
    return run.run.id


def log(run: Opened, values: Mapping[str, float], epoch: int) -> None:
    # Steps must rise, and a run of the user's own may already be past this epoch: the epoch is a value of its own.
    step = epoch if run.is_ours else None
    run.run.log(dict(values), step=step)


def log_files(run: Opened, images: Sequence[Path], weights: Path) -> None:
    import wandb

    run.run.log({path.stem: wandb.Image(str(path)) for path in images})
    if weights.is_file():
        artifact = wandb.Artifact(f"run_{run.run.id}_model", type="model")
        artifact.add_file(str(weights), name=weights.name)
        run.run.log_artifact(artifact, aliases=["best"])


def close(run: Opened) -> None:
    if run.is_ours:
        run.run.finish()
