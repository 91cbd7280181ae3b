"""Dataset YAMLs of every kind, read and written."""

import subprocess
import sys

import pytest

from seglab.datasets import finders
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir, label_path
from seglab.formats.yolo import write_dataset_yaml

from .shelf import counts, make_dataset, make_images


def test_path_is_searched_beside_the_yaml_then_by_name(tmp_path, monkeypatch):
    make_dataset(tmp_path / "elsewhere/shelf", tmp_path / "work/mine.yaml", path="../somewhere/shelf")
    with pytest.raises(SeglabError, match="SEGLAB_DATASETS"):
        load_dataset("mine")
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path / "elsewhere"))
    assert load_dataset("mine").root == (tmp_path / "elsewhere/shelf").resolve()


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["a", "b"], {0: "a", 1: "b"}), ({0: "a", 1: True}, {0: "a", 1: "true"}), (2, {0: "class 0", 1: "class 1"})],
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


def test_written_yaml_moves_with_its_folder(tmp_path):
    make_dataset(tmp_path / "a")
    write_dataset_yaml(tmp_path / "a/a.yaml", {"train": "images/train", "val": "images/val"}, {0: "ü", 1: "no"})
    (tmp_path / "a").rename(tmp_path / "b")
    spec = load_dataset(tmp_path / "b")
    assert counts(spec) == {"train": 3, "val": 2} and spec.names == {0: "ü", 1: "no"}


def test_a_quoted_path_with_backslashes_is_told(tmp_path):
    for folder in ("Users", "data"):
        (tmp_path / "d.yaml").write_text(f'path: "C:\\{folder}"\ntrain: a\nval: a\nnames: [b]\n')
        with pytest.raises(SeglabError, match=r"d\.yaml is .* path with \\, write C:/data"):
            load_dataset(tmp_path / "d.yaml")


def test_a_yaml_is_read_without_any_downloader(tmp_path):
    path = make_dataset(tmp_path / "shelf")
    code = (
        "import sys; from seglab.datasets.yaml_file import read_dataset_yaml; from pathlib import Path;"
        f"assert read_dataset_yaml(Path({str(path)!r})).names[1] == 'kite';"
        "unwanted = {'urllib.request', 'seglab.datasets.downloads', 'seglab.toybox', 'seglab.convert'};"
        "unwanted &= set(sys.modules);"
        "assert not unwanted, unwanted"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=bundled_data_dir().parent)


def test_a_yaml_that_names_a_known_dataset_finds_it(tmp_path, monkeypatch):
    """As the YAMLs of other tools do, which say `path: coco8-seg` and leave the download to whoever reads them."""
    there = tmp_path / "found"
    make_images(there / "images/train")
    make_images(there / "images/val")
    asked = []

    def find(name, split):
        asked.append((name, split))
        return DatasetSpec(name, there, {}, {})

    monkeypatch.setattr(finders, "_FINDERS", {"shelf": finders.Finder(find), "made": finders.Finder(find, True)})
    text = "train: images/train\nval: images/val\nnames: [cup]\n"
    (tmp_path / "mine.yaml").write_text("path: ../datasets/shelf\n" + text)
    assert load_dataset(tmp_path / "mine.yaml").root == there and asked == [("shelf", None)]
    (tmp_path / "made.yaml").write_text(text)  # nobody generates a dataset because a YAML is called like it
    with pytest.raises(SeglabError, match="no 'images/train', 'images/val' under its path"):
        load_dataset(tmp_path / "made.yaml")
