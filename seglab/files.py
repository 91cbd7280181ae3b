"""Where files go, and files and folders that appear as a whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from platformdirs import user_cache_dir

from seglab.errors import SeglabError

WAITS = (0.1, 0.4, 1.6, 0)  # seconds: Windows refuses to replace a file that a virus scanner or a reader has open


@contextmanager
def staging_dir(place: Path) -> Iterator[Path]:
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


def publish(made: Path, place: Path) -> None:
    """Move a finished folder to `place`; one that another process has put there meanwhile stays, as good as this."""
    try:
        os.replace(made, place)
    except OSError:
        if not place.is_dir():
            raise


def atomic_write(path: Path, data: bytes) -> Path:
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


def cache_dir() -> Path:
    """Where downloads and generated datasets live: SEGLAB_CACHE, else the platform's user cache folder."""
    return Path(os.environ.get("SEGLAB_CACHE") or user_cache_dir("seglab", appauthor=False))


def replace(made: Path, place: Path) -> Path:
    """Move a finished file or folder to `place`, over whatever is there; returns `place`."""
    if made.is_dir() and place.is_dir():
        shutil.rmtree(place)  # no system replaces a folder with something in it
    return made.replace(place)


def bundled_data_dir() -> Path:
    """The data that comes with seglab: `seglab/_data` in an installed wheel, `data` in a clone."""
    package = Path(__file__).resolve().parent
    return package / "_data" if (package / "_data").is_dir() else package.parent / "data"


def new_run_dir(default: str, project: str | None = None, name: str | None = None, exist_ok: bool = False) -> Path:
    """Make and return `project`/`name`, by default runs/segment/`default`; name2, ... where it exists already.

    Errors: SeglabError when the place cannot be written to.
    """
    first = Path(str(project or "runs/segment"), str(name or default))
    try:
        first.parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = first if number == 1 else first.with_name(f"{first.name}{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir(exist_ok=exist_ok)
                return folder
    except OSError as error:
        raise SeglabError(
            f"cannot make the folder {first} ({error.strerror}): give another place as project= and name="
        ) from error
