"""One identity for images and categories: whatever files are called, every COCO file of seglab speaks of the same ones.

What `convert to=coco` writes and what `val save_json=True` writes, evaluated against each other, gives what `val` said.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from seglab.class_names import COCO_NAMES
from seglab.convert import convert
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.evaluation.coco import evaluate_files
from seglab.evaluation.validate import validate
from seglab.formats.coco_ids import COCO_IDS, category_ids, file_names, image_ids
from seglab.formats.image_names import same_file
from seglab.formats.yolo import write_dataset_yaml

HEIGHT, WIDTH = 48, 64

digits = st.text("0123456789", min_size=1, max_size=20)
words = st.text(st.characters(categories=["L", "N", "Zs"], include_characters="-_ .()"), min_size=1, max_size=8)
foreign_digits = st.text("٠١٢٣²³๔५１２", min_size=1, max_size=3)
stems = (digits | words | foreign_digits).map(str.strip).filter(lambda stem: stem.strip(". ") == stem and stem)
paths = st.tuples(st.sampled_from(["", "one/", "two/", "one/two/"]), stems).map("".join)


def spelled_alike(path: str) -> str:
    """What file systems that ignore case, or spell ü in two ways, make of a name."""
    return unicodedata.normalize("NFKC", path).casefold()


path_lists = st.lists(paths, min_size=1, max_size=5, unique_by=spelled_alike)
class_lists = st.sampled_from([["cup", "kite"], ["ant", "bee"], ["person"], ["kite", "cup", "zz"], ["cup", "Cup"]])


@given(path_lists)
@example(["1", "01"])
@example(["one/1", "two/1"])
@example(["1", "²"])
@example(["1", "١"])
@example(["9" * 20])
def test_ids_are_distinct_numbers_that_depend_on_the_names_alone(names):
    images = [Path("images") / f"{name}.jpg" for name in sorted(names)]
    ids = image_ids(images)
    assert list(ids) == images and len(set(ids.values())) == len(images)
    assert all(isinstance(number, int) and 0 <= number < 2**53 for number in ids.values())
    assert json.loads(json.dumps(list(ids.values()))) == list(ids.values())
    if all(name.isascii() and name.isdecimal() and len(name) < 13 for name in names):
        numbers = {int(name) for name in names}
        assert len(numbers) < len(names) or set(ids.values()) == numbers


def test_cocos_file_names_are_its_ids():
    images = [Path("val2017/000000000139.jpg"), Path("val2017/000000581781.jpg")]
    assert list(image_ids(images).values()) == [139, 581781]


@given(path_lists, st.data())
def test_known_ids_stay_and_the_others_count_on(names, data):
    images = [Path(name) for name in sorted(names)]
    some = data.draw(st.lists(st.sampled_from(images), unique=True))
    numbers = st.integers(-5, 10) if data.draw(st.booleans()) else st.text("0123ab", max_size=2)
    known = dict(zip(some, data.draw(st.lists(numbers, min_size=len(some), max_size=len(some), unique=True))))
    ids = image_ids(images, known)
    assert ids.keys() == set(images) and len(set(ids.values())) == len(images)
    assert {image: ids[image] for image in known} == known
    assert len({isinstance(number, str) for number in ids.values()}) == 1


def test_categories_have_cocos_ids_where_all_names_are_cocos():
    assert category_ids(dict(enumerate(COCO_NAMES))) == list(COCO_IDS.values())
    assert (COCO_IDS["person"], COCO_IDS["stop sign"], COCO_IDS["toothbrush"]) == (1, 13, 90) and len(COCO_IDS) == 80
    assert category_ids({0: "cup", 1: "person"}) == [47, 1]
    assert category_ids({0: "cup", 1: "cell"}) == category_ids({0: "cup", 1: "cup"}) == [1, 2]


def test_cocos_ids_are_those_of_its_files(datasets_folder):
    content = json.loads((datasets_folder / "coco38/annotations/instances_val2017.json").read_text())
    assert {each["name"]: each["id"] for each in content["categories"]} == COCO_IDS


def test_names_in_files_are_told_apart():
    images = [Path("d/one/a.jpg"), Path("d/two/a.jpg")]
    assert list(file_names(images).values()) == ["one/a.jpg", "two/a.jpg"]
    assert same_file("a.jpg", "images/a.jpg") and same_file("images\\ü.jpg", "u\u0308.jpg")
    assert not same_file("one/a.jpg", "two/a.jpg") and not same_file("a.jpg", "b.jpg") and not same_file("", "a")


def make(root: Path, names: list[str], classes: list[str], seed: int) -> Path:
    """A dataset of noise with up to four instances an image."""
    rng = np.random.default_rng(seed)
    for name in names:
        image = root / "images" / f"{name}.png"
        label = root / "labels" / f"{name}.txt"
        for place in (image, label):
            place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)).save(image)
        rows = []
        for _ in range(rng.integers(0, 5)):
            left, top = rng.uniform(0, 0.6, 2)
            right, bottom = (left, top) + rng.uniform(0.15, 0.39, 2)
            ring = (left, top, right, top, right, bottom, left, bottom)
            rows.append(" ".join([str(rng.integers(len(classes))), *(f"{value:.4f}" for value in ring)]) + "\n")
        label.write_text("".join(rows))
    write_dataset_yaml(root / "set.yaml", {"train": "images", "val": "images"}, dict(enumerate(classes)))
    return root / "set.yaml"


def shaken(seed: int):
    """A change of an oracle's answers: boxes and masks a little off, some classes wrong, some scores equal."""
    generator = torch.Generator().manual_seed(seed)

    def change(predictions, prototypes):
        predictions[:, :4] *= 1 + 0.08 * torch.randn(predictions[:, :4].shape, generator=generator)
        found = predictions[:, 4:-32] > 0
        noise = (0.5 * torch.rand(predictions[:, 4:-32].shape, generator=generator)).round(decimals=1)
        predictions[:, 4:-32] = torch.where(found, predictions[:, 4:-32].round(decimals=1) - noise, 0.0)
        prototypes += 2 * torch.randn(prototypes.shape, generator=generator)

    return change


