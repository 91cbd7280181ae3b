"""Comet. `COMET_MODE=offline` writes archives for `comet upload`; other settings are the library's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seglab.loggers.tracker import About

PACKAGE = "comet_ml"
DEFAULT_PROJECT = "seglab"


def start(about: About) -> Any:
    import comet_ml

    # Only what is logged here: not the script's text, its output, or what other libraries do.
    config = comet_ml.ExperimentConfig(
        name=about.name,
        log_code=False,
        log_git_metadata=False,
        log_git_patch=False,
        parse_args=False,
        auto_param_logging=False,
        auto_metric_logging=False,
        auto_output_logging=False,
    )
    experiment = comet_ml.start(
        project=about.project or os.environ.get("COMET_PROJECT_NAME", DEFAULT_PROJECT),
        experiment_key=about.resumes,
        mode="get_or_create" if about.resumes else "create",
        online=False if os.environ.get("COMET_MODE", "").lower() == "offline" else None,
        experiment_config=config,
    )
    experiment.log_parameters(dict(about.arguments))
    return experiment


def identity(run: Any) -> str:
    return run.get_key()


def log(run: Any, values: Mapping[str, float], epoch: int) -> None:
    run.log_metrics(dict(values), step=epoch, epoch=epoch)


def log_files(run: Any, images: Sequence[Path], weights: Path) -> None:
    for path in images:
        run.log_image(str(path), name=path.stem)
    if weights.is_file():
        run.log_model("best", str(weights))


def close(run: Any) -> None:
    run.end()
