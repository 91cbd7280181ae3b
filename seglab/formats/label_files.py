"""Where the label file of each image lies: in a folder `labels`, beside its image, or in a folder that the user names.

    images/train/a.jpg   labels/train/a.txt      the usual place, in any case (Images, Labels)
    train/a.jpg          labels/train/a.txt      a folder `labels` beside the images or above them
    train/a.jpg          train/a.txt             beside the image

Folders may also be called image or img, and label, annotations, txt or gt. A name is that of its image with the suffix
.txt, in place of the image's (a.txt) or behind it (a.jpg.txt).
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from seglab.files import files_of_suffix, label_path, open_regular
from seglab.formats.image_names import spelling
from seglab.formats.issues import Issue
from seglab.formats.text_files import decode_text, row_words

# What people call the folders of images and of labels, the usual name first.
IMAGES = ("images", "image", "imgs", "img")
LABELS = ("labels", "label", "annotations", "annotation", "txt", "gt")
FIRST_BYTES = 1 << 16  # of a text file, in which its first row is looked for


class Listings:
    """The names in folders, each folder listed once."""

    def __init__(self) -> None:
        self._exact: dict[Path, set[str]] = {}
        self._folded: dict[Path, dict[str, str]] = {}

    def _list(self, folder: Path) -> None:
        if folder in self._exact:
            return
        try:
            names = os.listdir(folder)
        except OSError:  # there is no such folder, or nobody may look into it
            names = []
        self._exact[folder] = set(names)
        self._folded[folder] = {spelling(name): name for name in sorted(names, reverse=True)}

    def find(self, folder: Path, *names: str) -> Path | None:
        """The first of these names that a folder has; only where it has none, in any case and any spelling of ü."""
        self._list(folder)
        for name in names:
            if name in self._exact[folder]:
                return folder / name
        for name in names:
            if spelled := self._folded[folder].get(spelling(name)):
                return folder / spelled
        return None

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, sorted."""
        self._list(folder)
        return sorted(self._exact[folder])


def label_files(images: Sequence[Path], root: Path, labels: Path | None = None) -> dict[Path, Path]:
    """Image -> its label file, or where it would lie if there were one.

    root: the dataset's folder; labels: a folder that the user names, in which files lie as the images do below `root`,
    or all in one, or each under a name of its own. Else the place is used in which most of the images have one.
    """
    listings = Listings()
    if labels is not None:
        named = _found_in(images, lambda folder: _below(labels, folder, root), listings)
        if len(named) < len(images):
            named = _by_name_alone(images, labels) | named
        return {image: named.get(image, labels / f"{image.stem}.txt") for image in images}
    best: dict[Path, Path] = {}
    for place in (_in_labels, _in_labels_nearby, _beside):
        found = _found_in(images, lambda folder, place=place: place(folder, listings), listings)  # type: ignore[misc]
        if len(found) > len(best):
            best = found
        if len(best) == len(images):
            break
    return {image: best[image] if image in best else label_path(image) for image in images}


def _by_name_alone(images: Sequence[Path], labels: Path) -> dict[Path, Path]:
    """Image -> the label file of its name anywhere below a folder, where one image and one file have that name."""
    files: dict[str, list[Path]] = defaultdict(list)
    for file in files_of_suffix(labels, ".txt"):
        files[spelling(file.stem)].append(file)
    stems = Counter(spelling(image.stem) for image in images)
    names = {image: spelling(image.stem) for image in images if stems[spelling(image.stem)] == 1}
    return {image: files[name][0] for image, name in names.items() if len(files.get(name, [])) == 1}


def _found_in(
    images: Sequence[Path], folders_for: Callable[[Path], Iterator[Path]], listings: Listings
) -> dict[Path, Path]:
    """Image -> its label file, where one of the folders that `folders_for` its own folder gives has it."""
    folders: dict[Path, list[Path]] = {}
    found: dict[Path, Path] = {}
    for image in images:
        own = image.parent
        if own not in folders:
            folders[own] = list(folders_for(own))
        for folder in folders[own]:
            file = listings.find(folder, f"{image.stem}.txt", f"{image.name}.txt")
            if file is not None:
                found[image] = file
                break
    return found


def _in_labels(folder: Path, listings: Listings) -> Iterator[Path]:
    """The folder of labels for a folder of images: a part of its path called `images` becomes `labels`, the last first.

    One further up may be meant by chance, as in images/mine/train/a.jpg, so all of them are tried.
    """
    parts = folder.parts
    for place in range(len(parts) - 1, 0, -1):
        if spelling(parts[place]) in IMAGES:
            labels = listings.find(Path(*parts[:place]), *LABELS)
            if labels is not None:
                yield labels.joinpath(*parts[place + 1 :])


def _in_labels_nearby(folder: Path, listings: Listings) -> Iterator[Path]:
    """A folder `labels` in the images' folder, or beside it, with a folder of the same name in it or without."""
    inside = listings.find(folder, *LABELS)
    if inside is not None:
        yield inside
    beside = listings.find(folder.parent, *LABELS)
    if beside is not None:
        yield beside / folder.name
        yield beside


def _beside(folder: Path, listings: Listings) -> Iterator[Path]:
    yield folder


def _below(labels: Path, folder: Path, root: Path) -> Iterator[Path]:
    """Folders in `labels` for a folder of images below `root`: the same path, then without its first parts."""
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else (folder.name,)
    for start in range(len(parts) + 1):
        yield labels.joinpath(*parts[start:])


def shared_labels(files: dict[Path, Path]) -> list[Issue]:
    """An issue for every label file that several images would share. files: image -> its label file."""
    images_of: dict[Path, list[Path]] = defaultdict(list)
    for image, file in files.items():
        images_of[file].append(image)
    issues = []
    for file, images in images_of.items():
        if len(images) > 1 and file.is_file():
            names = " and ".join(image.name for image in images)
            message = f"one label file for several images: {names}"
            issues.append(Issue(str(file), 0, message, f"all have its instances; name the files {_own_names(images)}"))
    return issues


def _own_names(images: Sequence[Path]) -> str:
    return " and ".join(f"{image.name}.txt" for image in images)


def unused_label_files(files: dict[Path, Path]) -> list[Path]:
    """Files of rows in the folders of labels that belong to no image. files: every image -> its label file."""
    used = set(files.values())
    listings = Listings()
    unused: list[Path] = []
    for folder in sorted({file.parent for file in used}):
        for name in listings.names(folder):
            file = folder / name
            is_label = name.lower().endswith(".txt") and not name.startswith(".") and file not in used
            if is_label and has_rows(file):
                unused.append(file)
    return unused


def has_rows(file: Path) -> bool:
    """Whether the first row of a text file is one of a label file: a class and at least four numbers."""
    try:
        with open_regular(file) as opened:
            data = opened.read(FIRST_BYTES)
        first, end, _ = decode_text(data).lstrip().partition("\n")
        words = row_words(first)
        is_cut = not end and len(data) == FIRST_BYTES
        numbers = [float(word) for word in (words[:-1] if is_cut else words)]
    except (OSError, ValueError):
        return False
    return len(numbers) >= 5
