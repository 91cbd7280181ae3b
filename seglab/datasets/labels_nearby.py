"""Labels that lie beside a dataset and that it does not name: what to say where it has no instance of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from seglab.datasets.coco_json import read_coco_folder
from seglab.datasets.label_folder import read_label_folder
from seglab.datasets.load import load_dataset
from seglab.datasets.other_formats import read_mask_images, read_tool_labels
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError


def labels_nearby(spec: DatasetSpec) -> str:
    """What lies in a dataset's folder that labels its images, and how to use it; "" where there is nothing.

    Of datasets with a YAML, since of a folder without one everything is looked at anyway.
    """
    images = [image for files in spec.splits.values() for image in files]
    if spec.yaml is None or not images:
        return ""
    found = None
    for read in (read_coco_folder, read_tool_labels, read_label_folder, read_mask_images):
        with suppress(SeglabError):
            found = found or read(spec.root)
    if found is None:
        return ""
    folder = _common_folder([image.parent for image in images])
    labels = found.label_folder or _common_folder(_label_files(found))
    with suppress(SeglabError):
        if any(load_dataset(folder, labels=labels).splits.values()):
            return (
                f"{labels} has {found.about}, which {spec.yaml.name} does not name: pass data={folder} labels={labels}"
            )
    return ""


def _label_files(found: DatasetSpec) -> list[Path]:
    """The files of a dataset that its labels are in; of masks and the like, the folders of these."""
    if found.labels is not None:
        return [file.parent for entry in found.labels.entries for file in entry.files[:1]]
    return list(found.annotations.values())


def _common_folder(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath(paths)) if paths else Path()
