"""Cityscapes' masks of instances."""

from __future__ import annotations

import numpy as np
from PIL import Image

from seglab.data.annotations import Annotations
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check

from ..sources import HEIGHT, WIDTH, picture


def write(folder, split: str = "train", name: str = "aachen_000000_000019") -> None:
    """A person, two cars, a group of cars, a road and a caravan, which is not evaluated by instance."""
    ids = np.full((HEIGHT, WIDTH), 7, np.uint16)
    for number, value in enumerate((24000, 26000, 26001, 26, 29000)):
        ids[5:15, 10 * number + 1 : 10 * number + 9] = value
    town = folder / "gtFine" / split / "aachen"
    town.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(town / f"{name}_gtFine_instanceIds.png")
    Image.fromarray((ids % 256).astype(np.uint8)).save(town / f"{name}_gtFine_labelIds.png")
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(town / f"{name}_gtFine_color.png")
    (town / f"{name}_gtFine_polygons.json").write_text('{"imgHeight": 40, "imgWidth": 60, "objects": []}')
    picture(folder / "leftImg8bit" / split / "aachen" / f"{name}_leftImg8bit.png")


def test_the_official_folders(tmp_path):
    write(tmp_path)
    write(tmp_path, "val", "lindau_000000_000019")
    for source in (tmp_path, tmp_path / "gtFine"):
        spec = load_dataset(source)
        assert {split: len(images) for split, images in spec.splits.items()} == {"train": 1, "val": 1}
        annotations = Annotations(spec, "val")
        found, issues = annotations.read(spec.images("val")[0], (HEIGHT, WIDTH))
        assert [(spec.names[each.class_id], each.crowd) for each in found] == [
            ("car", True),
            ("person", False),
            ("car", False),
            ("car", False),
        ]
        assert not issues
    report = check(tmp_path, out=None)
    assert not [issue for issue in report.issues if not issue.is_note] and report.splits["train"].crowds == 1
