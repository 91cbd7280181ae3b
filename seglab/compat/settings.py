"""`settings` as scripts read and change it: a mapping over the places that seglab uses. Nothing is written to disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import seglab.version as _version
from seglab.compat.arguments import DEFAULTS
from seglab.config.train import TRACKER_NAMES, TRACKERS
from seglab.errors import SeglabError
from seglab.files import RUNS_VARIABLE, cache_dir, runs_dir
from seglab.loggers.registry import how_to_install, is_installed

ROOT = Path(_version.__file__).resolve().parent
DEFAULT_CFG = SimpleNamespace(**DEFAULTS)  # of ultralytics
LOGGER = logging.getLogger("seglab")

# Key -> the environment variable that holds it for this process.
VARIABLES = {"datasets_dir": "SEGLAB_DATASETS", "weights_dir": "SEGLAB_CACHE", "runs_dir": RUNS_VARIABLE}
# Switches of ultralytics for what seglab has no tracker for, and what there is instead.
INSTEAD = {
    "neptune": f"it follows trainings with {', '.join(TRACKERS)}",
    "raytune": "tune searches with Optuna, see docs/compat.md",
    "hub": "nothing is uploaded, runs stay in runs/segment",
}


class Settings(MutableMapping[str, Any]):
    """datasets_dir: where datasets are looked for; weights_dir: where downloads go; runs_dir: where runs go.

    They can be set, for this process. The name of an experiment tracker switches it on for the trainings of this
    process. Other keys, such as that of telemetry, are False and may be set to False.
    """

    def __init__(self) -> None:
        self._trackers: dict[str, bool] = {}
        self._before: dict[str, str | None] = {}  # variables as the process was started with, of the keys set since

    def __getitem__(self, key: str) -> Any:
        if key == "runs_dir":
            return str(runs_dir().parent)
        if key == "weights_dir":
            return str(cache_dir())
        if key in VARIABLES:
            return os.environ.get(VARIABLES[key], str(Path("datasets")))
        return self._trackers.get(TRACKER_NAMES.get(key, key), False)

    def __setitem__(self, key: str, value: Any) -> None:
        if key in VARIABLES:
            self._before.setdefault(key, os.environ.get(VARIABLES[key]))
            os.environ[VARIABLES[key]] = str(value)
        elif TRACKER_NAMES.get(key, key) in TRACKERS:
            self._switch(TRACKER_NAMES.get(key, key), bool(value))
        elif value:
            instead = INSTEAD.get(key, "leave it out, or set one of " + ", ".join((*self, *TRACKERS)))
            raise SeglabError(f"settings has no {key} to switch on: {instead}")

    def _switch(self, name: str, on: bool) -> None:
        """Switch a tracker on or off. One that is not installed stays off, with a word: the script runs without it."""
        if on and not is_installed(name):
            print(f"settings: {how_to_install(name)}; training continues without it")
            on = False
        self._trackers[name] = on

    def trackers(self) -> list[str]:
        """Names of the trackers that are on."""
        return [name for name, on in self._trackers.items() if on]

    def __delitem__(self, key: str) -> None:
        self._trackers.pop(TRACKER_NAMES.get(key, key), None)
        if key not in self._before:
            return
        before = self._before.pop(key)
        if before is None:
            os.environ.pop(VARIABLES[key], None)
        else:
            os.environ[VARIABLES[key]] = before

    def __iter__(self) -> Iterator[str]:
        return iter(("datasets_dir", "weights_dir", "runs_dir", *self.trackers()))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def reset(self) -> None:
        """Forget what was set: variables are again as they were before."""
        for key in (*VARIABLES, *TRACKERS):
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
