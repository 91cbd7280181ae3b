"""Scenes as a dataset folder, and scenes that are in none."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seglab.config import AugmentConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import read_image
from seglab.data.loader import build_loader, start_epoch
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir
from seglab.formats.yolo import read_labels
from seglab.geometry.polygons import ring_area
from seglab.geometry.raster import coverage, fill
from seglab.toybox.dataset import generate_dataset, write_embedded
from seglab.toybox.objects import NAMES
from seglab.toybox.scene import scene

SAME_OPENCV = cv2.__version__.startswith("5.")  # as drew what is shipped; 4.x fills a little wider, rounds otherwise


def rings_area(rings) -> float:
    return sum(ring_area(ring) for ring in rings)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_dataset_is_complete_and_reads_back_as_it_was_made(tmp_path):
    path = generate_dataset(tmp_path / "set", 6, seed=5, size=(240, 320), val=0.34, workers=1)
    spec = load_dataset(path)
    assert [len(spec.images(split)) for split in ("train", "val")] == [4, 2]
    assert list(spec.names.values()) == NAMES
    for i, image in enumerate(spec.images("train") + spec.images("val")):
        sample = scene((5, i), (240, 320))
        assert np.abs(read_image(image).astype(int) - sample.image).mean() < 6
        label = Path(str(image).replace("images", "labels")).with_suffix(".txt")
        instances, problems = read_labels(label, 320, 240, NAMES)
        assert not [p for p in problems if not p.is_note]
        assert [o.class_id for o in instances] == [o.class_id for o in sample.instances]
        for read, made in zip(instances, sample.instances):
            difference = np.abs(coverage(read.rings, 240, 320) - coverage(made.rings, 240, 320))
            assert difference.sum() <= 0.002 * rings_area(made.rings)
    one = files_of(tmp_path / "set")
    generate_dataset(tmp_path / "again", 6, seed=5, size=(240, 320), val=0.34, workers=0)
    assert {k.replace("again", "set"): v for k, v in files_of(tmp_path / "again").items()} == one
    with pytest.raises(SeglabError, match="already exists"):
        generate_dataset(tmp_path / "set", 2)


def test_the_coco_json_agrees_with_pycocotools(tmp_path, capsys):
    from pycocotools.coco import COCO

    generate_dataset(tmp_path / "set", 2, seed=1, size=(240, 320), val=1)
    assert not (tmp_path / "set/images/train").exists()
    coco = COCO(str(tmp_path / "set/annotations/instances_val.json"))
    assert sorted(c["name"] for c in coco.loadCats(coco.getCatIds())) == sorted(NAMES)
    for image in coco.imgs.values():
        sample = scene((1, int(image["file_name"][:6])), (240, 320))
        annotations = coco.loadAnns(coco.getAnnIds(image["id"]))
        assert len(annotations) == len(sample.instances)
        for row, made in zip(annotations, sample.instances):
            mask = coco.annToMask(row).astype(bool)
            assert (mask ^ fill(made.rings, 240, 320)).sum() <= 2 + 0.01 * row["area"]
            assert row["area"] == pytest.approx(mask.sum(), abs=2 + 0.01 * row["area"])
    capsys.readouterr()


def test_the_embedded_scenes_are_regenerated(tmp_path):
    """Byte for byte; another CPU may round a pixel by one, another OpenCV may draw an outline a hair thicker."""
    shipped = bundled_data_dir() / "toybox8-seg"
    write_embedded(tmp_path / "toybox8-seg")
    old, new = files_of(shipped), files_of(tmp_path / "toybox8-seg")
    old = {name: data for name, data in old.items() if not name.endswith(".cache")}  # ultralytics leaves them there
    assert old.keys() == new.keys()
    assert sum(map(len, old.values())) < 1.5e6
    for name in (name for name in new if new[name] != old[name]):
        if name.endswith(".jpg"):
            difference = np.abs(read_image(shipped / name).astype(int) - read_image(tmp_path / "toybox8-seg" / name))
            assert difference.mean() < (0.5 if SAME_OPENCV else 1), name
        else:
            assert not SAME_OPENCV, name
            if name.endswith(".txt"):
                for made, kept in zip(
                    *(read_labels(f / name, 640, 480, NAMES)[0] for f in (tmp_path / shipped.name, shipped))
                ):
                    assert made.class_id == kept.class_id
                    difference = np.abs(coverage(made.rings, 480, 640) - coverage(kept.rings, 480, 640)).sum()
                    assert difference < 2 + 0.05 * rings_area(kept.rings), name


def test_the_embedded_scenes_show_every_name_in_both_splits():
    for split in ("train", "val"):
        content = json.loads((bundled_data_dir() / "toybox8-seg/annotations" / f"instances_{split}.json").read_text())
        assert len({row["category_id"] for row in content["annotations"]}) == len(NAMES)
        assert len(content["images"]) == 4


def test_fresh_scenes_are_others_in_every_epoch_and_are_never_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spec = load_dataset("toybox-fresh:5")
    assert len(spec.images("train")) == 5 and spec.images("val") == load_dataset("toybox8-seg").images("val")
    config = AugmentConfig(mosaic=1.0)
    dataset = SegmentationDataset(spec, "train", 96, config)
    loader = build_loader(dataset, 2, workers=2, shuffle=True)
    images = {}
    for epoch in (0, 1, 0):
        start_epoch(loader, epoch)
        for batch in loader:
            for image, item in zip(batch["images"], batch["samples"]):
                # When an epoch comes back, as after an interruption, so do its scenes.
                assert torch.equal(images.setdefault((epoch, item["index"]), image), image)
        start_epoch(loader, epoch)
        raw = [dataset.sample(index).image for index in range(5)]
        assert all((raw[index] == scene((index, epoch, 1)).image).all() for index in (0, 4))
    assert len({image.numpy().tobytes() for image in images.values()}) == 10
    assert [dataset.image_id(index) for index in range(5)] == [0, 1, 2, 3, 4]
    assert not list(tmp_path.iterdir())


def test_a_mosaic_of_fresh_scenes_has_none_of_an_earlier_epoch():
    straight, late = (
        SegmentationDataset(load_dataset("toybox-fresh:2"), "train", 96, AugmentConfig(mosaic=1.0)) for _ in range(2)
    )
    straight[0], straight[1]
    straight.set_epoch(1)
    late.set_epoch(1)
    assert (straight[0]["image"] == late[0]["image"]).all()


def test_fresh_scenes_cannot_be_cached():
    with pytest.raises(SeglabError, match="new images in every epoch"):
        SegmentationDataset(load_dataset("toybox-fresh:2"), "train", 96, AugmentConfig(), cache="ram")
