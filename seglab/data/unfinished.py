"""Files and folders that appear as a whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

WAITS = (0.1, 0.4, 1.6, 0)  # seconds: Windows refuses to replace a file that a virus scanner or a reader has open


@contextmanager
def unfinished(place: Path) -> Iterator[Path]:
    """A new folder beside `place` to work in, which is gone at the end, whatever happens.

    Every call has its own, so that processes that make the same thing at once do not touch each other's work,
    and what a killed one leaves is in nobody's way.
    """
    if not place.parent.exists():  # where it is a file, the next line says so better
        place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{place.name}.part.", dir=place.parent, ignore_cleanup_errors=True) as private:
        part = Path(private) / place.name  # within, since a temporary folder is closed to all other users
        part.mkdir()
        yield part


def put_in_place(made: Path, place: Path) -> None:
    """Move a finished folder to `place`; one that another process has put there meanwhile stays, as good as this."""
    try:
        os.replace(made, place)
    except OSError:
        if not place.is_dir():
            raise


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file, making its folder if need be; whoever is interrupted leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        for patience in WAITS:
            try:
                os.replace(part, path)
                break
            except PermissionError:
                if not patience:
                    raise
                time.sleep(patience)
    finally:
        part.unlink(missing_ok=True)
    return path
