"""The images of a split, from the folders, text files and images that a dataset names for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES, files_below, real_files


def list_images(source: Path, root: Path, entries: Iterable[str]) -> list[Path]:
    """The images that a split's entries stand for, sorted.

    source: the file that names the entries, for messages; root: the folder they are relative to; entries: folders
    (searched through), text files that list images relative to themselves, and images.
    Errors: SeglabError for an entry that is none of these.
    """
    images: list[Path] = []
    for entry in entries:
        path = root / entry
        suffix = path.suffix.lower()
        if path.is_dir():
            images += [file for file in real_files(files_below(path)) if file.suffix.lower() in IMAGE_SUFFIXES]
        elif path.is_file() and suffix == ".txt":
            images += [path.parent / row for row in read_list(path)]
        elif path.is_file() and suffix in IMAGE_SUFFIXES:
            images.append(path)
        else:
            raise SeglabError(f"{source}: '{entry}' is neither a folder, a .txt list nor an image under {root}")
    return sorted(images)


def read_list(path: Path) -> list[str]:
    """The rows of a text file that lists images, without the empty ones. Errors: SeglabError if it is not in UTF-8."""
    try:
        rows = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise SeglabError(
            f"{path} is not a list of images in UTF-8: save it as UTF-8 text with one path per line"
        ) from None
    return [row.strip() for row in rows if row.strip()]
