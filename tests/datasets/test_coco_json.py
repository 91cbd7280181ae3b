"""A COCO JSON as a dataset."""

import pytest

from seglab.convert import convert
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError

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
    write_json(path, ["0.png"], categories=((1, "other"),))
    with pytest.raises(SeglabError, match="different categories"):
        load_dataset(path)


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
