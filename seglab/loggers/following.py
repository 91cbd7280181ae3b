"""Trackers following a training: functions for its events, and the file that finds their runs again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from seglab.errors import SeglabError
from seglab.events import Function
from seglab.files import atomic_write
from seglab.loggers.registry import TRACKERS, require_installed
from seglab.loggers.tracker import About

IDENTITIES = "loggers.json"  # in the run's folder: name of a tracker -> what finds its run again
IMAGES = (".png", ".jpg")


class Following:
    """The trackers of one training, open from its first event to the end of a `with` block.

    names: of the trackers. Errors: SeglabError for one whose package is missing, or that does not start. One that
    fails later is left out with a word: it is no reason to lose a training.
    """

    def __init__(self, names: Sequence[str]):
        for name in names:
            require_installed(name)
        self.names = list(names)
        self.runs: dict[str, Any] = {}
        self.failed: set[str] = set()
        self.logged = -1  # the last epoch; 0 is the start

    def functions(self) -> dict[str, Function]:
        """Event -> what to call, with the object that callbacks get."""
        if not self.names:
            return {}
        return {
            "on_pretrain_routine_end": self.start,
            "on_fit_epoch_end": self.log,
            "on_train_end": self.log_files,
        }

    def start(self, trainer: Any) -> None:
        """Open the runs, and log what the start was worth."""
        file = trainer.save_dir / IDENTITIES
        known = json.loads(file.read_text()) if trainer.args.resume and file.is_file() else {}
        for name in self.names:
            about = About(
                name=trainer.save_dir.name,
                project=project_name(trainer.args.project),
                folder=trainer.save_dir,
                arguments={key: as_plain(value) for key, value in vars(trainer.args).items()},
                resumes=known.get(name),
            )
            try:
                self.runs[name] = TRACKERS[name].start(about)
                known[name] = TRACKERS[name].identity(self.runs[name])
            except Exception as error:
                raise SeglabError(
                    f"loggers={name} did not start ({first_line(error)}): set it up, or leave it out"
                ) from error
        found_again = {name: identity for name, identity in known.items() if identity}
        if found_again:
            atomic_write(file, json.dumps(found_again, indent=1).encode())
        self.log(trainer)

    def log(self, trainer: Any) -> None:
        """The newest row of results.csv, once: the event is told again for the best weights."""
        row = dict(trainer.row)
        epoch = int(row.pop("epoch", -1))
        is_told_before_a_resumed_epoch = self.logged < 0 and epoch > 0 and trainer.start_epoch == epoch
        if epoch <= self.logged or is_told_before_a_resumed_epoch:
            return
        self.logged = epoch
        values = {"epoch": epoch, **row}
        self._each(f"take epoch {epoch}", lambda tracker, run: tracker.log(run, values, epoch))

    def log_files(self, trainer: Any) -> None:
        """Images and the best weights."""
        images = sorted(path for path in trainer.save_dir.iterdir() if path.suffix in IMAGES)
        self._each("take the images and weights", lambda tracker, run: tracker.log_files(run, images, trainer.best))

    def _each(self, task: str, do: Callable[[Any, Any], None]) -> None:
        """Have every tracker do something; one that cannot does nothing more, and is closed in the end."""
        for name, run in self.runs.items():
            if name in self.failed:
                continue
            try:
                do(TRACKERS[name], run)
            except Exception as error:
                self.failed.add(name)
                print(f"{name} could not {task} ({first_line(error)}): training continues without it", flush=True)

    def __enter__(self) -> Following:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.failed = set()
        self._each("close its run", lambda tracker, run: tracker.close(run))
        self.runs = {}


def project_name(project: str | None) -> str | None:
    """A project as trackers take it: the last part of a path."""
    return Path(project).name or None if project else None


def as_plain(value: Any) -> Any:
    """An argument as trackers can write it."""
    if isinstance(value, (list, tuple)):
        return [as_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def first_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
