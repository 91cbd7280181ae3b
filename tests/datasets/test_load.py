"""Datasets are found by name, YAML, folder and JSON, and what cannot be found is explained."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from seglab.convert import convert
from seglab.datasets import load as catalogue
from seglab.datasets.load import load_dataset, write_dataset_yaml
from seglab.datasets.spec import COCO_NAMES, label_path
from seglab.diagnosis.check import check
from seglab.errors import SeglabError
from seglab.toybox import dataset as toybox


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No dataset of this machine is in reach, nor the network."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("SEGLAB_DATASETS", raising=False)
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEGLAB_OFFLINE", "1")


def make_images(folder, count=2):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / f"{number}.png")


def make_dataset(root, yaml_path=None, **content):
    make_images(root / "images/train", 3)
    make_images(root / "images/val", 2)
    content = {"train": "images/train", "val": "images/val", "names": {0: "cup", 1: "kite"}} | content
    path = yaml_path or root / f"{root.name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def counts(spec):
    return {split: len(images) for split, images in spec.splits.items()}


def test_embedded_default_needs_nothing():
    for source in ("toybox8-seg", "toybox8-seg.yaml"):
        spec = load_dataset(source)
        assert counts(spec) == {"train": 4, "val": 4} and len(spec.names) == 10
        assert all(label_path(image).is_file() for images in spec.splits.values() for image in images)


@pytest.mark.parametrize("how", ["yaml", "folder", "name", "name.yaml", "datasets", "cache"])
def test_ways_to_say_it(tmp_path, monkeypatch, how):
    root = tmp_path / {"datasets": "elsewhere", "cache": "cache/datasets"}.get(how, "work") / "shelf"
    path = make_dataset(root)
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path / "elsewhere"))
    source = {"yaml": path, "folder": root, "name.yaml": "shelf.yaml"}.get(how, "shelf")
    spec = load_dataset(source)
    assert counts(spec) == {"train": 3, "val": 2}
    assert spec.name == "shelf" and spec.root == root.resolve() and spec.names == {0: "cup", 1: "kite"}


def test_path_is_searched_beside_the_yaml_then_by_name(tmp_path, monkeypatch):
    make_dataset(tmp_path / "elsewhere/shelf", tmp_path / "work/mine.yaml", path="../somewhere/shelf")
    with pytest.raises(SeglabError, match="SEGLAB_DATASETS"):
        load_dataset("mine")
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path / "elsewhere"))
    assert load_dataset("mine").root == (tmp_path / "elsewhere/shelf").resolve()


def test_entries_may_be_lists_and_text_files(tmp_path):
    root = tmp_path / "shelf"
    path = make_dataset(root, train=["images/train", "images/val"], val="val.txt", test="images/val/0.png")
    (root / "val.txt").write_text("./images/val/1.png\n\nimages/train/0.png\n")
    spec = load_dataset(path)
    assert counts(spec) == {"train": 5, "val": 2, "test": 1}
    assert {label_path(image) for image in spec.splits["val"]} == {
        spec.root / "labels/train/0.txt",
        spec.root / "labels/val/1.txt",
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["a", "b"], {0: "a", 1: "b"}), ({0: "a", 1: True}, {0: "a", 1: "True"}), (2, {0: "class 0", 1: "class 1"})],
)
def test_names(tmp_path, names, expected):
    assert load_dataset(make_dataset(tmp_path / "shelf", names=names)).names == expected


def test_folders_beside_a_yaml_that_says_above(tmp_path):
    make_images(tmp_path / "mine/train/images", 3)
    make_images(tmp_path / "mine/valid/images", 2)
    (tmp_path / "mine/data.yaml").write_text("train: ../train/images\nval: ../valid/images\nnc: 1\nnames: [cup]\n")
    spec = load_dataset(tmp_path / "mine/data.yaml")
    assert counts(spec) == {"train": 3, "val": 2}
    assert label_path(spec.images("train")[0]) == tmp_path / "mine/train/labels/0.txt"
    make_images(tmp_path / "valid/images", 4)  # what the YAML says is there: it is taken at its word
    make_images(tmp_path / "train/images", 5)
    assert counts(load_dataset(tmp_path / "mine/data.yaml")) == {"train": 5, "val": 4}


def test_linked_folders_are_looked_through_once(tmp_path):
    path = make_dataset(tmp_path / "shelf")
    make_images(tmp_path / "elsewhere", 2)
    (tmp_path / "shelf/images/train/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/round").symlink_to(tmp_path / "shelf/images/train")
    assert counts(load_dataset(path)) == {"train": 5, "val": 2}


def test_a_list_in_another_encoding_is_named(tmp_path):
    path = make_dataset(tmp_path / "shelf", val="val.txt")
    (tmp_path / "shelf/val.txt").write_text("images/val/ü.png", encoding="latin-1")
    with pytest.raises(SeglabError, match=r"val\.txt is no list of images in UTF-8"):
        load_dataset(path)


def test_annotations_that_are_no_mapping_are_refused(tmp_path):
    path = make_dataset(tmp_path / "shelf")
    path.write_text(path.read_text() + "\nannotations: instances.json\n")
    with pytest.raises(SeglabError, match="'annotations' must be a mapping"):
        load_dataset(path)


@pytest.mark.parametrize("names", [{1: "a", 2: "b"}, {}, "person", None, {"a": 0}, -1])
def test_names_that_leave_doubt_are_refused(tmp_path, names):
    with pytest.raises(SeglabError, match="names"):
        load_dataset(make_dataset(tmp_path / "shelf", names=names))


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system ['touch pwned']", "a: [", "just words", "", "train: x\nnames: [a]"]
)
def test_yaml_is_safe_and_must_be_a_dataset(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SeglabError, match=r"bad\.yaml"):
        load_dataset(tmp_path / "bad.yaml")
    assert not (tmp_path / "work/pwned").exists()


def test_a_download_script_is_never_run(tmp_path):
    (tmp_path / "evil.yaml").write_text("path: nothing\ntrain: a\nval: b\nnames: [x]\ndownload: open('pwned', 'w')\n")
    with pytest.raises(SeglabError, match="nothing"):
        load_dataset(tmp_path / "evil.yaml")
    assert not (tmp_path / "work/pwned").exists()


def test_a_known_name_offline_says_what_to_do(tmp_path):
    with pytest.raises(SeglabError, match=r"coco8-seg\.zip.*put the file at.*toybox8-seg"):
        load_dataset("coco8-seg")


def test_a_mistyped_path_starts_no_download(tmp_path):
    with pytest.raises(SeglabError, match="no dataset"):
        load_dataset(tmp_path / "typo/coco.yaml")


def test_a_known_archive_is_unpacked_and_described(tmp_path, monkeypatch):
    import shutil

    make_images(tmp_path / "zip/coco8-seg/images/train", 4)
    make_images(tmp_path / "zip/coco8-seg/images/val", 4)
    archive = shutil.make_archive(tmp_path / "coco8-seg", "zip", tmp_path / "zip")
    monkeypatch.setattr(catalogue, "fetch", lambda name: archive)
    for _ in range(2):
        spec = load_dataset("coco8-seg.yaml")
        assert counts(spec) == {"train": 4, "val": 4} and list(spec.names.values()) == COCO_NAMES
        monkeypatch.setattr(catalogue, "fetch", None)  # the second time it is there


def test_a_known_folder_without_yaml_is_used_where_it_lies(tmp_path, monkeypatch):
    for split in ("train", "val"):
        make_images(tmp_path / "elsewhere/coco8-seg/images" / split, 4)
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path / "elsewhere"))
    spec = load_dataset("coco8-seg.yaml")
    assert counts(spec) == {"train": 4, "val": 4} and len(spec.names) == 80
    assert load_dataset(spec.yaml or spec.root) == spec


def test_unknown_name_tells_where_it_looked(tmp_path):
    with pytest.raises(SeglabError) as caught:
        load_dataset("shelff")
    for part in ("shelff", str(tmp_path / "work"), str(tmp_path / "cache"), "coco8-seg", "toybox8-seg"):
        assert part in str(caught.value)


def test_empty_and_missing_splits_are_named(tmp_path):
    path = make_dataset(tmp_path / "shelf")
    with pytest.raises(SeglabError, match=r"'test'.*train \(3\), val \(2\)"):
        load_dataset(path).images("test")
    path.write_text(path.read_text() + "\ntest: images/nowhere\n")
    spec = load_dataset(path)
    assert len(spec.images("train")) == 3 and len(spec.images("val")) == 2
    with pytest.raises(SeglabError, match="'images/nowhere' is neither a folder"):
        spec.images("test")
    assert "'images/nowhere' is neither a folder" in str(check(path, out=None))
    with pytest.raises(SeglabError, match="'images/nowhere' is neither a folder"):
        convert(path, to="coco", out=tmp_path / "out.json")


def write_json(path, files, categories=((3, "cup"), (7, "kite"))):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": number, "file_name": name, "height": 8, "width": 8} for number, name in enumerate(files)]
    categories = [{"id": number, "name": name} for number, name in categories]
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
    return path


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
    report = convert(path, out=tmp_path / "out")
    assert report.images_written == 1 and report.images == len(names)


def test_coco_json_without_images_or_sense(tmp_path):
    with pytest.raises(SeglabError, match=r"seglab convert source=.*a\.json images=FOLDER out=NEW"):
        load_dataset(write_json(tmp_path / "a.json", ["0.png"]))
    (tmp_path / "b.json").write_text("[1, 2]")
    with pytest.raises(SeglabError, match=r"b\.json is no COCO"):
        load_dataset(tmp_path / "b.json")
    with pytest.raises((SeglabError, FileNotFoundError), match=r"c\.json"):
        load_dataset(tmp_path / "c.json")


def test_two_who_generate_the_same_scenes_at_once_both_have_all_of_them(tmp_path, monkeypatch):
    write, other = toybox._write_scenes, []

    def overtaken(*arguments):
        monkeypatch.setattr(toybox, "_write_scenes", write)
        other.append(load_dataset("toybox-seg:2"))
        return write(*arguments)

    monkeypatch.setattr(toybox, "_write_scenes", overtaken)
    assert load_dataset("toybox-seg:2") == other[0] == load_dataset("toybox-seg:2")
    assert all(image.is_file() and label_path(image).is_file() for image in sum(other[0].splits.values(), ()))
    assert [path.name for path in (tmp_path / "cache/datasets").iterdir()] == ["toybox-seg-2"]


def test_written_yaml_moves_with_its_folder(tmp_path):
    make_dataset(tmp_path / "a")
    write_dataset_yaml(tmp_path / "a/a.yaml", {"train": "images/train", "val": "images/val"}, {0: "ü", 1: "no"})
    (tmp_path / "a").rename(tmp_path / "b")
    spec = load_dataset(tmp_path / "b")
    assert counts(spec) == {"train": 3, "val": 2} and spec.names == {0: "ü", 1: "no"}


def test_label_path_replaces_the_last_images_folder():
    from pathlib import Path

    assert label_path(Path("/images/x/images/a/b.c.jpg")) == Path("/images/x/labels/a/b.c.txt")
    assert label_path(Path("/data/b.jpg")) == Path("/data/b.txt")


def test_real_coco8(datasets_folder, monkeypatch):
    monkeypatch.setenv("SEGLAB_DATASETS", str(datasets_folder.resolve()))
    for source in ("coco8-seg", "coco8-seg.yaml", datasets_folder / "coco8-seg.yaml"):
        spec = load_dataset(source)
        assert counts(spec) == {"train": 4, "val": 4} and list(spec.names.values()) == COCO_NAMES


def test_coco_is_put_together_from_its_archives(tmp_path, monkeypatch):
    import shutil

    from seglab.data.dataset import SegmentationDataset

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
    monkeypatch.setattr(catalogue, "fetch", lambda name: fetched.append(name) or archives[name])
    monkeypatch.setattr(catalogue, "COCO_NAMES", ["cup", "kite"])
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


def test_a_dataset_found_by_a_relative_path_is_known_by_its_absolute_one(tmp_path, monkeypatch):
    """Weights keep it, to be validated from whatever folder they are used in."""
    own = make_dataset(tmp_path / "work" / "shelf")
    content = {"images": [{"id": 1, "file_name": "0.png"}], "annotations": [], "categories": [{"id": 1, "name": "cup"}]}
    (own.parent / "images/val/instances_val.json").write_text(json.dumps(content))
    for relative in ("shelf", "shelf/shelf.yaml", "shelf/images/val/instances_val.json"):
        found = load_dataset(relative)
        assert found.yaml.is_absolute() and found.yaml.is_relative_to(tmp_path)
        monkeypatch.chdir(tmp_path)
        assert load_dataset(found.yaml).splits == found.splits
        monkeypatch.chdir(tmp_path / "work")


def test_what_a_mac_puts_beside_files_on_other_disks_is_none_of_them(tmp_path):
    path = make_dataset(tmp_path / "shelf")
    for name in ("._mine.yaml", "images/train/._0.png", "images/val/.DS_Store", "images/val/Thumbs.db"):
        (tmp_path / "shelf" / name).write_bytes(b"\0\5\x16\7")
    assert counts(load_dataset(path.rename(tmp_path / "shelf/mine.yaml").parent)) == {"train": 3, "val": 2}


def test_a_quoted_path_with_backslashes_is_told(tmp_path):
    for folder in ("Users", "data"):
        (tmp_path / "d.yaml").write_text(f'path: "C:\\{folder}"\ntrain: a\nval: a\nnames: [b]\n')
        with pytest.raises(SeglabError, match=r"d\.yaml is .* path with \\, write C:/data"):
            load_dataset(tmp_path / "d.yaml")