def validated(yaml: Path, oracle, folder: Path, seed: int):
    """What `val save_json=True` reports, and the file that it writes."""
    dataset = SegmentationDataset(load_dataset(yaml), "val", 64, rect=True)
    network = oracle(dataset, change=shaken(seed))
    results: list[dict] = []
    metrics = validate(network.forward, network, dataset, dataset.names, results=results)
    (folder / "predictions.json").write_text(json.dumps(results))
    return metrics, results


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])  # it is a class
@given(names=path_lists, classes=class_lists, seed=st.integers(0, 2**31))
@example(names=["1", "01"], classes=["cup", "kite"], seed=0)
@example(names=["one/1", "two/1"], classes=["ant", "bee"], seed=1)
@example(names=["²", "٣", "3"], classes=["person"], seed=2)
@example(names=["000000000139", "581781"], classes=["cup", "kite"], seed=3)
@example(names=["a b", "7", "ü"], classes=["ant", "bee"], seed=4)
def test_the_two_files_give_what_val_said(names, classes, seed, oracle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("identity")
    yaml = make(folder / "set", names, classes, seed)
    metrics, results = validated(yaml, oracle, folder, seed)
    report = convert(yaml, out=folder / "gt.json", to="coco", strict=1.0, allow_empty=True)
    assert report.passed
    content = json.loads((folder / "gt.json").read_text())
    assert len({image["id"] for image in content["images"]}) == len(names)
    assert {row["image_id"] for row in results} <= {image["id"] for image in content["images"]}
    if not results:
        return
    for kind, task in (("bbox", metrics.box), ("segm", metrics.seg)):
        figures = evaluate_files(folder / "gt.json", folder / "predictions.json", kind)
        assert figures.stats == task.coco.stats and not figures.warnings


@pytest.fixture
def two_files(tmp_path, oracle):
    """(ground truth, results) that belong together."""
    yaml = make(tmp_path / "set", ["1", "2", "3"], ["ant", "bee"], 5)
    validated(yaml, oracle, tmp_path, 5)
    convert(yaml, out=tmp_path / "gt.json", to="coco")
    return tmp_path / "gt.json", tmp_path / "predictions.json"


def changed(path: Path, change) -> None:
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([change(dict(row)) for row in rows]))


