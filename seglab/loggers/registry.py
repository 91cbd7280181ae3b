"""Which trackers there are."""

from __future__ import annotations

import importlib.util

from seglab.errors import SeglabError
from seglab.loggers import clearml, comet, dvclive, mlflow, tensorboard, wandb
from seglab.loggers.tracker import Tracker

TRACKERS: dict[str, Tracker] = {
    "tensorboard": tensorboard,
    "wandb": wandb,
    "mlflow": mlflow,
    "comet": comet,
    "clearml": clearml,
    "dvclive": dvclive,
}


def is_installed(name: str) -> bool:
    """Whether the package of a tracker can be imported; it is not imported yet."""
    try:
        return importlib.util.find_spec(TRACKERS[name].PACKAGE) is not None
    except ValueError:  # a module without a spec, as tests put in its place
        return True


def how_to_install(name: str) -> str:
    package = TRACKERS[name].PACKAGE
    return f"{name} needs the package {package}: pip install {package}"


def require_installed(name: str) -> None:
    """Errors: SeglabError when the tracker's package is missing, with the line that installs it."""
    if not is_installed(name):
        raise SeglabError(f"loggers={how_to_install(name)}, or leave out {name}")
