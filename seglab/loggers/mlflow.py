"""MLflow, at the tracking URI that its own settings name (`MLFLOW_TRACKING_URI`, ...), by default in this folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seglab.loggers.tracker import About

PACKAGE = "mlflow"
NOT_IN_NAMES = re.compile(r"[^\w\-./: ]")  # MLflow takes no brackets, as in mAP50(B)
MAX_VALUE = 500  # characters of a parameter; MLflow refuses more


class Opened(NamedTuple):
    run: Any
    is_ours: bool  # a run that the user has opened is not closed here


def start(about: About) -> Opened:
    import mlflow

    active = mlflow.active_run()
    run = active
    if active is None:
        if about.project and not about.resumes:
            mlflow.set_experiment(about.project)
        run = mlflow.start_run(run_id=about.resumes, run_name=None if about.resumes else about.name)
    if not about.resumes:  # parameters are written once
        mlflow.log_params({name: str(value)[:MAX_VALUE] for name, value in about.arguments.items()})
    return Opened(run, is_ours=active is None)


def identity(run: Opened) -> str:
    return run.run.info.run_id


def log(run: Opened, values: Mapping[str, float], epoch: int) -> None:
    import mlflow

    named = {NOT_IN_NAMES.sub("", name): value for name, value in values.items()}
    mlflow.log_metrics(named, step=epoch, run_id=identity(run))


def log_files(run: Opened, images: Sequence[Path], weights: Path) -> None:
    import mlflow

    for path in images:
        mlflow.log_artifact(str(path), run_id=identity(run))
    if weights.is_file():
        mlflow.log_artifact(str(weights), "weights", run_id=identity(run))


def close(run: Opened) -> None:
    import mlflow

    if run.is_ours:
        mlflow.end_run()
