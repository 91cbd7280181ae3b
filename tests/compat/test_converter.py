"""COCO annotations and mask images become label files by the calls that scripts use."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from seglab.compat.converter import (
    coco80_to_coco91_class,
    coco91_to_coco80_class,
    convert_coco,
    convert_segment_masks_to_yolo_seg,
    merge_multi_segment,
)
from seglab.errors import SeglabError
from seglab.formats.yolo import read_labels
from seglab.geometry.raster import fill


def test_every_json_of_a_folder_is_converted(tmp_path, capsys):
    annotation = {"id": 1, "image_id": 7, "category_id": 5, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0,
                  "segmentation": [[10, 10, 30, 10, 30, 30, 10, 30]]}  # fmt: skip
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}],
        "annotations": [annotation],
        "categories": [{"id": 5, "name": "thing"}],
    }
    for name in ("instances_train.json", "other.json"):
        (tmp_path / name).write_text(json.dumps(content))
    convert_coco(labels_dir=tmp_path, save_dir=tmp_path / "out", use_segments=True, cls91to80=False)
    for name in ("train", "other"):
        values = (tmp_path / f"out/labels/{name}/a.txt").read_text().split()
        assert values[0] == "0" and [float(v) for v in values[1:]] == [0.1, 0.2, 0.3, 0.2, 0.3, 0.6, 0.1, 0.6]
    with pytest.raises(SeglabError, match="cannot write keypoints"):
        convert_coco(tmp_path, tmp_path / "k", use_keypoints=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SeglabError, match="no JSON file in"):
        convert_coco(tmp_path / "empty", tmp_path / "k")


def test_mask_images_become_label_files(tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    ids = np.zeros((60, 80), np.uint8)
    ids[10:30, 10:40] = 1
    ids[15:20, 15:25] = 0  # a hole
    ids[40:50, 50:70] = 2
    ids[5:8, 60:62] = 2
    cv2.imwrite(str(masks / "a.png"), ids)
    cv2.imwrite(str(masks / "none.png"), ids * 0)
    convert_segment_masks_to_yolo_seg(str(masks), str(tmp_path / "out"), classes=2)
    again = np.zeros_like(ids)
    found, issues = read_labels(tmp_path / "out/a.txt", 80, 60, ["cup", "car"])
    for instance in found:
        again[fill(instance.rings, 60, 80)] = instance.class_id + 1
    assert len(found) == 3 and not issues and np.array_equal(again, ids)
    assert (tmp_path / "out/none.txt").read_text() == ""
    with pytest.raises(SeglabError, match=r"a\.png has the value 2 and classes=1"):
        convert_segment_masks_to_yolo_seg(masks, tmp_path / "out", classes=1)
    with pytest.raises(SeglabError, match=r"no \.png or \.jpg mask image"):
        convert_segment_masks_to_yolo_seg(tmp_path / "out", tmp_path / "out", classes=1)


def test_parts_are_joined_and_ids_of_coco_go_both_ways():
    (line,) = merge_multi_segment([[0, 0, 4, 0, 4, 4, 0, 4], [[10, 10], [12, 10], [12, 12], [10, 12]]])
    assert fill([line], 16, 16).sum() == 16 + 4
    there, back = coco80_to_coco91_class(), coco91_to_coco80_class()
    assert len(there) == 80 and len(back) == 91 and (there[0], there[79]) == (1, 90) and back[11] is None
    assert [back[coco_id - 1] for coco_id in there] == list(range(80))
