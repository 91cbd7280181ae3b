"""Datasets joined by class name: one numbering, labels of every part mapped to it when they are read."""

from __future__ import annotations

import json
from collections import Counter

import cv2
import numpy as np
import pytest

import seglab.cli as cli
from seglab import YOLO
from seglab.class_names import equal_classes, join_names
from seglab.config import ValidateConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.datasets.join import join_datasets
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.evaluation.validate import evaluated_images
from seglab.formats.yolo import write_dataset_yaml
from seglab.model.transfer import init_network


def write_dataset(folder, names, images, splits=("train", "val"), side=64):
    """A YOLO folder. images: stem -> class ids, one square each; the same ones in every split."""
    for split in splits:
        for stem, classes in images.items():
            image = folder / "images" / split / f"{split}-{stem}.png"
            label = folder / "labels" / split / f"{split}-{stem}.txt"
            for path in (image, label):
                path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(image), np.full((side, side, 3), 90, np.uint8))
            rows = [f"{c} .1 .{n + 1} .4 .{n + 1} .4 .{n + 3} .1 .{n + 3}" for n, c in enumerate(classes)]
            label.write_text("\n".join(rows))
    path = folder / f"{folder.name}.yaml"
    write_dataset_yaml(path, {split: f"images/{split}" for split in splits}, dict(enumerate(names)))
    return path


@pytest.fixture
def two(tmp_path):
    """Two datasets that share one class, under another id and another spelling."""
    first = write_dataset(tmp_path / "first", ["traffic light", "person"], {"a": [0, 1], "b": [1]})
    second = write_dataset(tmp_path / "second", ["cell", "Traffic_Light"], {"c": [0, 0, 1]})
    return first, second


def found_names(dataset):
    return Counter(dataset.names[found.class_id] for index in range(len(dataset)) for found in dataset.instances(index))


def test_names_are_joined_in_order_and_known_classes_keep_their_ids():
    assert join_names({0: "b", 1: "a"}, {0: "A", 1: "c"}, {0: "C ", 1: "B"}) == {0: "b", 1: "a", 2: "c"}
    known = {0: "cat", 1: "Cat", 2: "dog"}  # weights that have a name twice
    assert join_names(known, {0: "cow", 1: "dog"}) == {**known, 3: "cow"}
    joined = join_names({0: "x"}, {0: "New One", 1: "new_one"})
    assert joined == {0: "x", 1: "New One"}
    assert equal_classes({0: "New One", 1: "new_one"}, joined) == {0: 1, 1: 1}


@pytest.mark.parametrize("written", ["list", "commas", "literal"])
def test_labels_of_every_part_are_read_under_the_joined_ids(two, written):
    source = {"list": list(two), "commas": ",".join(map(str, two)), "literal": f"['{two[0]}', '{two[1]}']"}[written]
    spec = load_dataset(source)
    assert spec.names == {0: "traffic light", 1: "person", 2: "cell"}
    assert spec.source == [str(path) for path in two]
    for split in ("train", "val"):
        dataset = SegmentationDataset(spec, split, 64)
        assert len(dataset) == 3
        assert found_names(dataset) == {"traffic light": 2, "person": 2, "cell": 2}
    batch = next(iter(build_loader(dataset, 3, 0)))
    by_image = [batch["classes"][batch["image_index"] == number].tolist() for number in range(3)]
    assert by_image == [[0, 1], [1], [2, 2, 0]]


def test_the_order_of_the_parts_is_the_order_of_the_names(two):
    assert load_dataset([two[1], two[0]]).names == {0: "cell", 1: "Traffic_Light", 2: "person"}


def test_a_part_named_twice_counts_once_and_joins_can_be_joined(two):
    spec = load_dataset([two[0], *two])
    assert len(spec.images("train")) == 3 and len(spec.parts) == 2
    again = join_datasets([spec], known={0: "dog", 1: "Person"})
    assert again.names == {0: "dog", 1: "Person", 2: "traffic light", 3: "cell"}
    assert again.source == spec.source
    assert found_names(SegmentationDataset(again, "train", 64)) == {"traffic light": 2, "Person": 2, "cell": 2}


