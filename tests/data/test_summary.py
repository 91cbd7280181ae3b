"""The line that says what was read, and the refusal to go on with nothing."""

from __future__ import annotations

import pytest

from seglab.data.dataset import SegmentationDataset
from seglab.data.summary import announce_split, describe, is_empty
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError


def test_a_split_is_described_in_one_line(toybox):
    dataset = SegmentationDataset(toybox, "val", 64)
    instances = sum(len(dataset.instances(index)) for index in range(len(dataset)))
    line = describe(dataset)
    assert line.startswith(f"val: 4 images, {instances} instances of 10 classes (")
    assert ", ...) from toybox8-seg" in line and "\n" not in line


def test_a_dataset_of_ones_own_is_named_by_its_path(make_shelf):
    spec = make_shelf(2)
    line = describe(SegmentationDataset(spec, "train", 64))
    assert line == f"train: 2 images, 4 instances of 2 classes (cup, kite) from {spec.source} (YOLO dataset)"


def without_labels(spec, kept=""):
    """The dataset with other rows in every label file of train."""
    for file in (spec.root / "labels/train").iterdir():
        file.write_text(kept)
    return SegmentationDataset(load_dataset(spec.root), "train", 64)


def test_a_split_without_instances_is_refused_unless_that_is_meant(make_shelf, capsys):
    dataset = without_labels(make_shelf(2))
    assert is_empty(dataset)
    capsys.readouterr()  # the issues that reading has printed
    expected = r"has no instance on the 2 images of train \(issues found: empty label file\): run `seglab"
    with pytest.raises(SeglabError, match=expected):
        announce_split(dataset)
    assert not capsys.readouterr().out
    announce_split(dataset, allow_empty=True)
    assert "train: 2 images, 0 instances" in capsys.readouterr().out


def test_the_refusal_says_what_was_found_instead(make_shelf):
    dataset = without_labels(make_shelf(2), kept="0 0.5 0.5\n")
    with pytest.raises(SeglabError, match="issues found: "):
        announce_split(dataset)


def test_other_processes_of_a_training_are_silent(make_shelf, monkeypatch, capsys):
    dataset = SegmentationDataset(make_shelf(2), "train", 64)
    monkeypatch.setenv("RANK", "1")
    announce_split(dataset)
    assert not capsys.readouterr().out
    monkeypatch.setenv("RANK", "0")
    announce_split(dataset, verbose=False)
    assert not capsys.readouterr().out
    announce_split(dataset)
    assert capsys.readouterr().out.startswith("train: 2 images")
