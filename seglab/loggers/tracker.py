"""What a tracker is: a module of this folder with the names of `Tracker`.

To add one, write such a module, give it an entry in `TRACKERS` (registry.py), and put its name beside the others in
seglab/config/train.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class About:
    """What a tracker is told of a training before its first epoch."""

    name: str  # of the run
    project: str | None  # None where the user named none: then the library's own setting or default counts
    folder: Path  # of the run
    arguments: Mapping[str, Any]  # of the training, by name: numbers, texts, lists or None
    resumes: str | None = None  # what `identity` said of the run that this training resumes


class Tracker(Protocol):
    """The module of a tracker. A run is whatever its library calls one."""

    PACKAGE: str  # what it is imported by, and what `pip install` takes

    def start(self, about: About) -> Any:
        """Open a run, or take the one that the user has opened."""

    def identity(self, run: Any) -> str:
        """What finds the run again when its training is resumed; "" where its folder is enough."""

    def log(self, run: Any, values: Mapping[str, float], epoch: int) -> None:
        """The row of results.csv after an epoch, 0 being the start."""

    def log_files(self, run: Any, images: Sequence[Path], weights: Path) -> None:
        """In the end: the images of the run's folder, and the best weights."""

    def close(self, run: Any) -> None:
        """Close what `start` opened."""
