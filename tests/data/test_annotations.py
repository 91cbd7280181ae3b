"""Which objects belong to which image, where a COCO JSON lies beside the images or is kept beside labels."""

from __future__ import annotations

import json
import sys

import cv2
import numpy as np
import pytest

from seglab.convert import convert
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.formats.issues import Issue, issue_table

HEIGHT, WIDTH = 40, 60
CATEGORIES = ({"id": 1, "name": "one"}, {"id": 2, "name": "two"}, {"id": 3, "name": "three"})


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def entry(number, name):
    return {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT}


def square(image, left, category=1, crowd=0, **more):
    ring = [left, 2, left + 10, 2, left + 10, 12, left, 12]
    return {"image_id": image, "category_id": category, "iscrowd": crowd, "segmentation": [ring], **more}


def write(path, images, annotations, categories=CATEGORIES[:1]):
    path.parent.mkdir(parents=True, exist_ok=True)
    annotations = [{"id": number, **each} for number, each in enumerate(annotations, start=1)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": list(categories)}))


def seen(dataset):
    """File name -> (image id, left edges of its objects)."""
    names = [path.relative_to(dataset.spec.root).as_posix() for path in dataset.images]
    lefts = [[float(each.rings[0][:, 0].min()) for each in dataset.instances(i)] for i in range(len(dataset))]
    return {name: (dataset.image_id(i), lefts[i]) for i, name in enumerate(names)}


@pytest.mark.parametrize("names", ["ab", "abc", "bc"])
def test_objects_go_by_name_where_folder_and_json_differ(tmp_path, names):
    for name in names:
        picture(tmp_path / f"images/val/{name}.jpg")
    write(tmp_path / "val.json", [entry(2, "b.jpg"), entry(3, "./c.jpg")], [square(2, 2), square(3, 22)])
    text = "train: images/val\nval: images/val\nnames: [one]\nannotations: {val: val.json}\n"
    (tmp_path / "d.yaml").write_text(text)
    dataset = SegmentationDataset(load_dataset(tmp_path / "d.yaml"), "val", 64)
    found, known = seen(dataset), {"b": (2, [2.0]), "c": (3, [22.0])}
    for name in set(names) & set(known):
        assert found[f"images/val/{name}.jpg"] == known[name]
    if "a" in names:
        assert found["images/val/a.jpg"][1] == [] and any("a.jpg" in problem.path for problem in dataset.issues)


def test_same_names_in_two_folders_come_back_as_two_images(tmp_path):
    picture(tmp_path / "images/a.jpg")
    picture(tmp_path / "images/sub/a.jpg")
    images = [entry(1, "a.jpg"), entry(2, "sub\\a.jpg")]
    write(tmp_path / "val.json", images, [square(1, 2), square(2, 22), square(2, 40, crowd=1)])
    convert(tmp_path / "val.json", images=tmp_path / "images", out=tmp_path / "out")
    convert(tmp_path / "out", out=tmp_path / "back.json", to="coco")
    back = json.loads((tmp_path / "back.json").read_text())
    assert {(each["id"], each["file_name"]) for each in back["images"]} == {(1, "a.jpg"), (2, "sub/a.jpg")}
    lefts = {(each["image_id"], each["iscrowd"], min(each["segmentation"][0][::2])) for each in back["annotations"]}
    assert lefts == {(1, 0, 2), (2, 0, 22), (2, 1, 40)}


def test_crowds_keep_their_class_where_files_list_other_categories(tmp_path):
    for split in ("train", "val"):
        picture(tmp_path / f"images/{split}/{split}.jpg")
    write(tmp_path / "ann/instances_train.json", [entry(1, "train.jpg")], [square(1, 2)], CATEGORIES)
    instances = [square(1, 2, category=2), square(1, 22, category=3, crowd=1)]
    write(tmp_path / "ann/instances_val.json", [entry(1, "val.jpg")], instances, CATEGORIES[1:])
    convert(tmp_path / "ann", images=tmp_path / "images", out=tmp_path / "out")
    dataset = SegmentationDataset(load_dataset(tmp_path / "out"), "val", 64)
    assert {(dataset.names[each.class_id], each.crowd) for each in dataset.instances(0)} == {("two", 0), ("three", 1)}
    convert(tmp_path / "out", out=tmp_path / "back.json", to="coco")
    back = json.loads((tmp_path / "back_val.json").read_text())
    assert {(each["category_id"], each["iscrowd"]) for each in back["annotations"]} == {(2, 0), (3, 1)}


@pytest.mark.parametrize("image, given", [("p", {"id": "q"}), (7, {"id": None})])
def test_ids_may_be_words_or_missing(tmp_path, image, given):
    picture(tmp_path / "images/p.jpg")
    instances = [{k: v for k, v in square(image, 2, crowd=1, **given).items() if v is not None}, square(image, 22)]
    write(tmp_path / "val.json", [entry(image, "p.jpg")], instances)
    convert(tmp_path / "val.json", images=tmp_path / "images", out=tmp_path / "out")
    convert(tmp_path / "out", out=tmp_path / "back.json", to="coco")
    back = json.loads((tmp_path / "back.json").read_text())
    assert sorted(each["iscrowd"] for each in back["annotations"]) == [0, 1]
    assert len({each["id"] for each in back["annotations"]}) == 2


def test_objects_kept_in_json_are_written_back(tmp_path):
    picture(tmp_path / "images/val/p.jpg")
    write(tmp_path / "val.json", [entry(7, "p.jpg")], [square(7, 22)])
    text = "train: images/val\nval: images/val\nnames: [one]\nannotations: {val: val.json, train: val.json}\n"
    (tmp_path / "d.yaml").write_text(text)
    convert(tmp_path / "d.yaml", out=tmp_path / "back.json", to="coco")
    back = [json.loads(path.read_text()) for path in tmp_path.glob("back*.json")]
    assert all(each["annotations"][0]["bbox"][0] == 22 and each["images"][0]["id"] == 7 for each in back) and back


@pytest.mark.parametrize("shape", [{"size": [HEIGHT, WIDTH], "counts": [10**30]}, [[10**400, 1, 2, 3, 4, 5]]])
def test_numbers_beyond_all_measure_are_problems(tmp_path, shape):
    picture(tmp_path / "images/p.jpg")
    bad = {**square(1, 2), "segmentation": shape}
    write(tmp_path / "val.json", [entry(1, "p.jpg")], [bad, square(1, 22)])
    report = convert(tmp_path / "val.json", images=tmp_path / "images", out=tmp_path / "out")
    assert "1 of 2" in str(report)
    dataset = SegmentationDataset(load_dataset(tmp_path / "val.json"), "val", 64)
    assert len(dataset.instances(0)) == 1 and len(dataset.issues) == 1


def test_a_sibling_without_images_waits_until_it_is_asked_for(tmp_path):
    picture(tmp_path / "val2017/p.jpg")
    for split in ("train2017", "val2017"):
        write(tmp_path / f"annotations/instances_{split}.json", [entry(1, "p.jpg")], [square(1, 2)])
    spec = load_dataset(tmp_path / "annotations/instances_val2017.json")
    assert len(spec.images("val")) == 1
    with pytest.raises(ValueError, match="train2017"):
        spec.images("train")


def test_a_listed_image_that_is_gone_does_not_end_the_way_back(tmp_path):
    picture(tmp_path / "images/a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 .1 .1 .5 .1 .5 .5\n")
    (tmp_path / "list.txt").write_text("images/a.jpg\nimages/gone.jpg\n")
    (tmp_path / "d.yaml").write_text("train: list.txt\nval: list.txt\nnames: [x]\n")
    assert "gone.jpg" in str(convert(tmp_path / "d.yaml", out=tmp_path / "back.json", to="coco"))


def test_a_neighboring_folder_is_not_taken_for_the_root():
    problem = Issue("/w/h2/q.txt", 3, "odd", "left out")
    assert "/w/h2/q.txt:3" in issue_table([problem], "/w/h")
    assert " h2/q.txt:3" in issue_table([problem], "/w")


def test_without_cocos_cap_of_a_hundred_the_truth_scores_whole():
    from seglab.evaluation.coco import CocoAccumulator, Instances

    boxes = np.array([[x, y, 4.0, 4.0] for x in range(0, 60, 5) for y in range(0, 60, 5)])
    ground_truth = Instances(np.zeros(len(boxes), int), np.full(len(boxes), 16.0), boxes)
    scored = ground_truth._replace(scores=np.linspace(1, 0.5, len(boxes)))
    capped, whole = CocoAccumulator([0], "bbox"), CocoAccumulator([0], "bbox", limit=sys.maxsize)
    for accumulator in (capped, whole):
        accumulator.add(0, ground_truth, scored)
    assert capped.summarize().stats["AP"] < 0.7 and whole.summarize().stats["AP"] == 1


def test_names_are_the_same_in_both_spellings_of_unicode(tmp_path):
    """A disk of a Mac may spell ü as u and two dots, where a JSON has the one letter."""
    picture(tmp_path / "images/val/u\u0308.jpg")
    write(tmp_path / "val.json", [entry(7, "\u00fc.jpg")], [square(7, 2)])
    text = "train: images/val\nval: images/val\nnames: [one]\nannotations: {val: val.json}\n"
    (tmp_path / "d.yaml").write_text(text)
    dataset = SegmentationDataset(load_dataset(tmp_path / "d.yaml"), "val", 64)
    assert list(seen(dataset).values()) == [(7, [2.0])]
