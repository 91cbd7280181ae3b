"""The same real COCO JSON through both converters, looked at as an outsider does: every row one polygon."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from seglab.convert.conversion import convert_coco_labels

pytest.importorskip("ultralytics", reason="ultralytics is not installed: pip install 'seglab[parity]'")


def best_ious(content: dict, labels: Path) -> list[float]:
    """The best IoU of any row of the image's label file, for every object that is no crowd."""
    files, ious = {path.stem: path for path in labels.rglob("*.txt")}, []
    for image in content["images"]:
        height, width = image["height"], image["width"]
        path = files.get(Path(image["file_name"]).stem)
        rows = [np.array(row.split()[1:], float) for row in path.read_text().splitlines()] if path else []
        drawn = [coco.frPyObjects([(row.reshape(-1, 2) * (width, height)).ravel()], height, width)[0] for row in rows]
        for annotation in content["annotations"]:
            if annotation["image_id"] == image["id"] and not annotation["iscrowd"]:
                mask = coco.merge(coco.frPyObjects(annotation["segmentation"], height, width))
                ious.append(coco.iou([mask], drawn, [0] * len(drawn)).max() if drawn else 0.0)
    return ious


def test_every_mask_survives_here_and_not_all_do_there(datasets_folder, tmp_path):
    from ultralytics.data.converter import convert_coco

    shutil.copytree(
        datasets_folder / "coco38" / "annotations", tmp_path / "json"
    )  # ultralytics writes beside what it reads
    convert_coco(labels_dir=str(tmp_path / "json"), save_dir=str(tmp_path / "peer"), use_segments=True, cls91to80=True)
    ours, theirs = [], []
    for file in sorted((tmp_path / "json").glob("*.json")):
        content = json.loads(file.read_text())
        report = convert_coco_labels(file, tmp_path / file.stem)
        assert report.instances == len(content["annotations"]) == report.instances_written + report.crowds
        ours += best_ious(content, tmp_path / file.stem)
        theirs += best_ious(content, tmp_path / "peer" / "labels" / file.stem.removeprefix("instances_"))
    assert len(ours) == len(theirs) == 419 and min(ours) == 1.0
    print(f"seglab: mean IoU {np.mean(ours):.6f}, worst {min(ours):.4f}, {np.sum(np.less(ours, 0.99))} under .99")
    print(f"peer: mean IoU {np.mean(theirs):.6f}, worst {min(theirs):.4f}, {np.sum(np.less(theirs, 0.99))} under .99")
    assert np.mean(theirs) < np.mean(ours)
