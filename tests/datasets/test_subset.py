"""Part of a dataset: some classes, all as one, some images."""

from __future__ import annotations

import pytest

from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.datasets.subset import split_fractions, subset
from seglab.errors import SeglabError


def test_classes_leave_the_others_out(toybox):
    part = subset(toybox, classes=[0, 3])
    dataset = SegmentationDataset(part, "train", 64)
    found = {instance.class_id for index in range(len(dataset)) for instance in dataset.instances(index)}
    assert found == {0, 3} and part.names == toybox.names and len(dataset) == 4
    with pytest.raises(SeglabError, match="no class 10, its classes are 0 to 9"):
        subset(toybox, classes=[10])


def test_single_cls_makes_all_classes_one(toybox):
    one, all_classes = subset(toybox, single_cls=True), subset(toybox)
    assert one.names == {0: "item"} and all_classes is toybox
    ours, theirs = (SegmentationDataset(spec, "train", 64) for spec in (one, toybox))
    for index in range(4):
        assert len(ours.instances(index)) == len(theirs.instances(index))
        assert {instance.class_id for instance in ours.instances(index)} == {0}


@pytest.mark.parametrize(
    "fraction, expected",
    [(1.0, 4), (0.5, 2), (0.1, 1), (3, 3), (99, 4), ([0.5, 0.25], 2), ([0.5, 0.25, 1], 2)],
)
def test_fraction_takes_so_many_images(toybox, fraction, expected):
    part = subset(toybox, fractions=split_fractions(fraction, ["train"]))
    assert len(part.images("train")) == expected
    assert len(part.images("val")) == (1 if isinstance(fraction, list) else 4)
    assert set(part.images("train")) <= set(toybox.images("train"))


@pytest.mark.parametrize("fraction", [0, -1, 1.5, "half", [1, 1, 1, 1], True])
def test_other_fractions_are_refused(fraction):
    with pytest.raises(SeglabError, match="fraction="):
        split_fractions(fraction, ["train"])


def test_a_drawn_dataset_leaves_classes_out_too():
    fresh = load_dataset("toybox-fresh:4")
    dataset = SegmentationDataset(subset(fresh, classes=[2], single_cls=True), "train", 64)
    found = [instance.class_id for index in range(4) for instance in dataset.sample(index).instances]
    every = SegmentationDataset(fresh, "train", 64)
    expected = [instance for index in range(4) for instance in every.sample(index).instances if instance.class_id == 2]
    assert found == [0] * len(expected) and found
