"""The dataset of a training that was elsewhere is found again by its name."""

from __future__ import annotations

import pytest

from seglab.class_names import COCO_NAMES
from seglab.datasets.trained_on import DEFAULT_DATA, data_of_training, find_again, knows_coco

COCO = dict(enumerate(COCO_NAMES))
TOYS = {0: "cup", 1: "kite"}


def test_a_path_that_exists_is_taken_as_it_is(tmp_path):
    path = tmp_path / "shelf.yaml"
    path.write_text("")
    assert find_again(str(path), TOYS) == str(path)


def test_a_missing_path_leads_to_the_local_dataset_of_its_name():
    assert find_again("/elsewhere/datasets/toybox8-seg.yaml", TOYS) == "toybox8-seg"


def test_what_is_nowhere_stays_but_for_coco(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path))
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    assert find_again("/elsewhere/mine.yaml", TOYS) == "/elsewhere/mine.yaml"
    assert find_again("/elsewhere/coco.yaml", COCO) == DEFAULT_DATA


@pytest.mark.parametrize(("train_args", "found"), [({}, None), ({"data": None}, None), ({"data": ""}, None)])
def test_weights_that_name_no_dataset_have_none(train_args, found):
    assert data_of_training(train_args, TOYS) is found


def test_several_datasets_are_found_one_by_one():
    given = ["/elsewhere/toybox8-seg.yaml", "/elsewhere/mine.yaml"]
    assert data_of_training({"data": given}, TOYS) == ["toybox8-seg", "/elsewhere/mine.yaml"]


def test_coco_is_known_by_all_its_names_in_order():
    assert knows_coco(COCO) and not knows_coco(TOYS)
    assert not knows_coco({0: COCO_NAMES[1], 1: COCO_NAMES[0]} | {n: COCO_NAMES[n] for n in range(2, 80)})
