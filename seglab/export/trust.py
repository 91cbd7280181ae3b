"""Which exported files may be opened although opening one means running it.

A TorchScript file is a program, which can write files as well as multiply, and so is a graph of TensorFlow; NVIDIA
promises nothing for engines from strangers. None can be looked through beforehand, so such a file or folder is opened
only if this user's seglab has written it, which is known by its content, or if the user vouches for it.
"""

from __future__ import annotations

from pathlib import Path

from seglab.errors import SeglabError
from seglab.files import cache_dir, sha256_of_all

REMEMBERED = "exported"  # folder in the cache with one empty file a remembered export, named by its SHA-256


def remember(path: Path) -> None:
    """Note that this user's seglab has written `path`. A cache that cannot be written to remembers nothing."""
    mark = _mark(path)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:
        return  # the file is opened with trust=True then


def is_remembered(path: Path) -> bool:
    """Whether this user's seglab has written a file of exactly this content."""
    return _mark(path).is_file()


def refuse_stranger(path: Path) -> None:
    """Errors: SeglabError for a file that another machine or another tool has written, or that was changed since."""
    if not is_remembered(path):
        raise SeglabError(
            f"{path} is a program that runs when it is opened, and it was not exported on this machine: pass "
            "trust=True if you trust whoever made it, or export the weights as onnx or pt2, which are data"
        )


def _mark(path: Path) -> Path:
    return cache_dir() / REMEMBERED / sha256_of_all(path)
