"""DVCLive: text files in ./dvclive for git and DVC; in a DVC repository, an experiment too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seglab.loggers.tracker import About

PACKAGE = "dvclive"


def start(about: About) -> Any:
    from dvclive import Live

    live = Live(exp_name=about.name, resume=about.resumes is not None)
    live.log_params({name: plain(value) for name, value in about.arguments.items()})
    return live


def plain(value: Any) -> Any:
    """A value that DVCLive can write: it takes numbers, texts, and lists of them."""
    return value if isinstance(value, (bool, int, float, str, list)) else str(value)


def identity(run: Any) -> str:
    return run.dir


def log(run: Any, values: Mapping[str, float], epoch: int) -> None:
    run.step = epoch
    for name, value in values.items():
        run.log_metric(name, value)
    run.next_step()


def log_files(run: Any, images: Sequence[Path], weights: Path) -> None:
    for path in images:
        run.log_image(path.name, str(path))
    if weights.is_file():
        run.log_artifact(str(weights), type="model", name="best")


def close(run: Any) -> None:
    run.end()
