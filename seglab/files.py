"""Where files go, how they appear as a whole or not at all, and which files of a folder count."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from platformdirs import user_cache_dir

from seglab.errors import SeglabError

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
SPLITS = ("train", "val", "test")
# Folders of copies and previews that systems keep: a Mac's archives, NAS boxes. Those that begin with a dot are hidden.
SYSTEM_FOLDERS = {"__macosx", "@eadir"}
# Seconds between attempts: Windows refuses to replace a file that a virus scanner or a reader has open.
REPLACE_WAITS = (0.1, 0.4, 1.6)
DIGEST_BYTES = 1 << 20  # read at once while a file is hashed


@contextmanager
def staging_dir(target: Path) -> Iterator[Path]:
    """A new folder beside `target` to work in, which is gone at the end, whatever happens.

    Every call has its own, so processes that write the same file at once do not touch each other's work, and what a
    killed one leaves behind is in nobody's way.
    """
    if not target.parent.exists():  # where it is a file, the next line says so better
        target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{target.name}.part.", dir=target.parent, ignore_cleanup_errors=True) as private:
        staging = Path(private) / target.name  # within, since a temporary folder is closed to all other users
        staging.mkdir()
        yield staging


def publish(made: Path, target: Path) -> None:
    """Move a finished folder to `target`; one that another process has put there meanwhile stays, as good as this."""
    try:
        os.replace(made, target)
    except OSError:
        if not target.is_dir():
            raise


def replace(made: Path, target: Path) -> Path:
    """Move a finished file or folder to `target`, over whatever is there; returns `target`.

    Errors: OSError when what is there stays locked.
    """
    if made.is_dir() and target.is_dir():
        shutil.rmtree(target)  # no system replaces a folder with something in it
    for wait in REPLACE_WAITS:
        try:
            os.replace(made, target)
            return target
        except PermissionError:
            time.sleep(wait)
    os.replace(made, target)
    return target


def atomic_write(path: Path, data: bytes) -> Path:
    """Write a file, making its folder if need be; an interruption leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def cache_dir() -> Path:
    """Where downloads and generated datasets live: SEGLAB_CACHE, else the platform's user cache folder."""
    return Path(os.environ.get("SEGLAB_CACHE") or user_cache_dir("seglab", appauthor=False))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(DIGEST_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def bundled_data_dir() -> Path:
    """The data that comes with seglab: `seglab/_data` in an installed wheel, `data` in a clone."""
    package = Path(__file__).resolve().parent
    return package / "_data" if (package / "_data").is_dir() else package.parent / "data"


def new_run_dir(default: str, project: str | None = None, name: str | None = None, exist_ok: bool = False) -> Path:
    """Make and return `project`/`name`, by default runs/segment/`default`; name2, ... where it exists already.

    exist_ok: take the folder even if it exists. Errors: SeglabError when it cannot be made.
    """
    first = Path(str(project or "runs/segment"), str(name or default))
    number = 1
    try:
        first.parent.mkdir(parents=True, exist_ok=True)
        while True:
            folder = first if number == 1 else first.with_name(f"{first.name}{number}")
            try:
                folder.mkdir(exist_ok=exist_ok)
                return folder
            except FileExistsError:
                number += 1
    except OSError as error:
        raise SeglabError(
            f"cannot make the folder {first} ({error.strerror}): choose another one with project= and name="
        ) from error


def real_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Without what a Mac puts beside a.jpg on other systems' disks and into archives: ._a.jpg, which is no image."""
    return (path for path in paths if not path.name.startswith("._"))


def files_below(folder: Path) -> Iterator[Path]:
    """Every file under a folder, through links too; a folder that links lead back to is walked through once.

    Hidden folders (.ipynb_checkpoints) and those of systems (@eaDir) hold copies that are nobody's data: left out.
    """
    seen = set()
    for current, subfolders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(current)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = [name for name in subfolders if not is_system_folder(name)]
        for name in names:
            yield Path(current, name)


def is_system_folder(name: str) -> bool:
    """Whether a folder of this name is hidden or a system's own, so that nothing in it is anybody's data."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def label_path(image: Path) -> Path:
    """The label file of an image: the last folder called `images` becomes `labels`, the suffix `.txt`."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


# What people call the splits, in names of folders and files.
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def split_named(name: str) -> str | None:
    """The split that a file's name tells by one of its words (instances_val2017); None where it tells none."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), None)


def split_of_folder(name: str) -> str | None:
    """The split that a folder is, if that is all it is called (train, valid, val2017): test_drive is none."""
    return _SPLIT_WORDS.get(name.lower().rstrip("0123456789_-"))