def test_results_of_no_known_category_are_told(two_files):
    changed(two_files[1], lambda row: {**row, "category_id": row["category_id"] + 7, "category_name": "other"})
    figures = evaluate_files(*two_files)
    assert figures.stats["AP"] == 0 and figures.warnings[0].startswith("all ")
    assert figures.warnings[0].endswith("the ground truth has 1, 2")


def test_categories_that_the_ground_truth_lacks_are_told(two_files):
    assert not evaluate_files(*two_files).warnings

    def rename(row):
        return {key: row[key] for key in row if key != "category_name"} | {"category_id": row["category_id"] - 1}

    changed(two_files[1], rename)  # counted from 0, as some tools do
    figures = evaluate_files(*two_files)
    assert "of categories that" in figures.warnings[0] and figures.warnings[0].endswith("not counted: 0")
    assert "warning: " in str(figures)


def test_ids_that_mean_other_categories_or_images_are_refused(two_files):
    gt, dt = two_files
    whole = dt.read_text()
    changed(dt, lambda row: {**row, "category_id": 3 - row["category_id"]})
    with pytest.raises(SeglabError, match=r"predictions\.json names category \d '(ant|bee)', but .*gt\.json names it"):
        evaluate_files(gt, dt)
    dt.write_text(whole)
    changed(dt, lambda row: {**row, "image_id": row["image_id"] % 3 + 1})
    with pytest.raises(
        SeglabError, match=r"predictions\.json names image \d '\d\.png', but .*gt\.json names it '\d\.png'"
    ):
        evaluate_files(gt, dt)
    dt.write_text(whole)
    changed(dt, lambda row: {**row, "image_id": row["image_id"] + 7})
    with pytest.raises(SeglabError, match=r"predictions\.json references image \d+, which is missing from .*gt\.json"):
        evaluate_files(gt, dt)


def test_crowds_kept_beside_labels_count_alike_in_both(tmp_path, oracle):
    """Their JSON lacks areas, and its boxes are not those of their masks."""
    image = tmp_path / "images" / "a.png"
    image.parent.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)).save(image)

    def square(left, **more):
        ring = [left, 4, left + 20, 4, left + 20, 24, left, 24]
        return {"image_id": "first", "category_id": 40, "segmentation": [ring], **more}

    rows = [square(4, iscrowd=0), square(30, iscrowd=1, bbox=[0, 0, 1, 1])]
    content = {
        "images": [{"id": "first", "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": number, **row} for number, row in enumerate(rows, start=1)],
        "categories": [{"id": 40, "name": "ant"}],
    }
    (tmp_path / "instances_val.json").write_text(json.dumps(content))
    convert(tmp_path / "instances_val.json", images=tmp_path / "images", out=tmp_path / "set")
    metrics, results = validated(tmp_path / "set/set.yaml", oracle, tmp_path, 1)
    # What stands on the crowd counts neither way; without it, it would be wrong.
    results.append(results[0] | {"bbox": [30.0, 4.0, 20.0, 20.0], "score": 0.99, "mask_area": 400})
    convert(tmp_path / "set", out=tmp_path / "gt.json", to="coco")
    assert {(row["image_id"], row["category_id"]) for row in results} == {("first", 40)}
    figures = evaluate_files(tmp_path / "gt.json", tmp_path / "predictions.json", "bbox")
    assert figures.stats == metrics.box.coco.stats
    (tmp_path / "more.json").write_text(json.dumps(results))
    more = evaluate_files(tmp_path / "gt.json", tmp_path / "more.json", "bbox")
    assert more.stats["AP"] == figures.stats["AP"] > 0 and more.stats["AR100"] == figures.stats["AR100"]


def test_an_image_that_is_listed_twice_is_one_image(tmp_path, oracle):
    yaml = make(tmp_path / "set", ["1", "2"], ["ant", "bee"], 5)
    (tmp_path / "set/list.txt").write_text("images/1.png\nimages/2.png\nimages/1.png\n")
    write_dataset_yaml(yaml, {"train": "images", "val": "list.txt"}, {0: "ant", 1: "bee"})
    metrics, results = validated(yaml, oracle, tmp_path, 5)
    assert metrics.image_count == 3 and {row["image_id"] for row in results} <= {1, 2}
