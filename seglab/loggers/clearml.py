"""ClearML. `CLEARML_OFFLINE_MODE=1` writes a session for `Task.import_offline_session`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seglab.loggers.tracker import About

PACKAGE = "clearml"
DEFAULT_PROJECT = "seglab"


class Opened(NamedTuple):
    task: Any
    is_ours: bool  # a task that the user has opened is not closed here


def start(about: About) -> Opened:
    from clearml import Task

    current = Task.current_task()
    task = current
    if current is None:
        # Only what is logged here: figures and files that other code makes are none of the run's.
        task = Task.init(
            project_name=about.project or DEFAULT_PROJECT,
            task_name=about.name,
            continue_last_task=about.resumes or False,
            reuse_last_task_id=False,
            auto_connect_arg_parser=False,
            auto_connect_frameworks=False,
        )
    task.connect(dict(about.arguments), name="General")
    return Opened(task, is_ours=current is None)


def identity(run: Opened) -> str:
    return run.task.id


def log(run: Opened, values: Mapping[str, float], epoch: int) -> None:
    logger = run.task.get_logger()
    for name, value in values.items():
        title, _, series = name.rpartition("/")  # one plot for all of train/, val/, metrics/, lr/
        logger.report_scalar(title or name, series, value, iteration=epoch)


def log_files(run: Opened, images: Sequence[Path], weights: Path) -> None:
    logger = run.task.get_logger()
    for path in images:
        logger.report_image("images", path.stem, iteration=0, local_path=str(path))
    if weights.is_file() and run.task.is_offline():  # there, the library has no models
        run.task.upload_artifact("best", str(weights))
    elif weights.is_file():
        run.task.update_output_model(model_path=str(weights), model_name="best", auto_delete_file=False)


def close(run: Opened) -> None:
    if run.is_ours:
        run.task.close()
