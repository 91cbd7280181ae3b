"""Every argument: its text, its default, and the values that are refused; and the arguments of a training run."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from dataclasses import MISSING, FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import torch

from seglab.config import (
    VERBS,
    AugmentConfig,
    ExportConfig,
    ExportInput,
    PredictConfig,
    SaveConfig,
    TrainConfig,
    ValidateConfig,
    arguments_of,
    fit_type,
    fit_value,
    verb_arguments,
)
from seglab.errors import SeglabError
from seglab.export.registry import FORMATS
from seglab.training.arguments import flatten, make_config, read_arguments, write_arguments
from seglab.training.recipes import AUTO, RECIPES
from seglab.yolo import YOLO


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
        {"optimizer": "Lion"},
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
        {"cache": "tape"},
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
        ({"optimizer": "Lion"}, "'AdamW'"),
        ({"batch": -3}, "at least -1"),
        ({"batch": 1.7}, "a fraction of the memory, e.g. 0.6"),
        ({"imgsz": [320, 320]}, "e.g. imgsz=640"),
        ({"cache": "tape"}, "'disk'"),
        ({"scale": 3}, "from 0 to 1"),
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


EVERY_ARGUMENT = [
    (verb, about) for verb, row in VERBS.items() for config in row.arguments for about in arguments_of(config)
]


@pytest.mark.parametrize("verb, about", EVERY_ARGUMENT, ids=[f"{verb}-{about.name}" for verb, about in EVERY_ARGUMENT])
def test_every_argument_has_a_text_and_a_default_that_fits(verb, about):
    assert len(about.text) >= 10 and not about.text.endswith(".") and about.group
    if about.default is not MISSING:
        value = fit_value(about, about.default)
        assert value == about.default and type(value) is type(about.default)


def test_an_argument_that_several_verbs_share_has_one_text():
    """Other texts are other meanings: these are listed here with the verbs they belong to."""
    own_meaning = {
        "batch": {"train", "val", "predict", "track", "export"},  # steps, loading, runs of the network, calls of a file
        "conf": {"export"},  # what goes into an end-to-end file
        "iou": {"export"},
        "max_det": {"export"},
        "imgsz": {"train", "export", "explore", "benchmark", "demo"},  # square or not, a multiple of 32 or not
        "model": {"train", "verify", "export", "benchmark"},  # None means something else, or weights only
        "data": {"export", "check", "split", "verify", "benchmark"},
        "out": {"export", "convert", "check", "split", "benchmark", "toybox", "demo", "course"},
        "mask_targets": {"train"},
        "val": {"train", "toybox"},
        "source": {"predict", "track", "convert", "explore"},
        "strict": {"convert"},
        "seed": {"train", "split", "toybox"},
        "epochs": {"train", "demo"},
        "save": {"train", "predict", "track"},
        "verbose": {"train", "val", "predict", "track", "benchmark"},
        "plots": {"train"},
        "half": {"export"},
        "rect": {"train"},  # batches of a training have one shape each, too
        "visualize": {"val"},
        "fraction": {"export"},
        "name": {"export"},
    }
    texts: dict[str, set[str]] = {}
    for verb, about in EVERY_ARGUMENT:
        verb = "train" if verb == "tune" else verb  # it hands them on
        if verb not in own_meaning.get(about.name, ()):
            texts.setdefault(about.name, set()).add(about.text)
    assert not {name: told for name, told in texts.items() if len(told) > 1}


def test_no_verb_takes_an_argument_twice():
    for verb in VERBS:
        names = verb_arguments(verb)
        assert len(names) == len(set(names)), verb


def test_the_facade_takes_what_the_config_says():
    """Names and defaults of the parameters that its methods write out."""
    for verb in ("train", "tune", "val", "predict", "export", "doctor", "benchmark"):
        listed = {about.name: about.default for config in VERBS[verb].arguments for about in arguments_of(config)}
        parameters = inspect.signature(getattr(YOLO, verb)).parameters.values()
        named = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD][1:]
        assert named
        for parameter in named:
            assert listed[parameter.name] == parameter.default, (verb, parameter.name)


def test_the_recipes_are_those_that_training_has():
    (recipe,) = [about for about in arguments_of(TrainConfig) if about.name == "recipe"]
    assert set(recipe.choices) == {AUTO, *RECIPES}


def test_the_export_formats_are_those_that_export_has():
    (about,) = [about for about in arguments_of(ExportInput) if about.name == "format"]
    assert [name for name in re.findall(r"[a-z]\w+", about.text) if name in FORMATS] == list(FORMATS)


@pytest.mark.parametrize(
    "hint, value, expected",
    [
        (float, 1, 1.0),
        (float, "1e-3", 1e-3),
        (float | None, None, None),
        (int, np.int64(3), 3),
        (str, Path("a") / "b", str(Path("a") / "b")),
        (str | None, 2024, "2024"),
        (str | int | None, torch.device("cuda:1"), "cuda:1"),
        (int | tuple[int, int], [480, 640], [480, 640]),
        (bool | str, True, True),
    ],
)
def test_values_are_converted_where_that_is_safe(hint, value, expected):
    fitted = fit_type("it", value, hint)
    assert fitted == expected and type(fitted) is type(expected)


@pytest.mark.parametrize(
    "hint, value, named",
    [(int, 2.0, "int"), (int, True, "int"), (str, True, "str"), (bool, 1, "bool"), (float | None, "x", "float | None")],
)
def test_values_of_another_type_are_refused(hint, value, named):
    with pytest.raises(SeglabError, match=re.escape(f"it={value!r} must be of type {named}")):
        fit_type("it", value, hint)


def test_types_are_read_without_the_future_import(tmp_path):
    """A dataclass in a module that evaluates its annotations has the same arguments."""
    module = tmp_path / "other.py"
    module.write_text(
        "from dataclasses import dataclass\nfrom seglab.config import Arguments, argument\n"
        "@dataclass(frozen=True)\nclass Other(Arguments):\n    sides: int | tuple[int, int] | None = "
        "argument(3, 'sides')\n"
    )
    spec = importlib.util.spec_from_file_location("other", module)
    other = importlib.util.module_from_spec(spec)
    sys.modules["other"] = other
    try:
        spec.loader.exec_module(other)
        assert other.Other(sides=(1, 2)).sides == (1, 2)
        with pytest.raises(SeglabError, match=r"sides='a' must be of type int \| tuple\[int, int\] \| None"):
            other.Other(sides="a")
    finally:
        del sys.modules["other"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, None),
        (False, []),
        ("none", []),
        ("wandb", ["wandb"]),
        ("WandB, mlflow", ["wandb", "mlflow"]),
        (["dvc", "tb", "dvclive"], ["dvclive", "tensorboard"]),
    ],
)
def test_trackers_are_named_one_by_one_or_together(given, names):
    assert TrainConfig(loggers=given).loggers == names


@pytest.mark.parametrize(
    ("given", "advice"), [("wanbd", "did you mean 'wandb'"), (3, "must be names"), ([True], "must be names")]
)
def test_what_is_no_tracker_is_refused(given, advice):
    with pytest.raises(SeglabError, match=advice):
        TrainConfig(loggers=given)


def test_configs_are_frozen():
    for build in (TrainConfig, ValidateConfig, PredictConfig, SaveConfig, ExportConfig):
        with pytest.raises(FrozenInstanceError):
            build().name = "x"


def test_keep_rests_the_statistics_and_refuses_to_be_told_otherwise():
    with pytest.raises(SeglabError, match="leave out freeze_bn=False"):
        make_config(keep=True, freeze_bn=False)
    assert make_config(keep=True).keep and make_config(keep=True, freeze_bn=True).freeze_bn
    assert make_config(keep=False, freeze_bn=False).freeze_bn is False
