"""The images of a split, from the folders, text files and images that a dataset names for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES, expand_home, files_below, real_files, split_of_folder


def list_images(source: Path, root: Path, entries: Iterable[str]) -> list[Path]:
    """The images that a split's entries stand for, sorted.

    source: the file that names the entries, for messages; root: the folder they are relative to; entries: folders
    (searched through), text files that list images, and images.
    Errors: SeglabError for an entry that is none of these.
    """
    images: list[Path] = []
    for entry in entries:
        path = place_of(root, entry)
        suffix = path.suffix.lower()
        if path.resolve() == Path(path.anchor):
            raise SeglabError(f"{source}: '{entry}' is the whole disk: name the folder of the images")
        if path.is_dir():
            images += images_below(path)
        elif path.is_file() and suffix == ".txt":
            images += [_listed(row, path.parent, root) for row in read_list(path)]
        elif path.is_file() and suffix in IMAGE_SUFFIXES:
            images.append(path)
        else:
            raise SeglabError(
                f"{source}: '{entry}' is neither a folder, a .txt list nor an image under {root}: "
                "correct it, or make the folder and put images there"
            )
    return sorted(images)


def images_below(folder: Path) -> list[Path]:
    """Every image file under a folder, sorted."""
    return sorted(file for file in real_files(files_below(folder)) if file.suffix.lower() in IMAGE_SUFFIXES)


def place_of(root: Path, entry: str) -> Path:
    """What an entry means: a path relative to `root`, from the home folder (~), or one with the slashes of Windows."""
    path = root / expand_home(entry)
    if not path.exists() and "\\" in entry:
        path = root / entry.replace("\\", "/")
    if not path.exists() and is_absolute(entry):
        return _moved_here(root, entry) or path
    return path


def is_absolute(entry: str) -> bool:
    """Whether an entry is an absolute path, of this system or of Windows."""
    return entry.startswith(("/", "\\")) or PureWindowsPath(entry).is_absolute()


def _moved_here(root: Path, entry: str) -> Path | None:
    """What an absolute path of another machine means here: its last parts, as many as there are below `root`.

    One part alone is taken if it names a split: `images` may be that of any.
    """
    parts = PurePosixPath(entry.replace("\\", "/")).parts
    for start in range(1, len(parts)):
        rest = parts[start:]
        if (len(rest) > 1 or split_of_folder(rest[0]) or "." in rest[0]) and (root / Path(*rest)).exists():
            return root / Path(*rest)
    return None


def _listed(row: str, beside: Path, root: Path) -> Path:
    """The image that a row of a list means: relative to the list, else to the dataset's folder.

    Lists made elsewhere put folders in front that are not here (data/images/a.jpg, D:/mine/images/a.jpg): the first
    parts are dropped until a file is found. Where none is, the row is taken as it stands, and told when it is read.
    """
    name = PurePosixPath(row.replace("\\", "/"))
    direct = beside / expand_home(row)
    if direct.is_file():
        return direct
    for start in range(len(name.parts)):
        rest = PurePosixPath(*name.parts[start:])
        for folder in (beside, root):
            if (folder / rest).is_file():
                return folder / rest
    return direct


def read_list(path: Path) -> list[str]:
    """The rows of a text file that lists images, without the empty ones. Errors: SeglabError if it is not in UTF-8."""
    try:
        rows = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise SeglabError(
            f"{path} is not a list of images in UTF-8: save it as UTF-8 text with one path per line"
        ) from None
    return [row.strip() for row in rows if row.strip()]
