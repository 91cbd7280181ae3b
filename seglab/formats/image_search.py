"""Where the image of a label lies: at the path that the label says, or wherever a file has its name.

Labeling tools write the path that an image had on another machine (C:\\me\\x.jpg, /data/upload/4/1a2b3c4d-x.jpg); what
stays the same is the file's name.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from seglab.files import IMAGE_SUFFIXES, files_below, real_files, split_of_folder
from seglab.formats.issues import Issue
from seglab.wording import pluralize


class ImageSearch:
    """The images of a folder of labels, found by what the labels call them.

    folder: where the labels are; images: the folder of the images, where the user has named it.
    """

    def __init__(self, folder: Path, images: Path | None = None):
        self._root = images or folder
        self._near = [self._root, self._root / "images"]
        if images is None:
            self._near.append(folder.parent / "images")
        self._moved = 0

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """File name, in one spelling -> the images of that name."""
        found: dict[str, list[Path]] = {}
        for file in image_files(self._root):
            found.setdefault(spelling(file.name), []).append(file)
        if not found and self._near[-1].is_dir():
            for file in image_files(self._near[-1]):
                found.setdefault(spelling(file.name), []).append(file)
        return found

    def find(self, said: str, beside: Path | None = None) -> Path | None:
        """The image that a label calls `said`, by either type of slash; None where there is none, or several fit.

        beside: a folder that the path may be relative to.
        """
        path = PurePosixPath(said.replace("\\", "/"))
        if not path.name or "\0" in said:
            return None
        for folder in [beside, *self._near] if beside else self._near:
            if (folder / path).is_file():
                return Path(os.path.normpath(folder / path))
        found = most_alike(path, self._by_name.get(spelling(path.name), ()))
        if found is not None and len(path.parts) > 1:
            self._moved += 1
        return found

    def find_stem(self, said: str) -> Path | None:
        """The image that a label calls `said`, without its suffix; None where there is none, or several fit."""
        name = PurePosixPath(said.replace("\\", "/"))
        suffixes = [suffix for suffix in sorted(IMAGE_SUFFIXES) if spelling(name.name + suffix) in self._by_name]
        found = [image for suffix in suffixes if (image := self.find(f"{name}{suffix}")) is not None]
        return found[0] if len(found) == 1 else None

    def issues(self) -> list[Issue]:
        """That images were found by their name alone."""
        if not self._moved:
            return []
        message = f"images not where the labels say: {pluralize(self._moved, 'image')}"
        return [Issue(str(self._root), 0, message, "found by file name", "note")]


def image_files(folder: Path) -> list[Path]:
    """Every image file under a folder, in order."""
    return sorted(file for file in real_files(files_below(folder)) if file.suffix.lower() in IMAGE_SUFFIXES)


def split_of(words: Iterable[str], default: str = "train") -> str:
    """The split that the first of some names of folders or subsets says: Train, valid, val2017; else `default`."""
    return next((split for split in map(split_of_folder, words) if split), default)


def plain_names(files: Sequence[tuple[str, Path]]) -> dict[Path, str]:
    """What a conversion calls each (split, file): the file's name, or its path where two of a split have one name."""
    names: dict[Path, str] = {}
    for split in dict.fromkeys(split for split, _ in files):
        own = [file for other, file in files if other == split]
        stems = {file.stem.lower() for file in own}
        folder = os.path.commonpath([file.absolute().parent for file in own])
        is_plain = len(stems) == len(own)
        names |= {file: file.name if is_plain else file.absolute().relative_to(folder).as_posix() for file in own}
    return names


def spelling(name: str) -> str:
    """A file name in one spelling: Mac disks may say u and two dots for ü, Windows takes A.JPG for a.jpg."""
    return unicodedata.normalize("NFC", name).lower()


def most_alike(path: PurePosixPath, found: Sequence[Path]) -> Path | None:
    """The file with the most folders in common with a path, from its end on; None where two have equally many."""
    if len(found) <= 1:
        return found[0] if found else None
    wanted = [spelling(part) for part in reversed(path.parts)]
    shared = []
    for file in found:
        parts = [spelling(part) for part in reversed(file.parts)]
        equal = [one == other for one, other in zip(wanted, parts)]
        shared.append(equal.index(False) if False in equal else len(equal))
    best = max(shared)
    return found[shared.index(best)] if shared.count(best) == 1 else None
