"""Work that appears as a whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def unfinished(place: Path) -> Iterator[Path]:
    """A new folder beside `place` to work in, which is gone at the end, whatever happens."""
    part = place.with_name(place.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # what a killed process left
    part.mkdir(parents=True)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
