"""A folder as a dataset, whatever says what is in it."""

from __future__ import annotations

from pathlib import Path

from seglab.datasets.archives import read_archive_folder
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.yaml_file import read_dataset_yaml
from seglab.files import real_files


def read_folder(folder: Path) -> DatasetSpec | None:
    """The dataset in a folder, or None where it holds none that can be read directly.

    Asked in turn: a YAML in it; the folders of a known archive. (A folder in another format of `seglab.formats` would
    be asked for here, last.)
    """
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
