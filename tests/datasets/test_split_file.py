"""A split that is kept: written and read again, applied to a dataset that has changed since, damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seglab.datasets.spec import DatasetSpec
from seglab.datasets.split_file import (
    NAME,
    Split,
    apply_split,
    is_split_file,
    kept_split_of,
    read_split,
    split_file_beside,
    split_file_of,
    spread,
    write_split,
)
from seglab.errors import SeglabError


def dataset(root: Path, *names: str, **splits: tuple[str, ...]) -> DatasetSpec:
    """A dataset of image files that need not exist; `names` are trained on."""
    files = {"train": tuple(root / name for name in names)}
    files |= {split: tuple(root / name for name in listed) for split, listed in splits.items()}
    return DatasetSpec("mine", root, files, {0: "cup"})


def held_out(root: Path, *val: str, tested: tuple[str, ...] = ()) -> Split:
    return Split(0.25, 0.0, 3, frozenset(root / name for name in val), frozenset(root / name for name in tested))


def names_of(spec: DatasetSpec) -> dict[str, list[str]]:
    return {split: [path.name for path in images] for split, images in spec.splits.items()}


def test_a_split_is_read_as_it_was_written(tmp_path):
    spec = dataset(tmp_path, "a.jpg", "b.jpg", "sub/c ü.jpg")
    split = held_out(tmp_path, "b.jpg", tested=("sub/c ü.jpg",))
    file = write_split(split_file_of(spec), spec, split)
    assert file == tmp_path / NAME and is_split_file(file)
    assert read_split(file, spec) == split


def test_a_split_holds_where_the_dataset_was_moved(tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    spec = dataset(before, "a.jpg", "b.jpg")
    write_split(split_file_of(spec), spec, held_out(before, "b.jpg"))
    before.rename(after)
    moved = dataset(after, "a.jpg", "b.jpg")
    assert read_split(split_file_of(moved), moved) == held_out(after, "b.jpg")


def test_the_split_of_a_yaml_stands_beside_it(tmp_path):
    yaml = tmp_path / "mine.yaml"
    spec = replace(dataset(tmp_path / "images", "a.jpg"), yaml=yaml)
    assert split_file_of(spec) == tmp_path / "images" / NAME  # a YAML that is not there yet is no place
    yaml.write_text("names: [cup]\n")
    assert split_file_of(spec) == split_file_beside(yaml) == tmp_path / "mine-split.yaml"
    assert not is_split_file(yaml)


def test_a_kept_split_is_found_unless_the_dataset_has_its_own(tmp_path):
    spec = dataset(tmp_path, "a.jpg", "b.jpg")
    assert kept_split_of(spec) is None
    file = write_split(split_file_of(spec), spec, held_out(tmp_path, "b.jpg"))
    assert kept_split_of(spec) == file
    assert kept_split_of(dataset(tmp_path, "a.jpg", val=("b.jpg",))) is None
    assert kept_split_of(dataset(tmp_path, "a.jpg", val=("a.jpg",))) == file  # the same images twice are no split


def test_images_held_out_leave_training_and_new_ones_are_trained_on(tmp_path):
    spec = dataset(tmp_path, "a.jpg", "b.jpg", "c.jpg", "new.jpg")
    applied = apply_split(spec, held_out(tmp_path, "b.jpg", tested=("c.jpg",)), tmp_path / NAME)
    assert names_of(applied) == {"train": ["a.jpg", "new.jpg"], "val": ["b.jpg"], "test": ["c.jpg"]}
    assert not applied.issues


def test_images_that_are_gone_are_counted(tmp_path):
    spec = dataset(tmp_path, "a.jpg", "b.jpg")
    applied = apply_split(spec, held_out(tmp_path, "b.jpg", "gone.jpg"), tmp_path / NAME)
    (issue,) = applied.issues
    assert issue.message == "the split names images that are not in the dataset: 1"
    assert names_of(applied) == {"train": ["a.jpg"], "val": ["b.jpg"]}


def test_an_own_test_split_stays(tmp_path):
    spec = dataset(tmp_path, "a.jpg", "b.jpg", test=("t.jpg",))
    applied = apply_split(spec, held_out(tmp_path, "b.jpg"), tmp_path / NAME)
    assert names_of(applied) == {"train": ["a.jpg"], "val": ["b.jpg"], "test": ["t.jpg"]}


def test_one_annotation_file_serves_every_split_made_of_it(tmp_path):
    whole, own = tmp_path / "all.json", tmp_path / "test.json"
    assert spread({"train": whole, "test": own}, ["train", "val", "test"]) == {
        "train": whole,
        "val": whole,
        "test": own,
    }
    assert spread({}, ["train"]) == {}


@pytest.mark.parametrize(
    "text",
    [
        "source: .\n",
        "source: .\nval: 5\n",
        "source: .\nval: []\nholdout: much\ntest: 0\nseed: 0\n",
        "source: .\nval: a.jpg\nholdout: 0\ntest: 0\nseed: 0\n",
        "source: .\nval: []\ntest_images: {a.jpg: 1}\nholdout: 0\ntest: 0\nseed: 0\n",
    ],
)
def test_a_damaged_file_says_how_to_split_anew(tmp_path, text):
    spec = dataset(tmp_path, "a.jpg")
    file = tmp_path / NAME
    file.write_text("source: .\n" + text)
    with pytest.raises(SeglabError, match=r"is not a valid split file .* split again with `seglab split data="):
        read_split(file, spec)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    spec = dataset(tmp_path, "a.jpg")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SeglabError, match=r"the split cannot be written to .*out=my-split.yaml"):
        write_split(blocked / NAME, spec, held_out(tmp_path))
