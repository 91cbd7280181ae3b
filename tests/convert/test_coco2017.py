"""COCO put together from its archives."""

import json
import shutil

from seglab.convert import coco2017
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset

from ..datasets.shelf import counts, make_images, write_json


def test_coco_is_put_together_from_its_archives(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGLAB_DATASETS", raising=False)

    def archive(name, make):
        make(tmp_path / "zip" / name)
        return shutil.make_archive(tmp_path / name, "zip", tmp_path / "zip" / name)

    def annotations(folder):
        for split in ("train2017", "val2017"):
            path = write_json(folder / f"annotations/instances_{split}.json", ["0.png", "1.png"])
            content = json.loads(path.read_text())
            ring = [1, 1, 7, 1, 7, 7, 1, 7]
            content["annotations"] = [{"id": 1, "image_id": 1, "category_id": 7, "iscrowd": 0, "segmentation": [ring]}]
            path.write_text(json.dumps(content))

    archives = {
        "annotations_trainval2017.zip": archive("annotations_trainval2017", annotations),
        "val2017.zip": archive("val2017", lambda folder: make_images(folder / "val2017")),
        "train2017.zip": archive("train2017", lambda folder: make_images(folder / "train2017")),
    }
    fetched = []
    monkeypatch.setattr(coco2017, "fetch", lambda name: fetched.append(name) or archives[name])
    monkeypatch.setattr(coco2017, "COCO_NAMES", ["cup", "kite"])
    for _ in range(2):  # validation needs no training images
        spec = load_dataset("coco.yaml", "val")
        assert counts(spec) == {"val": 2} and list(spec.annotations) == ["val"]
        assert len(SegmentationDataset(spec, "val", 32).instances(1)) == 1
        assert fetched == ["annotations_trainval2017.zip", "val2017.zip"]
    for _ in range(2):
        spec = load_dataset("coco.yaml")
        assert fetched == list(archives)
        assert counts(spec) == {"train": 2, "val": 2} and list(spec.annotations) == ["val"]
        for split in ("train", "val"):
            dataset = SegmentationDataset(spec, split, 32)
            assert [len(dataset.instances(index)) for index in range(2)] == [0, 1]
            assert dataset.instances(1)[0].class_id == 1
    assert counts(load_dataset("coco", "val")) == {"train": 2, "val": 2}
