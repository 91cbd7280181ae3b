"""A folder of images and YOLO-seg labels as a dataset."""

from __future__ import annotations

from pathlib import Path

from seglab.datasets.archives import read_archive_folder
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.yaml_file import read_dataset_yaml
from seglab.files import real_files


def read_folder(folder: Path) -> DatasetSpec | None:
    """The dataset of a folder with a YAML, or with the folders of a known archive; None for any other folder."""
    path = _yaml_in(folder)
    if path is not None:
        return read_dataset_yaml(path)
    return read_archive_folder(folder)


def _yaml_in(folder: Path) -> Path | None:
    """The folder's dataset YAML: by its own name, by a usual name, or the only one."""
    for name in (f"{folder.resolve().name}.yaml", "data.yaml", "dataset.yaml"):
        if (folder / name).is_file():
            return folder / name
    found = sorted(real_files([*folder.glob("*.yaml"), *folder.glob("*.yml")]))
    return found[0] if len(found) == 1 else None
