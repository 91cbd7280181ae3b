"""What seglab keeps in its cache folder, listed and cleared. All of it can be downloaded or computed again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from seglab.errors import SeglabError
from seglab.files import cache_dir, orphans
from seglab.wording import pluralize

ALL = "all"
# Folders whose members are listed one by one, since each is something that the user asked for by name.
OPENED = ("datasets",)
PURPOSES = {
    "datasets": "a downloaded or generated dataset",
    "engines": "networks compiled for engine=auto",
    "exported": "which TorchScript files and engines were exported here",
    "scans": "sizes and issues of datasets, so that later runs start sooner",
}
UNFINISHED = "a download or an archive that was interrupted"


@dataclass(frozen=True)
class CacheEntry:
    """One thing in the cache.

    name: its path below the cache folder, in POSIX form; files: how many it consists of; size: their bytes.
    last_write: when the newest of them was written.
    """

    name: str
    purpose: str
    files: int
    size: int
    last_write: datetime


def cache_entries() -> list[CacheEntry]:
    """Everything in the cache, sorted by name; empty when there is no cache."""
    folder = cache_dir()
    if not folder.is_dir():
        return []
    unfinished = set(orphans(folder))
    paths: list[Path] = []
    for path in folder.iterdir():
        if path.name in OPENED and path.is_dir():
            unfinished |= set(orphans(path))
            paths += path.iterdir()
        else:
            paths.append(path)
    return [_entry(path, folder, path in unfinished) for path in sorted(paths)]


def _entry(path: Path, folder: Path, is_unfinished: bool) -> CacheEntry:
    if path.is_dir() and not path.is_symlink():
        files = [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    else:
        files = [path]
    states = [file.lstat() for file in files]
    newest = max((state.st_mtime for state in states), default=path.lstat().st_mtime)
    name = path.relative_to(folder).as_posix()
    if is_unfinished or path.suffix.startswith(".part"):
        purpose = UNFINISHED
    else:
        purpose = PURPOSES.get(name.partition("/")[0], "downloaded weights or annotations")
    size = sum(state.st_size for state in states)
    return CacheEntry(name, purpose, len(files), size, datetime.fromtimestamp(newest))


def clear_cache(name: str) -> list[CacheEntry]:
    """Remove one entry by its name, or everything for "all"; returns what was removed.

    Errors: SeglabError for a name that is not in the cache, and for an entry that cannot be removed.
    """
    entries = cache_entries()
    chosen = entries if name == ALL else [entry for entry in entries if entry.name == name]
    if not chosen and name != ALL:
        names = ", ".join(entry.name for entry in entries) or "it is empty"
        raise SeglabError(f"the cache {cache_dir()} has no item {name!r} (it has: {names}): give one of them, or all")
    for entry in chosen:
        path = cache_dir() / entry.name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            raise SeglabError(
                f"cannot remove {error.filename or path} from the cache ({error.strerror}): close the program "
                "that uses it, and clear the cache again"
            ) from error
    return chosen


def describe_cache() -> str:
    """The cache as a table, with the folder, the total and how to clear it."""
    entries = cache_entries()
    folder = cache_dir()
    if not entries:
        return f"The cache {folder} is empty."
    width = max(len(entry.name) for entry in entries)
    lines = [f"{folder}"]
    for entry in entries:
        size = f"{entry.size / 1e6:10.1f} MB"
        lines.append(f"  {entry.name:<{width}} {size}  {entry.last_write:%Y-%m-%d}  {entry.purpose}")
    total = sum(entry.size for entry in entries)
    lines.append(f"{pluralize(len(entries), 'item')}, {total / 1e6:.1f} MB")
    lines.append("Remove one with `seglab cache clear=NAME`, everything with `seglab cache clear=all`.")
    return "\n".join(lines)
