"""A COCO instances JSON as a dataset: itself one split, the JSON files beside it the others."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath

from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.files import SPLITS
from seglab.formats.image_names import ImageFinder, base_name, plain_path
from seglab.formats.image_search import image_files, spelling

MAX_NAMES_TRIED = 100  # images of a JSON: in the folder that has any of them, all of them are expected


def read_dataset_json(path: Path) -> DatasetSpec:
    """The dataset of a COCO JSON, whose split is told by its file name ("val" where it tells none).

    A sibling that is called the same but for the split (`..._val2017.json`, `..._train2017.json`) is another split.
    Errors: SeglabError when there is no such file, none of its images can be found, or siblings differ in categories.
    """
    from seglab.formats.coco import read_coco  # with pycocotools: only where there is a JSON

    if not path.is_file():
        raise SeglabError(f"no file {path}: give the path of a COCO instances JSON")
    own = next((split for split in SPLITS if split in path.stem), "val")
    files = _siblings(path, own)
    readers = {split: read_coco(file) for split, file in files.items()}
    if any(reader.names != readers[own].names for reader in readers.values()):
        raise SeglabError(f"{', '.join(map(str, files.values()))} have different categories: use one of them at a time")

    splits: dict[str, tuple[Path, ...]] = {}
    faults: dict[str, str] = {}
    for split, file in files.items():
        try:
            folder = image_folder(file, readers[split].images)
        except SeglabError as error:
            if split == own:
                raise
            faults[split] = str(error)  # a sibling that nobody may ask for
        else:
            splits[split] = _image_files(folder, [plain_path(name) for name in readers[split].images])
    names, root = readers[own].names, path.parent.resolve()
    return DatasetSpec(path.stem, root, splits, names, path.absolute(), files, faults=faults)


def _siblings(path: Path, own: str) -> dict[str, Path]:
    """Split -> JSON file, for the JSON itself and those beside it that exist, in alphabetical order of the splits."""
    files = {own: path}
    if own in path.stem:
        files |= {split: path.with_name(path.name.replace(own, split)) for split in SPLITS if split != own}
    return {split: file for split, file in sorted(files.items()) if file.is_file()}


def _image_files(folder: Path, names: list[PurePosixPath]) -> tuple[Path, ...]:
    """The image files of a split. What is not there stays in the list, so that it is told as missing."""
    finder = ImageFinder(folder, lambda: names)
    return tuple(finder.find(name) or folder / name for name in names)


def image_folder(path: Path, names: Iterable[str | PurePath]) -> Path:
    """Where the images of a COCO JSON lie: the first usual place that has any of them. names: those it lists.

    Where no place has one by its whole path, as it has folders of another machine, the file's own name counts.

    Errors: SeglabError naming the usual places.
    """
    part = path.stem.removeprefix("instances_")
    here, above = path.resolve().parent, path.resolve().parent.parent
    places = [here, here / "images", here / part, above / "images" / part, above / part, above / "images", above]
    paths = [plain_path(str(name)) for name in islice(names, MAX_NAMES_TRIED)]
    for place in places:
        if any((place / name).is_file() for name in paths):
            return place
    bases = {base_name(name) for name in paths}
    for place in places:
        if any((place / base).is_file() for base in bases):
            return place
    spelled = {spelling(base) for base in bases}
    if any(spelling(file.name) in spelled for file in image_files(here)):
        return here
    raise SeglabError(
        f"{path}: none of its images is in {', '.join(map(str, places))}: put them in one of these folders, "
        f"or convert: seglab convert source={path} images=FOLDER out=NEW"
    )
