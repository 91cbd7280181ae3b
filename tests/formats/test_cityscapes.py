"""Cityscapes' masks of instances."""

from __future__ import annotations

import numpy as np
from PIL import Image

from seglab.data.annotations import Annotations
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.formats import cityscapes

from ..sources import HEIGHT, WIDTH, picture
from .writers import pixels_of


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


def test_the_classes_of_a_list_of_colors(tmp_path):
    """As CVAT exports them: the place in the list is the number of the class."""
    for place in ("imgsFine/leftImg8bit/default/a_leftImg8bit.png", "gtFine/default/a_gtFine_instanceIds.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    ids = np.zeros((48, 64), np.uint16)
    ids[10:30, 10:40], ids[35:40, 10:20], ids[5:20, 45:60] = 1000, 1001, 2000
    Image.fromarray(ids).save(tmp_path / "gtFine/default/a_gtFine_instanceIds.png")
    Image.fromarray(ids.astype(np.uint8)).save(tmp_path / "imgsFine/leftImg8bit/default/a_leftImg8bit.png")
    (tmp_path / "label_colors.txt").write_text("0 0 0 background\n250 50 83 cat\n51 221 255 dog\n")
    found, messages = pixels_of(cityscapes.read(tmp_path))
    assert sorted(found) == [("cat", 50), ("cat", 600), ("dog", 225)] and not messages
