"""Every annotation of a COCO JSON finds its image, and images that are left out are named."""

from __future__ import annotations

import pytest

from seglab.convert.conversion import convert_coco_labels

from ..sources import (
    SIZE,
    box,
    labels_of,
    write_coco,
)


@pytest.mark.parametrize(
    ("kept", "unknown"),
    [
        ([1, 2, -7], [3, "a", "1.5", 1.5, None, 10**30, float("nan"), float("inf"), ""]),
        (["1", "", "\ud800", "ü"], [2, None, "3", 1.5]),
        ([2**64 - 1, 10**30, 2**63, 0], [2**64, "7", None]),
        ([1.5, None, True], [2, "None", "3", "1.5"]),
        ([1, "1", "2", 3], [4, "5"]),
    ],
)
def test_every_id_finds_its_own_image_or_is_named(tmp_path, kept, unknown):
    images = [{"id": id_, "file_name": f"{number}.jpg", **SIZE} for number, id_ in enumerate(kept)]
    rows = [{"id": 1, "image_id": id_, "category_id": 1, "segmentation": [box(1, 1, 9, 9)]} for id_ in kept + unknown]
    strange = [{"image_id": [1]}, {"image_id": {"id": 1}}, None, 7, [1]]
    report = convert_coco_labels(write_coco(tmp_path / "a.json", images, rows + strange), tmp_path / "out")
    assert labels_of(tmp_path / "out") == {f"{number}.txt": 1 for number in range(len(kept))}
    assert (report.instances_written, report.lost) == (len(kept), len(unknown) + len(strange))
    assert report.counts["unknown image", "1 instance left out"] == len(unknown)
    assert report.counts["no image_id", "1 instance left out"] == len(strange) and str(report)


def test_an_id_finds_its_image_in_its_other_spelling_too(tmp_path):
    images = [{"id": id_, "file_name": f"{number}.jpg", **SIZE} for number, id_ in enumerate(["1", 2, 30])]
    rows = [{"image_id": id_, "category_id": 1, "segmentation": [box(1, 1, 9, 9)]} for id_ in (1, "2", 2.0, "030")]
    report = convert_coco_labels(write_coco(tmp_path / "a.json", images, rows), tmp_path / "out")
    assert report.lost == 0 and labels_of(tmp_path / "out") == {"0.txt": 1, "1.txt": 2, "2.txt": 1}


def test_of_images_that_share_an_id_or_a_label_file_the_first_is_kept(tmp_path):
    names = ["a.jpg", "b.jpg", "a.png", "sub/a.jpg", "../c.jpg", "/d.jpg", "sub\\a.jpg", "\0.jpg", ""]
    images = [{"id": number, "file_name": name, **SIZE} for number, name in enumerate(names)]
    images.append({"id": 0, "file_name": "e.jpg", **SIZE})
    rows = [{"image_id": number, "category_id": 1, "segmentation": [box(1, 1, 9, 9)]} for number in range(len(names))]
    report = convert_coco_labels(write_coco(tmp_path / "a.json", images, rows), tmp_path / "out")
    assert labels_of(tmp_path / "out") == {"a.txt": 1, "b.txt": 1, "sub/a.txt": 1}
    assert (report.images, report.images_written, report.instances_written, report.lost) == (10, 3, 3, 6)
    assert report.counts["name already taken", "1 instance left out"] == 2
    assert report.counts["unsafe image name", "1 instance left out"] == 4
    assert report.counts["id already taken", "0 instances left out"] == 1
    assert not [path for path in tmp_path.rglob("*") if path.suffix not in (".json", ".txt", "")]
