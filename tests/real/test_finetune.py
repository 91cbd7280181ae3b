"""Official-like weights fine-tuned on real images: what they know is kept, and training ends above its start."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from seglab import YOLO
from seglab.convert import convert
from seglab.datasets.load import load_dataset

QUICK = {"imgsz": 320, "workers": 0, "plots": False, "device": "cpu"}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def nuclei(shared_folder, tmp_path_factory) -> Path:
    """Sixteen microscope images to learn from and sixteen to validate on: a class that COCO lacks."""
    folder = tmp_path_factory.mktemp("nuclei")
    source = shared_folder / "datasets/nuclei"
    for split in ("train", "val"):
        content = json.loads((source / f"annotations/instances_{split}.json").read_text())
        content["images"] = content["images"][:16]
        ids = {image["id"] for image in content["images"]}
        content["annotations"] = [row for row in content["annotations"] if row["image_id"] in ids]
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(content))
        shutil.copytree(source / "images" / split, folder / "images" / split)
    convert(folder / "annotations", images=folder / "images", out=folder / "yolo")
    return folder / "yolo/yolo.yaml"


@pytest.fixture(scope="module")
def photos(shared_folder, tmp_path_factory) -> Path:
    """COCO photos with two classes that the weights know, under other spellings, to train and to validate on."""
    folder = tmp_path_factory.mktemp("photos")
    source = shared_folder / "datasets/coco38"
    (folder / "annotations").mkdir()
    for split in ("train2017", "val2017"):
        content = json.loads((source / f"annotations/instances_{split}.json").read_text())
        categories = [row for row in content["categories"] if row["name"] in ("person", "dining table")]
        for row in categories:
            row["name"] = {"person": "Person", "dining table": "dining_table"}[row["name"]]
        ids = {row["id"] for row in categories}
        content |= {
            "categories": categories,
            "annotations": [row for row in content["annotations"] if row["category_id"] in ids],
        }
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(content))
    convert(folder / "annotations", images=source / "images", out=folder / "yolo")
    content = yaml.safe_load((folder / "yolo/yolo.yaml").read_text())
    content["path"] = str(folder / "yolo")
    (folder / "photos.yaml").write_text(yaml.safe_dump(content))
    assert {"train", "val"} <= load_dataset(folder / "photos.yaml").splits.keys()
    return folder / "photos.yaml"


def test_a_new_class_keeps_the_class_branch_and_is_learned(coco_weights, nuclei, tmp_path, capsys):
    model = YOLO(coco_weights)
    metrics = model.train(data=nuclei, epochs=4, project=str(tmp_path), name="run", **QUICK)
    told = capsys.readouterr().out
    assert "555 of 561 tensors taken" in told and "0 of 1 classes known by name" in told
    assert "1 of 1 classes are new" in told and "training helped" in told
    assert model.network.class_width == 80 and model.network.classes == 1
    assert metrics.seg.map > 0.3
    again = model.val(data=nuclei, batch=16, **QUICK)  # the metrics of the best epoch are those of its weights
    assert again.mean_results() == pytest.approx(metrics.mean_results(), abs=0.002)


def test_known_classes_start_where_the_weights_stand_and_end_no_lower(coco_weights, photos, tmp_path, capsys):
    start = YOLO(coco_weights)
    before = start.network.state_dict()["model.23.cv3.0.2.weight"]
    model = YOLO(coco_weights)
    model.train(data=photos, epochs=3, project=str(tmp_path), name="run", **QUICK)
    told = capsys.readouterr().out
    assert "2 of 2 classes known by name (Person, dining_table)" in told and "average=anchored" in told
    assert "not clearly better than the start" in told  # larger steps spoil what the weights know of photos
    rows = csv.DictReader((tmp_path / "run/results.csv").read_text().splitlines())
    masks = [float(row["metrics/mAP50-95(M)"]) for row in rows]
    assert len(masks) == 4 and masks[0] > 0.2  # of the start: an untrained branch finds nothing
    assert masks[-1] >= masks[0] - 0.005
    after = model.network.state_dict()["model.23.cv3.0.2.weight"]
    for row, coco in enumerate((0, 60)):  # small steps: each class's scores are still nearest to those it came from
        nearest = (before - after[row]).flatten(1).norm(dim=1).argmin()
        assert nearest == coco
    assert not torch.equal(after[0], before[0])
