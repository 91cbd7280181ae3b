"""Where files go, how they appear as a whole or not at all, and which files of a folder count."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from platformdirs import user_cache_dir

from seglab.errors import SeglabError

# Which files of a folder are images, in any case; what they really are, their content says (`image_files`). A camera's
# raw file (.dng) is listed so that it is named as one that cannot be read.
IMAGE_SUFFIXES = {
    *(".avif", ".bmp", ".dng", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
}
YAML_SUFFIXES = (".yaml", ".yml")
SPLITS = ("train", "val", "test")
# Folders of copies and previews that systems keep: a Mac's archives, NAS boxes. Those that begin with a dot are hidden.
SYSTEM_FOLDERS = {"__macosx", "@eadir"}
# Seconds between attempts: Windows refuses to replace a file that a virus scanner or a reader has open.
REPLACE_WAITS = (0.1, 0.4, 1.6)
WINDOWS_LOCK_WAIT = 0.2  # seconds between two looks at a lock
LOST = (errno.EDQUOT, errno.EIO, errno.ENOSPC) if os.name != "nt" else (errno.EIO, errno.ENOSPC)  # what was written is
RUNS_VARIABLE = "SEGLAB_RUNS"  # the environment variable that moves `runs`
DIGEST_BYTES = 1 << 20  # read at once while a file is hashed


@contextmanager
def staging_dir(target: Path) -> Iterator[Path]:
    """A new folder beside `target` to work in, which is gone at the end, whatever happens.

    Every call has its own, so processes that write the same file at once do not touch each other's work. What a killed
    one leaves behind is removed by the next that writes there.
    """
    if not target.parent.exists():  # where it is a file, the next line says so better
        target.parent.mkdir(parents=True, exist_ok=True)
    remove_orphans(target.parent)
    # Named before it is made, so that an interruption in between leaves nothing either.
    private = target.with_name(f"{part_name(target)}.{secrets.token_hex(4)}")
    try:
        staging = private / target.name
        staging.mkdir(parents=True)
        yield staging
    finally:
        shutil.rmtree(private, ignore_errors=True)


def publish(made: Path, target: Path) -> None:
    """Move a finished folder to `target`; one that another process has put there meanwhile stays, as good as this."""
    sync_files_below(made)
    try:
        os.replace(made, target)
    except OSError:
        if not target.is_dir():
            raise
    sync_folder(target.parent)


def replace(made: Path, target: Path, sync: bool = True) -> Path:
    """Move a finished file or folder to `target`, over whatever is there; returns `target`. sync: see `atomic_write`.

    Errors: OSError when what is there stays locked.
    """
    if made.is_dir():
        sync_files_below(made)
        if target.is_dir():
            shutil.rmtree(target)  # no system replaces a folder with something in it
    for wait in REPLACE_WAITS:
        try:
            os.replace(made, target)
            break
        except PermissionError:
            time.sleep(wait)
    else:
        os.replace(made, target)
    if sync:
        sync_folder(target.parent)
    return target


def sync_files_below(folder: Path) -> None:
    """Have every file below a folder on the disk, before the folder gets its name: after a power cut it would be there
    with files that are empty."""
    with suppress(OSError, AttributeError):  # some network drives cannot; only Linux has one call for a whole disk
        if _sync_disk_of(folder):
            return
    for current, _, names in os.walk(folder):
        for path in (Path(current, name) for name in names):
            if not path.is_symlink():
                _sync_file(path)


def _sync_disk_of(folder: Path) -> bool:
    """Have all that was written on the disk of a folder, in one go: file by file takes a hundred times as long."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return ctypes.CDLL(None).syncfs(descriptor) == 0
    finally:
        os.close(descriptor)


def _sync_file(path: Path) -> None:
    try:
        with open(path, "r+b" if os.name == "nt" else "rb") as file:
            os.fsync(file.fileno())
    except OSError as error:  # of a file that may only be read, on Windows; and of some network drives
        if error.errno in LOST:
            raise


def sync_folder(folder: Path) -> None:
    """Have the folder's list of names on the disk, so that a file that was moved into it survives a power cut."""
    if os.name == "nt":  # Windows opens no folders, and keeps their lists itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network drives cannot; the move itself has succeeded
        pass
    finally:
        os.close(descriptor)


def atomic_write(path: Path, data: bytes, sync: bool = True) -> Path:
    """Write a file, making its folder if need be; an interruption leaves the old file or the new one.

    sync: also where the power fails, for which the disk is waited for; pictures can be made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_orphans(path.parent)
    part = path.with_name(part_name(path))
    try:
        with part.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        replace(part, path, sync)
    finally:
        part.unlink(missing_ok=True)
    return path


# --- one process at a time -------------------------------------------------------------------------------------------


@contextmanager
def sole_process(path: Path, busy: str = "") -> Iterator[None]:
    """Hold the lock file `path`, which no two processes do at once; it is gone afterward, and with a killed process.

    Another process's is waited for, or where `busy` says so ends in a SeglabError of that text. Where the file system
    knows no locks, all go on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = open(path, "ab")
        try:
            if not _lock(file.fileno(), wait=not busy):
                raise SeglabError(busy)
            # Whoever had it before has removed the file: then another has the lock of the new one.
            if os.path.exists(path) and os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                break
        except BaseException:
            file.close()
            raise
        file.close()
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file; an empty one is left there
            path.unlink()
        file.close()


