"""`settings` as scripts read and change it: a mapping over the places that seglab uses. Nothing is written to disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import seglab.version as _version
from seglab.errors import SeglabError
from seglab.files import cache_dir

ROOT = Path(_version.__file__).resolve().parent
LOGGER = logging.getLogger("seglab")

# Key -> the environment variable that holds it for this process.
VARIABLES = {"datasets_dir": "SEGLAB_DATASETS", "weights_dir": "SEGLAB_CACHE"}
RUNS = Path("runs")


class Settings(MutableMapping[str, Any]):
    """datasets_dir: where datasets are looked for; weights_dir: where downloads go; runs_dir: where runs go.

    The first two can be set, for this process; a run's folder is set by project= of its verb. Other keys, such as the
    switches of loggers and telemetry, are False and may be set to False.
    """

    def __getitem__(self, key: str) -> Any:
        if key == "runs_dir":
            return str(RUNS)
        if key == "weights_dir":
            return str(cache_dir())
        if key in VARIABLES:
            return os.environ.get(VARIABLES[key], str(Path("datasets")))
        return False

    def __setitem__(self, key: str, value: Any) -> None:
        if key in VARIABLES:
            os.environ[VARIABLES[key]] = str(value)
        elif key == "runs_dir" and Path(str(value)) != RUNS:
            raise SeglabError(f"settings cannot move runs to {value}: pass project= to the verb, or change the folder")
        elif key != "runs_dir" and value:
            raise SeglabError(
                f"settings has no {key} to switch on: loggers are arguments of train, see `seglab help train`"
            )

    def __delitem__(self, key: str) -> None:
        os.environ.pop(VARIABLES.get(key, ""), None)

    def __iter__(self) -> Iterator[str]:
        return iter(("datasets_dir", "weights_dir", "runs_dir"))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def reset(self) -> None:
        """Forget what was set."""
        for key in VARIABLES:
            del self[key]

    def __repr__(self) -> str:
        return "\n".join(f"{key}: {self[key]}" for key in self)


settings = Settings()


def increment_path(path: str | Path, exist_ok: bool = False, sep: str = "", mkdir: bool = False) -> Path:
    """`path`, with a number behind it from 2 on where it exists already."""
    first = Path(path)
    number = 1
    free = first
    while free.exists() and not exist_ok:
        number += 1
        free = first.with_name(f"{first.stem}{sep}{number}{first.suffix}")
    if mkdir:
        free.mkdir(parents=True, exist_ok=True)
    return free
