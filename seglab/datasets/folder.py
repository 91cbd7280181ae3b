"""A folder as a dataset: what lies in it decides what it is."""

from __future__ import annotations

from pathlib import Path

from seglab.datasets.archives import read_archive_folder
from seglab.datasets.coco_json import coco_files, read_coco_folder
from seglab.datasets.label_folder import CLASS_LISTS, read_label_folder
from seglab.datasets.other_formats import read_mask_images, read_tool_labels
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.split_file import NAME, is_split_file
from seglab.datasets.yaml_file import is_dataset, read_dataset_yaml, read_yaml
from seglab.errors import SeglabError
from seglab.files import YAML_SUFFIXES, is_system_folder, real_files

MAX_DEPTH = 3  # folders of one folder each that an archive was unpacked into


def read_folder(folder: Path) -> DatasetSpec | None:
    """The dataset of a folder with a YAML, or with the folders of a known archive; None for any other folder."""
    path = _yaml_in(folder)
    if path is not None:
        return read_dataset_yaml(path)
    return read_archive_folder(folder)


def recognize_folder(
    folder: Path, images: Path | None = None, instances: str | None = None, depth: int = 0
) -> DatasetSpec | None:
    """The dataset of a folder, recognized by what is in it; None where nothing in it is labels.

    The more telling content comes first: a YAML, then COCO JSON, files of other labeling tools, rows of YOLO labels,
    mask images; a folder with nothing but one folder in it is that folder. images: where the images are, if elsewhere;
    instances: what is one in mask images of one value each, see `seglab.formats.masks`.
    Errors: SeglabError for labels that are damaged, or come without their images.
    """
    folder = _unpacked(folder)
    found = read_folder(folder)
    if found is None and not _lists_classes(folder):
        found = read_coco_folder(folder, images)
    found = found or read_tool_labels(folder, images) or read_label_folder(folder)
    found = found or read_mask_images(folder, images, instances)
    if found is None and depth < MAX_DEPTH:
        inside = [path for path in folder.iterdir() if not is_system_folder(path.name)]
        if len(inside) == 1 and inside[0].is_dir():
            return recognize_folder(inside[0], images, instances, depth + 1)
    return found


def coco_files_of(folder: Path) -> dict[str, Path]:
    """Split -> COCO JSON of a folder that `recognize_folder` takes for COCO's, not read yet; {} for any other."""
    folder = _unpacked(folder)
    if _yaml_in(folder) is not None or (folder / NAME).is_file() or _lists_classes(folder):
        return {}
    return coco_files(folder)


def _unpacked(folder: Path) -> Path:
    """The folder that an archive was unpacked into, if it has a YAML or a list of classes; else the folder as given.

    Its images would be found from above too, but not what their classes are called.
    """
    inner = folder
    for _ in range(MAX_DEPTH):
        if _yaml_in(inner) is not None or (inner / NAME).is_file() or _lists_classes(inner):
            return inner
        inside = [path for path in inner.iterdir() if not is_system_folder(path.name)]
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        inner = inside[0]
    return inner if _yaml_in(inner) is not None or _lists_classes(inner) else folder


def _lists_classes(folder: Path) -> bool:
    """Whether YOLO labels in a folder come with the names of their classes: then any JSON there is but notes."""
    return any((folder / name).is_file() for name in CLASS_LISTS)


def _yaml_in(folder: Path) -> Path | None:
    """The folder's dataset YAML: by its own name, by a usual name, or the only one that describes a dataset.

    Errors: SeglabError for a damaged one, and where several remain.
    """
    for name in (f"{folder.resolve().name}.yaml", "data.yaml", "dataset.yaml", "data.yml"):
        if (folder / name).is_file():
            return folder / name
    yamls = sorted(file for file in real_files(folder.iterdir()) if file.suffix.lower() in YAML_SUFFIXES)
    found = [path for path in yamls if not is_split_file(path) and is_dataset(read_yaml(path))]
    if len(found) > 1:
        several = ", ".join(path.name for path in found)
        raise SeglabError(f"{folder} has several dataset YAMLs ({several}): give the path of one of them")
    return found[0] if found else None
