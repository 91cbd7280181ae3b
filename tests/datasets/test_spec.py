"""What a dataset is."""

from pathlib import Path

import pytest

from seglab.convert import convert
from seglab.datasets.load import load_dataset
from seglab.datasets.split_file import Split, apply_split
from seglab.diagnosis.check import check
from seglab.errors import SeglabError
from seglab.files import label_path

from .shelf import make_dataset


def test_label_path_replaces_the_last_images_folder():
    assert label_path(Path("/images/x/images/a/b.c.jpg")) == Path("/images/x/labels/a/b.c.txt")
    assert label_path(Path("/data/b.jpg")) == Path("/data/b.txt")


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
    report = convert(path, to="coco", out=tmp_path / "out.json", allow_empty=True)
    assert "'images/nowhere' is neither a folder" in str(report)


def test_a_missing_folder_of_val_is_named_and_the_rest_can_be_used(tmp_path):
    path = make_dataset(tmp_path / "shelf", val="images/nowhere")
    spec = load_dataset(path)
    with pytest.raises(SeglabError, match=r"'images/nowhere' is neither .* hold images out once: seglab split data="):
        spec.images("val")
    assert "'images/nowhere' is neither a folder" in str(check(path, out=None))
    split = Split(0.4, 0.0, 0, frozenset(spec.splits["train"][:1]), frozenset())
    assert apply_split(spec, split, path).images("val"), "what is held out takes the place of the missing folder"
