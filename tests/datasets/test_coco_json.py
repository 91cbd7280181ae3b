"""A COCO JSON as a dataset."""

import json
import unicodedata
from pathlib import Path

import pytest

from seglab.convert import convert
from seglab.data.annotations import Annotations
from seglab.data.image import image_size
from seglab.datasets.coco_json import find_images
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError

from ..sources import TOOLS
from .shelf import counts, make_images, write_json


@pytest.mark.parametrize("layout", ["images/val2017", "val2017", "images", "annotations", "annotations/images"])
def test_coco_json_finds_its_images(tmp_path, layout):
    make_images(tmp_path / "set" / layout)
    spec = load_dataset(write_json(tmp_path / "set/annotations/instances_val2017.json", ["1.png", "0.png"]))
    assert [image.name for image in spec.images("val")] == ["0.png", "1.png"]
    assert all(image.is_file() for image in spec.images("val"))
    assert spec.names == {0: "cup", 1: "kite"} and list(spec.annotations) == ["val"]


def test_coco_json_brings_its_siblings(tmp_path):
    make_images(tmp_path / "set/images/train2017", 3)
    make_images(tmp_path / "set/images/val2017", 1)
    write_json(tmp_path / "set/annotations/instances_train2017.json", ["0.png", "1.png", "2.png"])
    path = write_json(tmp_path / "set/annotations/instances_val2017.json", ["0.png"])
    assert counts(load_dataset(path)) == {"train": 3, "val": 1}


@pytest.mark.parametrize(
    ("train", "val", "joined", "told"),
    [
        (((1, "cup"), (2, "kite")), ((2, "kite"),), ["cup", "kite"], "only in some: cup"),
        (((1, "cup"), (2, "kite")), ((1, "kite"), (2, "cup")), ["cup", "kite"], "the same names under other ids"),
        (((1, "cup"),), ((1, "kite"),), ["cup", "kite"], "only in some: cup, kite"),
        (((3, "kite"),), ((1, "cup"), (3, "kite")), ["cup", "kite"], "only in some: cup"),
    ],
)
def test_categories_of_siblings_are_joined_by_name(tmp_path, train, val, joined, told):
    square = [[1, 1, 9, 1, 9, 9, 1, 9]]
    listed = {"train": train, "valid": val}
    for split, categories in listed.items():
        make_images(tmp_path / "set" / split, 1)
        path = write_json(tmp_path / "set" / split / "_annotations.coco.json", ["0.png"], categories=categories)
        content = json.loads(path.read_text())
        content["annotations"] = [
            {"id": number, "image_id": content["images"][0]["id"], "category_id": number, "segmentation": square}
            for number, _ in categories
        ]
        path.write_text(json.dumps(content))
    spec = load_dataset(tmp_path / "set")
    assert list(spec.names.values()) == joined and told in spec.issues[0].message
    assert convert(tmp_path / "set", out=tmp_path / "out", strict=1.0).passed
    for source in (spec, load_dataset(tmp_path / "out")):
        for split, categories in (("train", train), ("val", val)):
            annotations = Annotations(source, split)
            image = source.images(split)[0]
            found, _ = annotations.read(image, image_size(image))
            assert [source.names[each.class_id] for each in found] == [name for _, name in categories]
            assert len(set(annotations.category_ids)) == len(joined)


def test_a_json_of_a_yaml_has_the_classes_of_the_yaml_by_name(tmp_path):
    make_images(tmp_path / "images", 1)
    path = write_json(tmp_path / "labels.json", ["0.png"], categories=((1, "kite"), (2, "cup")))
    content = json.loads(path.read_text())
    row = {"id": 1, "image_id": content["images"][0]["id"], "category_id": 2}
    content["annotations"] = [row | {"segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]]}]
    path.write_text(json.dumps(content))
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cup, kite]\nannotations: {train: labels.json}\n")
    annotations = Annotations(load_dataset(tmp_path), "train")
    found, _ = annotations.read(annotations.images[0], image_size(annotations.images[0]))
    assert [each.class_id for each in found] == [0] and annotations.category_ids == [2, 1]


@pytest.mark.parametrize("names", [["+.png", "0.png"], ["sub\\0.png"]])
def test_a_coco_json_finds_its_images_by_any_of_them_and_either_slash(tmp_path, names):
    make_images(tmp_path / "set/images/val2017")
    make_images(tmp_path / "set/images/val2017/sub")
    path = write_json(tmp_path / "set/annotations/instances_val2017.json", names)
    assert load_dataset(path).images("val")[-1].is_file()
    report = convert(path, out=tmp_path / "out", allow_empty=True)
    assert report.images_written == 1 and report.images == len(names)


def test_coco_json_without_images_or_sense(tmp_path):
    with pytest.raises(SeglabError, match=r"seglab convert source=.*a\.json images=FOLDER out=NEW"):
        load_dataset(write_json(tmp_path / "a.json", ["0.png"]))
    (tmp_path / "b.json").write_text("[1, 2]")
    with pytest.raises(SeglabError, match=r"b\.json is not a COCO"):
        load_dataset(tmp_path / "b.json")
    with pytest.raises((SeglabError, FileNotFoundError), match=r"c\.json"):
        load_dataset(tmp_path / "c.json")


# Names of other machines and tools


def place(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def find(folder: Path, *names: str) -> list[str | None]:
    try:
        places = find_images(folder / "instances.json", lambda: names)
    except SeglabError:
        return [None] * len(names)
    found = [places.find(name) for name in names]
    return [file.relative_to(folder).as_posix() if file else None for file in found]


@pytest.mark.parametrize("name", TOOLS)
def test_one_file_of_that_name_is_the_one_that_is_meant(name, tmp_path):
    place(tmp_path, f"deep/down/{TOOLS[name]}", "deep/other.jpg", f"{TOOLS[name]}.txt")
    assert find(tmp_path, name) == [f"deep/down/{TOOLS[name]}"]


def test_a_whole_path_wins_and_its_file_is_nobody_elses(tmp_path):
    place(tmp_path, "x/1.jpg")
    assert find(tmp_path, "y/1.jpg", "x/1.jpg") == [None, "x/1.jpg"]
    place(tmp_path, "z/1.jpg")
    assert find(tmp_path, "y/1.jpg", "x/1.jpg") == ["z/1.jpg", "x/1.jpg"]


def test_of_several_files_the_one_with_most_folders_in_common_is_meant_or_none(tmp_path):
    place(tmp_path, "x/1.jpg", "y/1.jpg")
    assert find(tmp_path, "/home/me/x/1.jpg", "/home/me/y/1.jpg") == ["x/1.jpg", "y/1.jpg"]
    assert find(tmp_path, "/home/me/1.jpg") == [None]
    assert find(tmp_path, "/one/x/1.jpg", "/two/x/1.jpg") == [None, None], "no file is meant by two names"


def test_letters_have_one_spelling_and_case_helps_where_it_differs(tmp_path):
    place(tmp_path, unicodedata.normalize("NFD", "grün.jpg"), "CAP.JPG")
    assert find(tmp_path, unicodedata.normalize("NFC", "grün.jpg"), "cap.jpg") == [
        unicodedata.normalize("NFD", "grün.jpg"),
        "CAP.JPG",
    ]
