import numpy as np
import pytest
import torch

from seglab.data.augment import AugmentConfig
from seglab.errors import SeglabError
from seglab.training.config import RECIPES, TrainConfig, flatten, make_config, read_arguments, write_arguments


def test_defaults_are_the_usual_ones():
    config = make_config()
    assert config == TrainConfig()
    usual = dict(epochs=100, patience=100, batch=16, imgsz=640, nbs=64, seed=0, close_mosaic=10, lrf=0.01)
    usual |= dict(weight_decay=5e-4, warmup_epochs=3, warmup_momentum=0.8, box=7.5, cls=0.5, dfl=1.5, cos_lr=False)
    usual |= dict(hsv_h=0.015, hsv_s=0.7, hsv_v=0.4, translate=0.1, scale=0.5, fliplr=0.5, mosaic=1.0, mixup=0.0)
    assert usual.items() <= flatten(config).items()


def test_flat_names_reach_both_dataclasses_and_come_back():
    config = make_config(epochs=7, mosaic=0.25, lr0=0.02)
    assert config.epochs == 7 and config.augment == AugmentConfig(mosaic=0.25)
    assert make_config(**flatten(config)) == config


@pytest.mark.parametrize("wrong, right", [("epoch", "epochs"), ("batchsize", "batch"), ("mosiac", "mosaic")])
def test_unknown_names_are_refused_with_the_nearest_valid_one(wrong, right):
    with pytest.raises(SeglabError, match=f"'{wrong}'.*did you mean '{right}'"):
        make_config(**{wrong: 1})


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": "ten"},
        {"epochs": 0},
        {"batch": 0},
        {"imgsz": 100},
        {"optimizer": "Adam"},
        {"cos_lr": 1},
        {"mosaic": "x"},
        {"seed": -1},
        {"lr0": "nan"},
        {"momentum": 2, "optimizer": "AdamW"},
        {"warmup_momentum": -1},
        {"warmup_epochs": -3},
        {"warmup_bias_lr": -0.1},
        {"lrf": -1},
        {"box": -2},
        {"patience": -3},
        {"workers": -4},
        {"close_mosaic": -1},
        {"save_period": -2},
        {"cache": "disk"},
        {"translate": -4},
        {"scale": 3},
        {"mosaic": 2},
        {"mixup": float("nan")},
        {"hsv_s": 5},
        {"perspective": 1},
        {"shear": 90},
        {"degrees": 400},
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(values):
    with pytest.raises(SeglabError, match=next(iter(values))):
        make_config(**values)


@pytest.mark.parametrize(
    "values, advice",
    [
        ({"optimizer": "Adam"}, "'AdamW'"),
        ({"batch": -1}, "as in batch=16"),
        ({"batch": 0.7}, "as in batch=16"),
        ({"imgsz": [320, 320]}, "as in imgsz=640"),
        ({"cache": "disk"}, "'ram'"),
        ({"scale": 3}, "0..1"),
    ],
)
def test_what_other_tools_take_is_met_with_what_to_give(values, advice):
    with pytest.raises(SeglabError, match=advice):
        make_config(**values)


@pytest.mark.parametrize("written", ["sgd", "SGD", "adamw", "ADAMW", "Auto"])
def test_the_optimizer_may_be_written_as_it_comes(written):
    assert make_config(optimizer=written).optimizer.lower() == written.lower()
    assert make_config(optimizer=written) == make_config(optimizer=written.upper())


def test_the_limits_themselves_are_allowed():
    make_config(translate=1, scale=1, mosaic=0, mixup=1, perspective=0.001, shear=60, degrees=180, lrf=1, workers=0)
    make_config(patience=0, warmup_epochs=0, box=0, close_mosaic=0, save_period=-1, cache=True)


def test_the_constructors_check_too():
    for build in (lambda: TrainConfig(epochs="ten"), lambda: AugmentConfig(mosaic="much")):
        with pytest.raises(SeglabError, match="must be of type"):
            build()
    assert TrainConfig(device=torch.device("cpu")).device == "cpu"
    assert TrainConfig(name=2026).name == "2026" and TrainConfig(lr0=np.float32(0.5)).lr0 == 0.5


def test_numbers_that_yaml_reads_as_text_are_numbers():
    assert make_config(lr0="1e-3").lr0 == 1e-3
    assert isinstance(make_config(warmup_epochs=2).warmup_epochs, float)


def test_a_recipe_changes_defaults_and_yields_to_arguments():
    config = make_config(recipe="small", epochs=9)
    assert config.epochs == 9
    assert config.lr0 == RECIPES["small"]["lr0"]
    assert config.augment.fliplr == RECIPES["small"]["fliplr"] != AugmentConfig().fliplr
    with pytest.raises(SeglabError, match="recipe"):
        make_config(recipe="tiny")


def test_a_resumed_run_keeps_its_arguments_except_those_passed(tmp_path):
    write_arguments(tmp_path, make_config(epochs=9, batch=3, recipe="small", fliplr=0.1), data="here.yaml")
    for resume in (tmp_path, str(tmp_path), tmp_path / "weights" / "last.safetensors"):
        config = make_config(resume=resume, epochs=11)
        assert (config.epochs, config.batch, config.augment.fliplr) == (11, 3, 0.1)
    dotted = tmp_path / "v1.5"
    dotted.mkdir()
    write_arguments(dotted, make_config(epochs=9), data="here.yaml")
    assert make_config(resume=dotted).epochs == 9
    assert "data" not in read_arguments(tmp_path)
    with pytest.raises(FileNotFoundError, match="no args"):
        make_config(resume=tmp_path / "elsewhere")
    with pytest.raises(SeglabError, match="which run"):
        make_config(resume=True)


def test_keep_rests_the_statistics_and_refuses_to_be_told_otherwise():
    with pytest.raises(SeglabError, match="leave freeze_bn=False out"):
        make_config(keep=True, freeze_bn=False)
    assert make_config(keep=True).keep and make_config(keep=True, freeze_bn=True).freeze_bn
    assert make_config(keep=False, freeze_bn=False).freeze_bn is False
