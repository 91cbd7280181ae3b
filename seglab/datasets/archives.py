"""Small archives of images and YOLO-seg labels that come without a YAML: what their folders hold."""

from __future__ import annotations

from pathlib import Path

from seglab.class_names import COCO_NAMES
from seglab.datasets.image_lists import list_images
from seglab.datasets.spec import DatasetSpec

# Name of the archive and of its folder -> split -> folder of images. All have COCO's 80 classes.
ARCHIVES = {
    "coco8-seg": {"train": "images/train", "val": "images/val"},
    "coco128-seg": {"train": "images/train2017", "val": "images/train2017"},
}


def read_archive_folder(folder: Path) -> DatasetSpec | None:
    """The dataset of an unpacked archive, wherever it lies; None for a folder of another name or without its images."""
    root = folder.resolve()
    folders = ARCHIVES.get(root.name)
    if folders is None or not all((root / images).is_dir() for images in folders.values()):
        return None
    splits = {split: tuple(list_images(root, root, [images])) for split, images in folders.items()}
    return DatasetSpec(root.name, root, splits, dict(enumerate(COCO_NAMES)))
