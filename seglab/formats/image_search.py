"""Where the images of labels lie: at the paths that the labels say, or wherever files have their names.

Labeling tools write the path that an image had on another machine (C:\\me\\x.jpg, /data/upload/4/1a2b3c4d-x.jpg); what
stays the same is the file's name, and where images were saved in another format since, that name without its suffix.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath

from seglab.files import IMAGE_SUFFIXES, files_of_suffix, split_of_folder
from seglab.formats.image_names import (
    composed,
    is_address,
    is_below,
    match_by_base_name,
    match_by_stem,
    most_alike,
    own_name,
    plain_path,
    without_address,
)
from seglab.formats.issues import Issue

OTHER_FOLDER = "images not where the labels say", "found by their file names alone"
OTHER_SUFFIX = "images with another suffix than the labels say", "found by their names without it"


class ImageSearch:
    """The images that labels name.

    near: folders that the names may be relative to; below: folders in which an image is looked for by its name, the
    later ones only if those before hold no images at all; where: what the issues are about. names: -> all names that
    the labels have, for labels that list them; then no image is found under two names, and none in a folder of another
    split than `split`.
    """

    def __init__(
        self,
        near: Sequence[Path],
        below: Sequence[Path],
        where: Path,
        names: Callable[[], Iterable[str | PurePath]] | None = None,
        split: str = "",
    ):
        self.near = list(near)
        self._below = list(below)
        self._where = where
        self._names = names
        self._split = split
        self._moved: Counter[tuple[str, str]] = Counter()  # how, by which no path is needed -> how many images
        self._example: dict[tuple[str, str], str] = {}

    @cached_property
    def _images(self) -> list[Path]:
        """The images in which names are looked for."""
        for folder in self._below:
            images = image_files(folder) if folder.is_dir() else []
            if images:
                return [image for image in images if not self._split or self._is_of_split(image.relative_to(folder))]
        return []

    def _is_of_split(self, image: Path) -> bool:
        """Whether no folder of an image is called like another split: train and val may both have a 1.jpg."""
        said = {split_of_folder(part) for part in image.parts[:-1]} - {None}
        return said <= {self._split}

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for image in self._images:
            found[own_name(PurePosixPath(image.name))].append(image)
        return found

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for image in self._images:
            found[own_name(PurePosixPath(image.stem))].append(image)
        return found

    @cached_property
    def _matched(self) -> dict[PurePosixPath, Path]:
        """The images that are meant by names which no file has as a whole, where all names are known."""
        missed: list[PurePosixPath] = []
        taken: set[Path] = set()
        for name in map(plain_path, map(str, self._names() if self._names else ())):
            direct = self._direct(name)
            if direct is None:
                missed.append(name)
            else:
                taken.add(direct)
        left = [image for image in self._images if image not in taken]
        matched = match_by_base_name(missed, left)
        # What is still missed may have been saved in another format.
        taken = set(matched.values())
        left = [image for image in left if image not in taken]
        return matched | match_by_stem([name for name in missed if name not in matched], left)

    def find(self, said: str, beside: Path | None = None) -> Path | None:
        """The image that a label calls `said`, by either type of slash; None where there is none, or several fit.

        beside: a folder that the path may be relative to, and may lead out of.
        """
        path = plain_path(said)
        if not path.name or "\0" in said:
            return None
        if beside is not None and (beside / path).is_file():
            return Path(os.path.normpath(beside / path))
        direct = self._direct(path)
        if direct is not None:
            return direct
        found = self._matched.get(path) if self._names else self._find_by_name(path)
        if found is not None and not composed(found.as_posix()).endswith(f"/{composed(str(path))}"):
            self._note(path, found)
        return found

    def _direct(self, path: PurePosixPath) -> Path | None:
        if is_address(path):
            return self._in_named_folder(path)
        if not is_below(path):
            return None
        return next((folder / path for folder in self.near if (folder / path).is_file()), None)

    def _in_named_folder(self, path: PurePosixPath) -> Path | None:
        """The image at the last folder and name of an address: LVIS has images of val2017 in its train split."""
        last = PurePosixPath(*without_address(str(path)).parts[-2:])
        if len(last.parts) < 2 or not is_below(last):
            return None
        return next((folder / last for folder in self._below if (folder / last).is_file()), None)

    def _find_by_name(self, path: PurePosixPath) -> Path | None:
        name = own_name(path)
        by_name = self._by_name.get(name, [])
        return most_alike(path, by_name or self._by_stem.get(own_name(PurePosixPath(PurePath(name).stem)), []))

    def _note(self, path: PurePosixPath, found: Path) -> None:
        """Count an image that was found elsewhere; one beside the labels, under its name in other case, is not."""
        has_name = own_name(path) == own_name(PurePosixPath(found.name))
        if has_name and len(path.parts) == 1:
            return
        how = OTHER_FOLDER if has_name else OTHER_SUFFIX
        self._moved[how] += 1
        self._example.setdefault(how, f"'{path}' in {found}")

    def find_stem(self, said: str) -> Path | None:
        """The image that a label calls `said`, without its suffix; None where there is none, or several fit."""
        path = plain_path(said)
        return most_alike(path, self._by_stem.get(own_name(path), [])) if path.name else None

    def issues(self) -> list[Issue]:
        """How images were found that are not where labels say."""
        return [
            Issue(str(self._where), 0, f"{message}: {count}, as {self._example[message, action]}", action, "note")
            for (message, action), count in self._moved.items()
        ]


def search_from(labels: Path, images: Path | None = None) -> ImageSearch:
    """A search for the images of a label file, or of a folder of them. images: their folder, where a user names it."""
    if images is not None:
        return ImageSearch([images, images / "images"], [images], images)
    folder = labels.parent if labels.is_file() else labels
    beside = folder.parent / "images"
    return ImageSearch([folder, folder / "images", beside], [folder, beside], folder)


def image_files(folder: Path) -> list[Path]:
    """Every image file under a folder, in order."""
    return files_of_suffix(folder, *IMAGE_SUFFIXES)


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
