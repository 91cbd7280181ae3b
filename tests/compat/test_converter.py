"""COCO annotations become label files by the call that scripts use."""

from __future__ import annotations

import json

import pytest

from seglab.compat.converter import convert_coco
from seglab.errors import SeglabError


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
