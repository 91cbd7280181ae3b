"""Coordinates that are written so that every reader draws the same pixels; entries that are read back as they were."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seglab.formats.coco import CocoFile
from seglab.formats.coco_writer import annotation_entry, category_entries, image_entry, steady, write_coco
from seglab.geometry.rle import encode, rings_to_rle
from seglab.sample import Instance


@given(st.lists(st.integers(0, 64000), min_size=1, max_size=50), st.integers(641, 5000))
def test_steady_coordinates_keep_their_fifth_through_text_and_single_precision(hundredths, width):
    points = np.array(hundredths) / 100
    fifths = np.trunc(5 * points + 0.5)
    written = [float(f"{x / width:.9f}") for x in steady(points)]
    np.testing.assert_array_equal(np.trunc(5 * (np.array(written) * width) + 0.5), fifths)
    single = np.array(written, np.float32) * np.float32(width)
    np.testing.assert_array_equal(np.trunc(5 * single.astype(float) + 0.5), fifths)
    assert np.abs(steady(points) - points).max() < 1.1e-4


def test_what_is_written_entry_by_entry_is_read_back(tmp_path):
    size = (20, 30)
    square = np.array([[2.0, 3], [12, 3], [12, 13], [2, 13]])
    holed = np.zeros(size, bool)
    holed[4:15, 5:20] = True
    holed[7:10, 8:12] = False
    instances = [Instance(0, [square]), Instance(1, [], rle=encode(holed)), Instance(1, [square + 5], crowd=True)]
    rows = (annotation_entry(number, 7, 40 + each.class_id, each, size) for number, each in enumerate(instances))
    categories = category_entries([40, 41], ["ant", "bee"])
    write_coco(tmp_path / "new.json", [image_entry(7, "a.jpg", size)], rows, categories, {"year": 2026})
    content = json.loads((tmp_path / "new.json").read_text())
    assert list(content) == ["info", "images", "annotations", "categories"]
    assert isinstance(content["annotations"][0]["segmentation"], list), "polygons where they can say it"
    assert isinstance(content["annotations"][1]["segmentation"], dict), "RLE where there is a hole"
    coco = CocoFile(tmp_path / "new.json")
    found, issues = coco.instances(coco.images["a.jpg"], size)
    assert not issues and coco.names == {0: "ant", 1: "bee"}
    assert [(each.class_id, each.crowd) for each in found] == [(0, False), (1, False), (1, True)]
    for own, again in zip(instances, found):
        mask = own.rle or rings_to_rle(own.rings, *size)
        assert (again.rle or rings_to_rle(again.rings, *size))["counts"] == mask["counts"]
