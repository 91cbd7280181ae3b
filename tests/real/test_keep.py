"""Learning nuclei from COCO weights: with keep=True COCO's classes are found afterwards, without it they are not."""

from __future__ import annotations

import shutil

import pytest
import torch
import yaml

from seglab import YOLO
from seglab.convert import convert

IMAGES, SIDE = 6, 256


@pytest.fixture(scope="module")
def few_nuclei(shared_folder, tmp_path_factory):
    """A YOLO folder of six training images of nuclei."""
    root = tmp_path_factory.mktemp("nuclei")
    source = shared_folder / "datasets" / "nuclei"
    if not source.is_dir():
        pytest.skip(f"{source} is not there, so there is no new class to learn")
    convert(source / "annotations", images=source / "images", out=root / "yolo")
    for split in ("train", "val"):
        images = sorted((root / "yolo" / "images" / split).iterdir())[:IMAGES]
        (root / "yolo" / f"{split}.txt").write_text("\n".join(f"./images/{split}/{path.name}" for path in images))
    path = root / "few.yaml"
    content = {"path": str(root / "yolo"), "train": "train.txt", "val": "val.txt", "names": ["nucleus"]}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def photos(shared_folder, tmp_path_factory):
    """COCO photos that no run sees, with the instances of all 80 classes."""
    source = shared_folder / "datasets" / "coco38"
    if not source.is_dir():
        pytest.skip(f"{source} is not there, so there are no photos to judge on")
    root = tmp_path_factory.mktemp("photos")
    (root / "annotations").mkdir()
    shutil.copy(source / "annotations" / "instances_val2017.json", root / "annotations")
    shutil.copytree(source / "images" / "val2017", root / "images" / "val2017")
    return root / "annotations" / "instances_val2017.json"


def learn(weights, data, folder, name, **arguments):
    torch.set_num_threads(1)
    model = YOLO(weights)
    settings = {"imgsz": SIDE, "epochs": 5, "batch": 2, "nbs": 2, "workers": 0, "device": "cpu", "val": False}
    model.train(data=data, plots=False, project=str(folder), name=name, **settings, **arguments)
    return model


def mask_map(model, photos) -> float:
    return model.val(str(photos), imgsz=320, verbose=False, workers=0, device="cpu").seg.map


def test_known_classes_are_kept_where_plain_fine_tuning_loses_them(
    coco_weights, few_nuclei, photos, datasets_folder, tmp_path, capsys
):
    start = mask_map(YOLO(coco_weights), photos)
    kept = learn(coco_weights, few_nuclei, tmp_path, "kept", keep=True)
    assert "of coco8-seg are rehearsed" in capsys.readouterr().out
    assert len(kept.names) == 81 and kept.names[80] == "nucleus"
    nuclei = kept.val(str(few_nuclei), imgsz=SIDE, verbose=False, workers=0, device="cpu").seg
    assert nuclei.map > 0.1  # and the new class is learned

    # The same settings without a teacher, and with all 81 classes as labels, so that the rows of COCO's stay.
    labels = few_nuclei.with_name("all.yaml")
    content = yaml.safe_load(few_nuclei.read_text())
    root = few_nuclei.parent / "all"
    shutil.copytree(few_nuclei.parent / "yolo", root)
    for path in (root / "labels").rglob("*.txt"):
        rows = path.read_text().splitlines()
        path.write_text("\n".join("80" + row[1:] for row in rows))
    labels.write_text(yaml.safe_dump({**content, "path": str(root), "names": kept.names}))
    plain = learn(coco_weights, labels, tmp_path, "plain", optimizer="AdamW", lr0=1e-3, warmup_bias_lr=0.0)

    after, lost = mask_map(kept, photos), mask_map(plain, photos)
    print(f"mask mAP on COCO photos: start {start:.3f}, keep {after:.3f}, plain {lost:.3f}; nuclei {nuclei.map:.3f}")
    assert after > start - 0.05
    assert lost < 0.5 * start
