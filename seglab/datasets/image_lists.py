"""The images of a split, from the folders, text files and images that a dataset names for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES, expand_home, files_below, split_of_folder
from seglab.formats.image_names import match_by_base_name, plain_path
from seglab.formats.image_search import OTHER_FOLDER, OTHER_SUFFIX, image_files
from seglab.formats.issues import Issue
from seglab.formats.text_files import read_text
from seglab.wording import pluralize


def list_images(source: Path, root: Path, entries: Iterable[str], issues: list[Issue] | None = None) -> list[Path]:
    """The images that a split's entries stand for, sorted.

    source: the file that names the entries, for messages; root: the folder they are relative to; entries: folders
    (searched through), text files that list images, and images; issues: where it is noted how images were found.
    Errors: SeglabError for an entry that is none of these.
    """
    images: list[Path] = []
    for entry in entries:
        path = place_of(root, entry)
        suffix = path.suffix.lower()
        if path.resolve() == Path(path.anchor):
            raise SeglabError(f"{source}: '{entry}' means the whole disk: give the folder of the images")
        if path.is_dir():
            found = image_files(path)
            others = Counter(file.suffix.lower() for file in files_below(path)) if not found else Counter()
            if others:
                raise SeglabError(
                    f"{source}: '{entry}' has no image that is read, but {_counted(others)}: save images as PNG or "
                    "JPEG, or correct the path"
                )
            images += found
        elif path.is_file() and suffix == ".txt":
            listed = [(row, _listed(row, path.parent, root)) for row in read_list(path)]
            moved = [] if any(image.is_file() for _, image in listed) else _by_name_alone(listed, root)
            listed = moved or listed
            images += [image for _, image in listed]
            if issues is not None:
                issues += _other_suffixes(path, listed) + _other_folder(path, moved)
        elif path.is_file() and suffix in IMAGE_SUFFIXES:
            images.append(path)
        else:
            raise SeglabError(
                f"{source}: '{entry}' is neither a folder, a .txt list nor an image under {root}: "
                "correct it, or make the folder and put images there"
            )
    return sorted(images)


def _counted(suffixes: Counter[str]) -> str:
    return ", ".join(pluralize(count, f"{suffix or 'other'} file") for suffix, count in suffixes.most_common(3))


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
    parts are dropped until a file is found, then the suffix too. Where none is, the row is taken as it stands, and told
    when it is read.
    """
    name = PurePosixPath(row.replace("\\", "/"))
    direct = beside / expand_home(row)
    if direct.is_file():
        return direct
    places = [
        folder / PurePosixPath(*name.parts[start:]) for start in range(len(name.parts)) for folder in (beside, root)
    ]
    found = next((place for place in places if place.is_file()), None)
    return found or next(filter(None, map(_with_other_suffix, places)), direct)


def _by_name_alone(listed: Sequence[tuple[str, Path]], root: Path) -> list[tuple[str, Path]]:
    """The rows of a list that names files without their folders, each with the only image of its name below `root`."""
    found = match_by_base_name([plain_path(row) for row, _ in listed], image_files(root))
    return [(row, found.get(plain_path(row), image)) for row, image in listed] if found else []


def _other_folder(path: Path, moved: Sequence[tuple[str, Path]]) -> list[Issue]:
    """The note on images that lie in other folders than a list says."""
    message, action = OTHER_FOLDER
    found = [f"'{row}' in {image}" for row, image in moved if image.is_file()]
    return [Issue(str(path), 0, f"{message}: {len(found)}, as {found[0]}", action, "note")] if found else []


def _with_other_suffix(place: Path) -> Path | None:
    """The image of a name but for its suffix: images may have been saved in another format since they were listed."""
    if not place.parent.is_dir():
        return None
    found = [place.with_suffix(suffix) for suffix in sorted(IMAGE_SUFFIXES) if place.with_suffix(suffix).is_file()]
    return found[0] if len(found) == 1 else None


def _other_suffixes(path: Path, listed: Sequence[tuple[str, Path]]) -> list[Issue]:
    """The note on images that lie under another suffix than a list has."""
    moved = [f"'{row}' in {image}" for row, image in listed if _suffix(row) != image.suffix.lower()]
    message, action = OTHER_SUFFIX
    return [Issue(str(path), 0, f"{message}: {len(moved)}, as {moved[0]}", action, "note")] if moved else []


def _suffix(row: str) -> str:
    return PurePosixPath(row.replace("\\", "/")).suffix.lower()


def read_list(path: Path) -> list[str]:
    """The rows of a text file that lists images or names, without the empty ones."""
    return [row.strip() for row in read_text(path).splitlines() if row.strip()]