def _lock(descriptor: int, wait: bool) -> bool:
    """Lock an open file for this process; False where another has it."""
    try:
        if os.name == "nt":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
                    return True
                except OSError:
                    if not wait:
                        return False
                    time.sleep(WINDOWS_LOCK_WAIT)
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


# --- what killed processes leave behind ------------------------------------------------------------------------------

# Unfinished files and folders: NAME.part.HOST.PROCESS, with a random ending for folders.
# The machine's own name is part of the pattern, as a name may have dots and an ending may be all digits.
_PART = r".+\.part\.{host}\.(?P<process>\d+(-\d+)?)(\.\w+)?"
ABANDONED_SECONDS = 24 * 3600  # on Windows, which offers no safe way to ask whether a process lives
_looked_through: set[Path] = set()  # folders in which this process has removed orphans


def part_name(target: Path) -> str:
    """What a file or folder is called until it is finished; it tells which process is at work on it."""
    return f"{target.name}.part.{socket.gethostname()}.{_living_process(os.getpid())}"


def remove_orphans(folder: Path) -> None:
    """Remove unfinished files and folders in `folder` whose process is dead, and say so. Each folder is read once.

    Those of other machines stay, since nobody here can tell whether their processes live.
    """
    folder = folder.resolve()
    if folder in _looked_through or not folder.is_dir():
        return
    _looked_through.add(folder)
    for path in orphans(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        print(f"removed {path}, which an interrupted run had left unfinished")


def orphans(folder: Path) -> list[Path]:
    """Unfinished files and folders directly in `folder` whose process on this machine is dead."""
    found = []
    part = re.compile(_PART.format(host=re.escape(socket.gethostname())))
    with os.scandir(folder) as entries:
        for entry in entries:
            parsed = part.fullmatch(entry.name)
            if parsed and _is_orphan(entry, parsed["process"]):
                found.append(Path(entry.path))
    return sorted(found)


def _is_orphan(entry: os.DirEntry[str], process: str) -> bool:
    if os.name == "nt":
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED_SECONDS
    return _living_process(int(process.partition("-")[0])) != process


def _living_process(number: int) -> str | None:
    """What tells a living process from all others: its number and, on Linux, when it began; None for a dead one.

    Numbers alone are used again: whatever a container runs has the same one after each start.
    """
    if os.name == "nt":
        return str(number)
    stat = Path(f"/proc/{number}/stat")
    if Path("/proc/self/stat").exists():
        try:
            state, *fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        start_time = fields[18]  # field 22 of proc(5), in clock ticks since the machine started
        return None if state == "Z" else f"{number}-{start_time}"
    try:
        os.kill(number, 0)  # signal 0 only asks
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:  # somebody else's process
        return str(number)
    return str(number)


# --- places ----------------------------------------------------------------------------------------------------------


def cache_dir() -> Path:
    """Where downloads and generated datasets live: SEGLAB_CACHE, else the platform's user cache folder."""
    return Path(os.environ.get("SEGLAB_CACHE") or user_cache_dir("seglab", appauthor=False))


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read its bytes.

    Errors: OSError, also for a named pipe, which would wait for a writer for ever, and for a device, which may not end.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a folder has an error of its own
        raise OSError(errno.EINVAL, "a pipe or a device and not a file", str(path))
    return open(path, "rb")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(DIGEST_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_all(path: Path) -> str:
    """The SHA-256 of a file, or of all files in a folder with their names below it, in hexadecimal."""
    if not path.is_dir():
        return sha256_of(path)
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def bundled_data_dir() -> Path:
    """The data that comes with seglab: `seglab/_data` in an installed wheel, `data` in a clone."""
    package = Path(__file__).resolve().parent
    return package / "_data" if (package / "_data").is_dir() else package.parent / "data"


def runs_dir() -> Path:
    """Where runs go that are given no project=: runs/segment, or `segment` in the folder that SEGLAB_RUNS names."""
    return Path(os.environ.get(RUNS_VARIABLE) or "runs", "segment")


def new_run_dir(default: str, project: str | None = None, name: str | None = None, exist_ok: bool = False) -> Path:
    """Make and return `project`/`name`, by default runs/segment/`default`; name2, ... where it exists already.

    exist_ok: take the folder even if it exists. Errors: SeglabError when it cannot be made.
    """
    first = Path(str(project or runs_dir()), str(name or default))
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
            f"cannot create the folder {first} ({error.strerror}): choose another one with project= and name="
        ) from error


def expand_home(path: str | Path) -> Path:
    """A path with ~ as the home folder; as it stands where that of somebody is meant who has none here."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


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


def files_of_suffix(source: Path, *suffixes: str) -> list[Path]:
    """The files with one of these suffixes (lower case), sorted: `source` itself, or all under it; no pipe, device."""
    files = [source] if source.is_file() else sorted(real_files(files_below(source)))
    return [file for file in files if file.suffix.lower() in suffixes and file.is_file()]


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
