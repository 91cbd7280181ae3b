"""Labelme files of many tools and machines, and a tool's export of real images: read, checked and converted whole."""

from __future__ import annotations

import pytest

from seglab.convert import convert
from seglab.data.annotations import Annotations
from seglab.data.image import image_size
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.geometry.rle import area, rings_to_rle

IMAGES, INSTANCES, PERSONS = 23, 142, 108

# Case -> pixels of every instance of every image, and what has to be said of it.
LABELME = {
    "lm_rot": ([[600, 49]], "no area: a linestrip of 2 points"),
    "lm_ignore": ([[600]], "no class: the label __ignore__"),
    "lm_win": ([[600]], ""),
    "lm_maskneg": ([[18 * 9]], ""),
    "lm_mask": ([[231]], ""),
    "lm_ckpt": ([[600]], ""),
    "lm_nested": ([[600], [600]], ""),
    "lm_nosize": ([[600]], ""),
    "lm_group": ([[73, 45]], ""),
    "lm_mixed": ([[600]], "classes.json  not a Labelme JSON"),
    "lm_mixed2": ([[600]], "settings.json  not a Labelme JSON"),
}


def areas(source) -> list[list[int]]:
    """Pixels of every instance, image by image, as training reads them."""
    spec = load_dataset(source)
    annotations = Annotations(spec, "train")
    found = []
    for image in spec.images("train"):
        size = image_size(image)
        instances, _ = annotations.read(image, size)
        found.append([area(each.rle or rings_to_rle(each.rings, *size)) for each in instances])
    return found


@pytest.mark.parametrize("case", LABELME)
def test_labelme_files_as_they_are(cases, case, tmp_path):
    expected, said = LABELME[case]
    assert areas(cases / case) == expected
    assert load_dataset(cases / case).names == {0: "cat"}
    assert said in str(check(cases / case, out=None))
    report = convert(cases / case, out=tmp_path / "out")
    assert report.passed and said in str(report)
    assert areas(tmp_path / "out") == expected


@pytest.mark.parametrize("layout", ["labelme", "voc", "cvatmask"])
def test_a_tools_folder_of_real_images(tool_exports, layout, tmp_path):
    report = check(tool_exports / layout, out=None)
    assert sum(split.images for split in report.splits.values()) == IMAGES
    totals = {report.spec.names[class_id]: 0 for class_id in report.spec.names}
    for split in report.splits.values():
        for class_id, count in split.instances.items():
            totals[report.spec.names[class_id]] += count
    assert (totals["person"], totals["car"]) == (PERSONS, INSTANCES - PERSONS)
    assert sum(totals.values()) == INSTANCES

    converted = convert(tool_exports / layout, out=tmp_path / "out", strict=1.0)
    assert converted.passed and not converted.lost
    assert (converted.images_written, converted.instances_written) == (IMAGES, INSTANCES)
    splits = {split: len(images) for split, images in load_dataset(tmp_path / "out").splits.items()}
    assert splits == ({"train": 18, "val": 5} if layout == "voc" else {"train": IMAGES})