def test_coco_jsons_and_crowds_of_a_part_come_along(two, tmp_path):
    folder = tmp_path / "third"
    image = folder / "images" / "photo.png"
    image.parent.mkdir(parents=True)
    cv2.imwrite(str(image), np.full((64, 64, 3), 90, np.uint8))
    square = [2, 2, 20, 2, 20, 20, 2, 20]
    rows = [{"category_id": 7, "iscrowd": 0}, {"category_id": 3, "iscrowd": 1}]
    rows = [{"id": n, "image_id": 5, "segmentation": [square], **row} for n, row in enumerate(rows)]
    content = {
        "images": [{"id": 5, "file_name": "photo.png", "width": 64, "height": 64}],
        "annotations": rows,
        "categories": [{"id": 3, "name": "cell"}, {"id": 7, "name": "person"}],
    }
    path = folder / "annotations" / "instances_train.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    spec = load_dataset([*two, path])
    dataset = SegmentationDataset(spec, "train", 64)
    index = dataset.images.index(image)
    assert dataset.image_id(index) == 5
    assert [(spec.names[found.class_id], found.crowd) for found in dataset.instances(index)] == [
        ("person", False),
        ("cell", True),
    ]
    assert len(SegmentationDataset(spec, "val", 64)) == 3  # the JSON has no such split


def test_one_image_in_two_datasets_has_the_labels_of_both(tmp_path):
    image = tmp_path / "images" / "photo.png"
    image.parent.mkdir(parents=True)
    cv2.imwrite(str(image), np.full((64, 64, 3), 90, np.uint8))
    paths = []
    for name in ("dog", "cat"):
        row = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [[2, 2, 20, 2, 20, 20]]}
        content = {
            "images": [{"id": 1, "file_name": "photo.png", "width": 64, "height": 64}],
            "annotations": [row],
            "categories": [{"id": 1, "name": name}],
        }
        paths.append(tmp_path / "annotations" / f"{name}_train.json")
        paths[-1].parent.mkdir(exist_ok=True)
        paths[-1].write_text(json.dumps(content))
    dataset = SegmentationDataset(load_dataset(paths), "train", 64)
    assert len(dataset) == 1 and found_names(dataset) == {"dog": 1, "cat": 1}


def test_datasets_that_cannot_be_joined_say_why(two, tmp_path):
    unnamed = write_dataset(tmp_path / "unnamed", ["x"], {"a": [0]})
    unnamed.write_text(unnamed.read_text().partition("names")[0] + "nc: 1\n")
    with pytest.raises(SeglabError, match="no class names"):
        load_dataset([two[0], unnamed])
    with pytest.raises(SeglabError, match="toybox-seg with others"):
        load_dataset([two[0], "toybox-fresh:4"])
    with pytest.raises(SeglabError, match="contains no dataset"):
        load_dataset([])
    only = write_dataset(tmp_path / "only", ["x"], {"a": [0]}, splits=("train",))
    with pytest.raises(SeglabError, match="no images in its split 'val'"):
        load_dataset([only, write_dataset(tmp_path / "other", ["y"], {"b": [0]}, splits=("train",))]).images("val")


def test_new_images_of_every_epoch_come_under_the_joined_ids():
    drawn = load_dataset("toybox-fresh:2")
    spec = join_datasets([drawn], known={0: "dog", 1: "book"})
    own, joined = (SegmentationDataset(each, "train", 64) for each in (drawn, spec))
    for index in range(2):
        names = [[each.names[found.class_id] for found in each.instances(index)] for each in (own, joined)]
        assert names[0] == names[1] and names[0]


def test_equal_image_ids_of_two_parts_stay_apart_in_validation(tmp_path):
    paths = [write_dataset(tmp_path / name, [name], {"1": [0]}) for name in ("one", "two")]
    for path in paths:  # both images are called 1.png
        for file in list((path.parent / "images" / "val").iterdir()) + list((path.parent / "labels" / "val").iterdir()):
            file.rename(file.with_name(f"1{file.suffix}"))
    dataset = SegmentationDataset(load_dataset(paths), "val", 64)
    network = init_network("n", 2, 0)
    model = YOLO("yolo11n-seg.yaml")
    model.network = network

    seen = list(evaluated_images(model._forward("cpu"), build_loader(dataset, 2, 0), dataset, ValidateConfig(imgsz=64)))
    assert [each.image_id for each in seen] == [1, 2], "as in every COCO file that seglab writes"
    assert len({each.key for each in seen}) == 2
    assert all(each.label_file is None for each in seen)  # label files have other ids


def test_the_command_line_takes_several(two, monkeypatch):
    taken = {}
    monkeypatch.setattr(YOLO, "train", lambda self, **options: taken.update(options))
    for written in (f"{two[0]},{two[1]}", f"['{two[0]}','{two[1]}']"):
        assert cli.main(["train", "model=toybox-n", f"data={written}"]) == 0
        assert load_dataset(taken["data"]).source == [str(path) for path in two]
