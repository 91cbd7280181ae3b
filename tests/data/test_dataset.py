"""Datasets: items fit their letterbox, targets fit their instances, bad files cost nothing but themselves."""

import json

import numpy as np
import pytest
from PIL import Image

from seglab.config import AugmentConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.formats.yolo import write_dataset_yaml
from seglab.geometry.polygons import ring_area

from ..items import damage, equal


def test_samples_are_raw(make_shelf):
    spec = make_shelf()
    dataset = SegmentationDataset(spec, "train", 64)
    assert len(dataset) == 6 and not dataset.issues
    for index in range(6):
        sample = dataset.sample(index)
        height, width = sample.image.shape[:2]
        assert np.array_equal(sample.image, read_image(dataset.images[index])) and dataset.image_id(index) == index
        assert dataset.image_sizes[index] == (height, width)
        expected = np.array([[0.1, 0.2], [0.5, 0.2], [0.5, 0.6], [0.1, 0.6]]) * (width, height)
        assert np.allclose(sample.instances[0].rings[0], expected) and sample.instances[1].class_id == 1


@pytest.mark.parametrize("size", [64, (64, 128), 96])
def test_validation_items(make_shelf, size):
    dataset = SegmentationDataset(make_shelf(), "val", size)
    for index in range(len(dataset)):
        item = dataset[index]
        height, width = (size, size) if isinstance(size, int) else size
        assert item["image"].shape == (height, width, 3) and item["image"].dtype == np.uint8
        assert item["masks"].shape == (2, height // 4, width // 4) and item["masks"].dtype == np.float16
        assert item["boxes"].dtype == np.float32 and item["classes"].tolist() == [0, 1]
        box = item["sample"]["letterbox"]
        back = box.boxes_to_image(item["boxes"])
        h, w = box.image_size
        assert np.allclose(back[0], [0.1 * w, 0.2 * h, 0.5 * w, 0.6 * h], atol=0.01)
        # the area of the soft mask is the object's, in mask cells
        area = ring_area(dataset.instances(index)[0].rings[0]) * np.prod(box.scale) / 16
        assert item["masks"][0].astype(float).sum() == pytest.approx(area, rel=0.01)


def test_rectangular_items_share_shapes_and_waste_less(make_shelf):
    dataset = SegmentationDataset(make_shelf(6), "val", 64, rect=True)
    dataset.group = 2
    aspects = [height / width for height, width in dataset.image_sizes]
    assert aspects == sorted(aspects)
    shapes = [dataset[index]["image"].shape[:2] for index in range(6)]
    assert all(shapes[n] == shapes[n + 1] for n in (0, 2, 4))
    assert all(side % 32 == 0 for shape in shapes for side in shape)
    assert shapes[0] == (96, 96) or shapes[0][0] < shapes[0][1]  # the widest come first
    wide = SegmentationDataset(make_shelf(6), "val", 64, rect=True)
    assert wide[0]["image"].shape[:2] == (64, 96)  # 40 x 100 -> 26 x 64, and half a stride on each side in all
    for index in range(6):
        box = wide.letterbox(index)
        assert max(box.resized) == 64 and all(inner + 16 <= outer for inner, outer in zip(box.resized, box.size))


def test_two_unequal_sides_are_kept_in_rectangular_items_too(make_shelf):
    dataset = SegmentationDataset(make_shelf(), "val", (64, 96), rect=True)
    assert {dataset[index]["image"].shape[:2] for index in range(6)} == {(64, 96)}


def test_augmented_items_depend_on_seed_epoch_and_index_alone(make_shelf):
    spec = make_shelf()
    make = lambda seed=0: SegmentationDataset(spec, "train", 64, AugmentConfig(), seed)  # noqa: E731
    first, second = make(), make()
    forwards = [first[index] for index in range(6)]
    backwards = [second[index] for index in reversed(range(6))][::-1]
    assert all(equal(a, b) for a, b in zip(forwards, backwards))
    assert not np.array_equal(forwards[0]["image"], make(1)[0]["image"])
    second.set_epoch(1)
    assert (first.epoch, second.epoch) == (0, 1)
    assert not np.array_equal(forwards[0]["image"], second[0]["image"])
    second.set_epoch(0)
    assert equal(forwards[3], second[3]) and forwards[3]["sample"]["letterbox"] is None


def test_mosaic_can_be_switched_off(make_shelf):
    spec = make_shelf()
    plain = SegmentationDataset(spec, "train", 64, AugmentConfig(mosaic=0, mixup=0), 3)
    switched = SegmentationDataset(spec, "train", 64, AugmentConfig(mixup=1), 3)
    assert not equal(plain[0], switched[0])
    switched.mosaic = False
    assert equal(plain[0], switched[0]) and switched.mosaic is False


def test_cache_changes_nothing(make_shelf):
    spec = make_shelf()
    plain, kept = (SegmentationDataset(spec, "train", 64, AugmentConfig(), cache=cache) for cache in (False, "ram"))
    assert all(equal(plain[index], kept[index]) for index in range(6))
    for path in kept.images:
        path.unlink()
    assert kept.sample(2).image.shape[:2] == kept.image_sizes[2]


def test_masks_can_be_left_out(make_shelf):
    item = SegmentationDataset(make_shelf(), "val", 64, mask_targets=None)[0]
    assert item["masks"].shape == (2, 0, 0) and len(item["boxes"]) == 2


def test_bad_files_are_told_once_and_the_rest_is_used(make_shelf, capsys):
    spec = make_shelf()
    damage(spec)
    dataset = SegmentationDataset(spec, "train", 64, AugmentConfig())
    printed = capsys.readouterr().out
    for part in ("6 issues", "0.txt:1", "0.txt:2", "1.png", "2.png", "3.txt", "4.txt", "image left out"):
        assert part in printed
    assert [path.stem for path in dataset.images] == ["0", "3", "4", "5"]
    assert [len(dataset.instances(index)) for index in range(4)] == [1, 0, 0, 2]
    assert all(dataset[index]["image"].shape == (64, 64, 3) for index in range(4))


def test_strict_raises_at_the_first(make_shelf):
    spec = make_shelf()
    damage(spec)
    with pytest.raises(SeglabError, match=r"0\.txt:1"):
        SegmentationDataset(spec, "train", 64, strict=True)
    (spec.root / "labels/train/0.txt").write_text("")
    with pytest.raises(SeglabError, match=r"1\.png"):
        SegmentationDataset(spec, "train", 64, strict=True)
    assert len(SegmentationDataset(spec, "val", 64, strict=True)) == 6


def test_empty_images_give_empty_items(make_shelf):
    spec = make_shelf()
    (spec.root / "labels/val/0.txt").write_text("")
    for targets in ("soft", "hard"):
        item = SegmentationDataset(spec, "val", 64, mask_targets=targets)[0]
        assert item["boxes"].shape == (0, 4) and item["masks"].shape == (0, 16, 16) and item["classes"].shape == (0,)


@pytest.mark.parametrize("arguments", [{"size": 100}, {"size": 0}, {"mask_targets": "medium"}, {"cache": "tape"}])
def test_wrong_arguments_are_explained(make_shelf, arguments):
    with pytest.raises(SeglabError):
        SegmentationDataset(make_shelf(), "train", **({"size": 64} | arguments))


def test_nothing_readable_is_an_error(make_shelf):
    spec = make_shelf(1)
    spec.splits["train"][0].write_text("")
    with pytest.raises(SeglabError, match="none of the 1 images"):
        SegmentationDataset(spec, "train", 64)


def test_coco_json_gives_objects_and_crowds(make_shelf, tmp_path):
    spec = make_shelf(2)
    rle = {"size": [48, 64], "counts": [9, 99, 2964]}
    ring = [10, 10, 30, 10, 30, 30, 10, 30]
    annotations = [
        {"id": 1, "image_id": 70, "category_id": 4, "iscrowd": 0, "segmentation": [ring]},
        {"id": 2, "image_id": 70, "category_id": 9, "iscrowd": 1, "segmentation": rle},
    ]
    images = [
        {"id": 70, "file_name": "0.png", "height": 48, "width": 64},
        {"id": 71, "file_name": "1.png", "height": 40, "width": 64},  # the file has 64 x 48
    ]
    categories = [{"id": 9, "name": "kite"}, {"id": 4, "name": "cup"}]
    (spec.root / "annotations").mkdir()
    (spec.root / "annotations/instances_val.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    as_truth = SegmentationDataset(load_dataset(spec.root / "annotations/instances_val.json"), "val", 64)
    assert as_truth.image_id(0) == 70 and [o.crowd for o in as_truth.instances(0)] == [False, True]
    assert as_truth.instances(0)[1].rle is not None and as_truth[0]["classes"].tolist() == [0]
    crowds, other_size = (issue.message for issue in as_truth.issues)
    assert "1 of 2 annotations are iscrowd=1" in crowds and "another size" in other_size
    assert [path.name for path in as_truth.images] == ["0.png"], "the other one would be background"

    write_dataset_yaml(
        spec.root / "shelf.yaml",
        {"train": "images/train", "val": "images/val"},
        {0: "cup", 1: "kite"},
        crowds={"val": "annotations/instances_val.json"},
    )
    beside = SegmentationDataset(load_dataset(spec.root), "val", 64)
    assert beside.image_id(0) == 70 and [o.crowd for o in beside.instances(0)] == [False, False, False, True]


def test_real_coco38(datasets_folder):
    spec = load_dataset(datasets_folder / "coco38/annotations/instances_val2017.json")
    dataset = SegmentationDataset(spec, "train", 320, AugmentConfig(), strict=True)
    for index in range(0, 32, 4):
        item = dataset[index]
        assert item["image"].shape == (320, 320, 3) and len(item["masks"]) == len(item["boxes"])
        covered = item["masks"].astype(float).reshape(len(item["masks"]), -1).sum(axis=1)
        assert (covered > 0).all()


def test_labels_are_parsed_once(make_shelf, monkeypatch):
    from seglab.data import annotations

    read, seen = annotations.read_labels, []
    monkeypatch.setattr(annotations, "read_labels", lambda path, *rest: seen.append(path) or read(path, *rest))
    dataset = SegmentationDataset(make_shelf(), "val", 64)
    items = [dataset[index] for index in range(len(dataset))]
    assert len(seen) == len(dataset) == len(set(seen))
    for index, item in enumerate(items):
        source = item["sample"]["source"]
        assert [each.class_id for each in source] == item["classes"].tolist() == [0, 1]
        assert source is not dataset.instances(index), "each caller has a list of its own"
        assert all(np.array_equal(a.rings[0], b.rings[0]) for a, b in zip(source, dataset.instances(index)))


def test_a_crowd_is_a_place_to_ignore_that_moves_with_the_image(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    box = [[8, 8, 24, 8, 24, 24, 8, 24]]
    crowd = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 1, "segmentation": box, "area": 256}
    single = crowd | {"id": 2, "iscrowd": 0, "segmentation": [[40, 40, 60, 40, 60, 60, 40, 60]]}
    content = {"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}], "annotations": [crowd, single]}
    (tmp_path / "instances_train.json").write_text(json.dumps(content | {"categories": [{"id": 1, "name": "cup"}]}))
    spec = load_dataset(tmp_path)
    item = SegmentationDataset(spec, "train", 64)[0]
    assert len(item["classes"]) == 1 and item["ignored"].shape == (16, 16)
    expected = np.zeros((16, 16), bool)
    expected[2:6, 2:6] = True
    assert np.array_equal(item["ignored"], expected)

    still = dict.fromkeys(("hsv_h", "hsv_s", "hsv_v", "translate", "scale", "mosaic"), 0.0)
    mirrored = SegmentationDataset(spec, "train", 64, augment=AugmentConfig(**still, fliplr=1.0))[0]
    assert np.array_equal(mirrored["ignored"], expected[:, ::-1])
    copied = SegmentationDataset(spec, "train", 64, augment=AugmentConfig(**still, fliplr=0.0, copy_paste=1.0))[0]
    assert np.array_equal(copied["ignored"], expected) and len(copied["classes"]) == 2, "crowds are never pasted"
