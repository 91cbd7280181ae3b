"""What label files call images, and which files are meant.

Labels come from other machines and from tools with folders of their own: names are compared in one spelling of their
letters, and where no file has the whole path, the file of that name counts if there is but one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # of the web, or of a bucket in a cloud
MAX_PART = 255  # bytes of a name on every disk, and of a path by far
MAX_PATH = 1024
_LOCAL_FILES = "?d="  # what Label Studio's addresses of local files have before the path


def composed(name: str) -> str:
    """A name in one spelling: Mac disks may say u and two dots where a JSON says ü."""
    return unicodedata.normalize("NFC", name)


def spelling(name: str) -> str:
    """A file name in one spelling and in small letters: Windows takes A.JPG for a.jpg."""
    return composed(name).lower()


def plain_path(name: str) -> PurePosixPath:
    """The path that a label file calls an image by, with slashes.

    No file's name has halves of surrogate pairs, nor is any longer than the bounds above: what is there instead is the
    name of no file, too.
    """
    parts = name.replace("\\", "/").encode(errors="replace")[:MAX_PATH].split(b"/")
    return PurePosixPath("/".join(part[:MAX_PART].decode(errors="ignore") for part in parts))


def own_name(path: PurePosixPath) -> str:
    """The file's own name, in one spelling, in a path that a tool has written."""
    return spelling(without_address(str(path)).name)


def without_address(text: str) -> PurePosixPath:
    """The path in an address that a tool has written: behind ?d=, before the query of a web address, %20 a space."""
    if _LOCAL_FILES in text:
        text = text.partition(_LOCAL_FILES)[2]
    elif _ADDRESS.match(text):
        text = text.partition("?")[0]
    return plain_path(unquote(text))


def is_address(path: PurePosixPath) -> bool:
    """Whether a path is one on the web."""
    return _ADDRESS.match(str(path)) is not None


def is_below(path: PurePosixPath) -> bool:
    """Whether a path stays within the folder that it is relative to, on every system."""
    return bool(path.parts) and not (
        path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\0" in str(path)
    )


def same_file(one: str, other: str) -> bool:
    """Whether two names mean one image: one may have more folders in front, and either may have some called images."""
    parts, others = (_told_apart_by(plain_path(composed(name))) for name in (one, other))
    shared = min(len(parts), len(others))
    return parts[-shared:] == others[-shared:] if shared else not parts and not others


def _told_apart_by(path: PurePosixPath) -> tuple[str, ...]:
    folders = [part for part in path.parts[:-1] if part != "images"]
    return (*folders, *path.parts[-1:])


def match_by_base_name(names: Iterable[PurePosixPath], files: Iterable[Path]) -> dict[PurePosixPath, Path]:
    """Names whose whole path no file has -> the file that is meant, for those of which there is no doubt.

    Of several files of the same name that one is meant which shares the most folders with the path, if it is one
    alone; and no file is meant by two names.
    """
    return _match(names, files, lambda path: path)


def match_by_stem(names: Iterable[PurePosixPath], files: Iterable[Path]) -> dict[PurePosixPath, Path]:
    """The same by names without their suffixes: a.png means a.jpg."""
    return _match(names, files, lambda path: path.with_suffix("") if path.name else path)


def _match(
    names: Iterable[PurePosixPath], files: Iterable[Path], compared: Callable[[PurePosixPath], PurePosixPath]
) -> dict[PurePosixPath, Path]:
    """compared: a path -> what of it has to be equal."""
    by_base: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_base[own_name(compared(PurePosixPath(file.name)))].append(file)
    meant_by: dict[Path, list[PurePosixPath]] = defaultdict(list)
    for name in dict.fromkeys(names):
        meant = most_alike(name, by_base.get(own_name(compared(without_address(str(name)))), []))
        if meant is not None:
            meant_by[meant].append(name)
    return {sharing[0]: file for file, sharing in meant_by.items() if len(sharing) == 1}


def most_alike(path: PurePosixPath, found: Sequence[Path]) -> Path | None:
    """The file whose folders have the most in common with those of a path, from the last on; None where two have
    equally many."""
    if len(found) <= 1:
        return found[0] if found else None
    wanted = [spelling(part) for part in reversed(path.parts[:-1])]
    shared = []
    for file in found:
        parts = [spelling(part) for part in reversed(file.parts[:-1])]
        equal = [one == other for one, other in zip(wanted, parts)]
        shared.append(equal.index(False) if False in equal else len(equal))
    best = max(shared)
    return found[shared.index(best)] if shared.count(best) == 1 else None
