"""What recipe="auto" chooses, and that it says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seglab.training.arguments import make_config
from seglab.training.recipes import RECIPES, Start, batch_for, choose, describe_scratch

KNOWN, NEW = Start(known=3, new=0, scratch=False), Start(known=1, new=2, scratch=False)


def test_weights_that_know_every_class_are_moved_little_unless_more_is_better():
    known, new = choose(KNOWN, 64, 10, 640, {}), choose(NEW, 64, 10, 640, {})
    assert known.settings == {**new.settings, "lr0": 5e-4} and not new.fallback  # an epoch of larger steps, on trial
    assert new.settings["average"] == "late" and new.settings["freeze_bn"] and new.settings["mask_ratio"] == 2
    untried = choose(KNOWN, 64, 10, 640, {"val": False}).settings
    assert untried == {**known.settings, **known.fallback}
    assert untried["average"] == "anchored" and untried["warmup_bias_lr"] == 0


@pytest.mark.parametrize("given", [{"val": False}, {"lr0": 1e-4}, {"optimizer": "SGD"}, {"keep": True}])
def test_nothing_is_tried_where_nothing_is_judged_or_the_user_chooses_the_steps(given):
    choice = choose(KNOWN, 64, 10, 640, given)
    assert not choice.fallback and "tried" not in choice.text
    assert choice.settings.get("average") == ("late" if "keep" in given else "anchored")


def test_a_trial_tells_what_it_may_fall_back_to():
    choice = choose(KNOWN, 64, 10, 640, {"momentum": 0.8})
    assert "momentum" not in choice.settings.keys() | choice.fallback.keys()
    for name, value in choice.fallback.items():
        assert f"{name}={value}" in choice.text


@pytest.mark.parametrize("start", [KNOWN, NEW])
def test_what_is_chosen_is_told_with_its_reason(start):
    choice = choose(start, 64, 10, 640, {})
    for name, value in choice.settings.items():
        assert f"{name}={value}" in choice.text
    assert "64 images" in choice.text and "recipe=ultralytics" in choice.text
    assert ("2 of 3 classes are new" in choice.text) == (start is NEW)


@pytest.mark.parametrize("start", [KNOWN, NEW])
def test_what_the_user_says_stays(start):
    given = {"lr0": 0.5, "mask_ratio": 1, "batch": 3}
    settings = choose(start, 64, 10, 640, given).settings
    assert not settings.keys() & given.keys() and settings["nbs"] == 3
    # Another optimizer needs rates of its own: none is chosen for it.
    assert not {"lr0", "optimizer", "warmup_bias_lr"} & choose(start, 64, 10, 640, {"optimizer": "SGD"}).settings.keys()
    everything = {name: None for name in choose(start, 64, 10, 640, {}).settings}
    assert choose(start, 64, 10, 640, everything).settings == {} and choose(start, 64, 10, 640, everything).text == ""


@given(st.integers(1, 10**6), st.booleans())
def test_every_choice_is_a_configuration(images, known):
    settings = choose(KNOWN if known else NEW, images, 10, 640, {}).settings
    config = make_config(**settings)
    assert 4 <= config.batch <= 16 and config.nbs >= config.batch


@pytest.mark.parametrize("start", [KNOWN, NEW])
def test_a_long_run_keeps_the_defaults_but_for_finer_masks(start):
    assert choose(start, 10_000, 100, 640, {}).settings == {"mask_ratio": 2}
    assert choose(start, 10_000, 10, 640, {}).settings.keys() > {"mask_ratio", "freeze_bn", "nbs", "average"}
    assert "nbs" in choose(start, 10_000, 100, 640, {"keep": True}).settings


@pytest.mark.parametrize("start", [KNOWN, NEW])
def test_small_images_get_masks_at_full_resolution(start):
    small, large = (choose(start, 64, 10, imgsz, {}) for imgsz in (320, 352))
    assert small.settings == {**large.settings, "mask_ratio": 1} and large.settings["mask_ratio"] == 2
    assert "full resolution" in small.text and "half resolution" in large.text
    assert "mask_ratio" not in choose(start, 64, 10, 320, {"mask_ratio": 4}).settings


def test_small_sets_get_small_batches():
    assert [batch_for(images) for images in (1, 63, 64, 127, 128, 255, 256, 10**6)] == [4, 4, 4, 4, 8, 8, 16, 16]


def test_training_from_scratch_says_what_that_means():
    assert "random" in describe_scratch(10**6) and "too few" not in describe_scratch(10**6)
    few = describe_scratch(100)
    assert few.startswith(describe_scratch(10**6)) and "100 images are too few" in few and "yolo11n-seg.pt" in few


def test_ultralytics_settings_are_a_word_away():
    config = make_config(recipe="ultralytics")
    assert config.mask_targets == "hard" and config.mask_ratio == 4 and not config.freeze_bn
    assert (config.optimizer, config.batch, config.nbs) == ("auto", 16, 64)
    assert make_config(recipe=None).recipe == "auto" and set(RECIPES) == {"ultralytics", "small"}
