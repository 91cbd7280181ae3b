"""Every argument of train has the effect it is named for: other weights, rates, files, counts, or what is measured."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import seglab.training.trainer as trainer
from seglab import YOLO
from seglab.config import AugmentConfig, TrainConfig, TrainInput, names_of
from seglab.errors import SeglabError
from seglab.model.weights import load_weights
from seglab.training.arguments import last_run, make_config, run_folder
from seglab.training.distributed import ALONE

_specification = importlib.util.spec_from_file_location(
    "training_worker", Path(__file__).parents[1] / "training/worker.py"
)
worker = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(worker)

pytestmark = pytest.mark.usefixtures("one_thread")
BASE = {"epochs": 2, "batch": 2, "nbs": 2, "optimizer": "SGD", "warmup_epochs": 1, "close_mosaic": 0}


def hash_of(path) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(load_weights(path).state.items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(arguments) -> the result of a tiny training run; the same arguments are trained with once."""
    done = {}

    def once(**arguments):
        key = repr(sorted(arguments.items()))
        if key not in done:
            project = str(tmp_path_factory.mktemp("runs"))
            done[key] = worker.run(**{"project": project, **BASE, **arguments})[0]
        return done[key]

    return once


def rows(result) -> list[dict]:
    with open(result.folder / "results.csv") as file:
        return list(csv.DictReader(file))


# --- what is learned ---

OTHER_WEIGHTS = {
    "epochs": 1,
    "batch": 4,
    "imgsz": 96,
    "seed": 1,
    "rect": True,
    "cos_lr": True,
    "close_mosaic": 1,
    "freeze": ["23.cv2"],
    "freeze_bn": True,
    "multi_scale": 0.5,
    "optimizer": "MuSGD",
    "lr0": 0.02,
    "lrf": 0.5,
    "momentum": 0.5,
    "weight_decay": 0.1,
    "warmup_epochs": 0,
    "warmup_momentum": 0.1,
    "warmup_bias_lr": 0.01,
    "nbs": 4,
    "average": "late",
    "box": 1.0,
    "cls": 2.0,
    "dfl": 0.1,
    "mask_targets": "hard",
    "mask_ratio": 2,
    "overlap_mask": True,
    "hsv_h": 0.5,
    "hsv_s": 0.1,
    "hsv_v": 0.1,
    "degrees": 45,
    "translate": 0.5,
    "scale": 0.9,
    "shear": 30,
    "perspective": 0.001,
    "flipud": 1.0,
    "fliplr": 0.0,
    "bgr": 1.0,
    "mosaic": 0.0,
    "mixup": 1.0,
    "cutmix": 1.0,
    "copy_paste": 1.0,
}
# And those that other tests here, or below tests/training, show.
ELSEWHERE = set(
    "time patience recipe resume keep val strict device workers cache amp deterministic classes single_cls fraction "
    "split conf iou max_det compile profile verbose save save_period plots project name exist_ok model data "
    "pretrained loggers".split()
)
DATASETS = {
    "allow_empty",
    "holdout",
    "instances",
    "labels",
    "max_pixels",
    "range",
    "test",
}  # tests/data, tests/datasets


def test_every_argument_of_train_is_shown():
    names = {*names_of(TrainInput, TrainConfig, AugmentConfig)}
    assert names - ELSEWHERE - DATASETS <= OTHER_WEIGHTS.keys()


@pytest.mark.parametrize("name", OTHER_WEIGHTS)
def test_other_weights_are_learned(run, name):
    epochs = {"epochs": 3} if name == "cos_lr" else {}  # in the middle of two, a cosine is where a line is
    assert hash_of(run(**epochs, **{name: OTHER_WEIGHTS[name]}).last) != hash_of(run(**epochs).last)


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSProp", "MuSGD"])
def test_every_optimizer_takes_steps_of_its_own(run, optimizer):
    others = {hash_of(run(optimizer=other).last) for other in ("SGD", "AdamW", "Adam", "MuSGD") if other != optimizer}
    found = run(optimizer=optimizer.lower())  # in any spelling
    assert hash_of(found.last) not in others
    assert all(torch.isfinite(tensor).all() for tensor in load_weights(found.last).state.values())


def test_what_only_costs_time_or_memory_changes_no_weights(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    expected = hash_of(run().last)
    assert hash_of(run(workers=1).last) == expected
    assert hash_of(run(cache="ram").last) == expected
    assert hash_of(run(cache="disk").last) == expected
    assert len(list((tmp_path / "images").glob("*.npy"))) == 4  # the training images
    assert hash_of(run(verbose=False).last) == expected


def test_the_learning_rate_follows_what_is_given(run):
    assert float(rows(run(lr0=0.02))[0]["lr/pg0"]) == pytest.approx(2 * float(rows(run())[0]["lr/pg0"]), rel=1e-3)


# --- files and lines ---


def test_files_are_written_as_asked(run, tmp_path, capsys):
    assert run().last.is_file() and not run(save=False).last.is_file()
    kept = run(save_period=1, project=str(tmp_path), name="mine").folder
    assert kept == tmp_path / "mine" and (kept / "weights/epoch1.safetensors").is_file()
    assert run(save_period=1, project=str(tmp_path), name="mine", exist_ok=True, epochs=1).folder == kept
    capsys.readouterr()
    worker.run(project=str(tmp_path), **{**BASE, "epochs": 1, "verbose": False})
    assert "epoch 1/1" not in capsys.readouterr().out
    worker.run(project=str(tmp_path), **{**BASE, "epochs": 1})
    assert "epoch 1/1" in capsys.readouterr().out


def test_time_decides_how_many_epochs_there_are(tmp_path, capsys):
    result, _ = worker.run(project=str(tmp_path), **{**BASE, "epochs": 10_000, "time": 1 / 3600})
    epochs = len(rows(result))
    assert 1 <= epochs < 1000 and float(rows(result)[-1]["time"]) < 5
    rates = [float(row["lr/pg0"]) for row in rows(result)]
    assert epochs < 4 or rates[-1] < rates[1]  # they fall within the time, not within ten thousand epochs
    assert "time=0.000277778: " in capsys.readouterr().out
    with pytest.raises(SeglabError, match="time=0"):
        make_config(time=0)


def test_time_ends_an_epoch_that_is_too_long(tmp_path):
    """One of many batches: the second is not begun."""
    result, _ = worker.run(project=str(tmp_path), **{**BASE, "batch": 1, "nbs": 1, "time": 1e-9})
    state = load_weights(result.last).state
    assert len(rows(result)) == 1 and int(state["model.0.bn.num_batches_tracked"]) == 1


# --- how it is validated ---


def test_validation_while_training_goes_by_its_arguments(monkeypatch, toybox):
    """split, conf, iou and max_det reach it."""
    from seglab.training.loss import LossGains

    seen = []

    def validate(forward, batches, dataset, names, settings, device, events):
        seen.append((dataset.split, settings.conf, settings.iou, settings.max_det))
        for batch in batches:
            forward(batch["images"].float() / 255)
        return SimpleNamespace(keys=[], mean_results=list)

    monkeypatch.setattr("seglab.training.validation.validate", validate)
    config = make_config(imgsz=64, batch=4, split="train", conf=0.2, iou=0.4, max_det=7, workers=0)
    dataset = trainer.open_split(toybox, config.split, config)
    validate_as = trainer.open_validation(dataset, config, LossGains(), ALONE, None)
    validate_as("soft")(worker.new_model().eval())
    assert seen == [("train", 0.2, 0.4, 7)]


# --- through the facade ---


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The arguments of a run of the facade that takes seconds."""
    folder = tmp_path_factory.mktemp("facade")
    base = {"epochs": 1, "imgsz": 64, "batch": 4, "workers": 0, "plots": False, "val": False, "device": "cpu"}
    return {**base, "project": str(folder)}


def test_train_takes_data_as_scripts_give_it(quick, toybox, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    content = {"path": str(toybox.root), "train": "images/train", "val": "images/val", "names": toybox.names}
    model = YOLO("toybox-n")
    model.train(content, **quick)  # a dict, by position
    assert Path(model.overrides["data"]).parent == tmp_path / "given"
    assert model.val(imgsz=64, verbose=False).image_count == 4  # from the file that was made of it
    model = YOLO("toybox-n")
    model.train(["toybox8-seg", "toybox8-seg"], **{**quick, "imgsz": 90, "fraction": 0.5, "profile": True})
    told = capsys.readouterr().out
    assert "imgsz=90 is rounded up to 96" in told and "2 training images" in told and "ms an image of 96 px" in told


def test_train_takes_a_model_and_an_args_yaml(quick, tmp_path):
    """As an ultralytics run leaves it: the model, data and settings that it names, and nothing of its defaults."""
    from seglab.compat.arguments import DEFAULTS

    path = tmp_path / "args.yaml"
    lines = {**DEFAULTS, "model": "toybox-n", "data": "toybox8-seg.yaml", "epochs": 1, "imgsz": 64, "single_cls": True}
    path.write_text("".join(f"{name}: {'null' if value is None else value}\n" for name, value in lines.items()))
    model = YOLO("yolo11n-seg.yaml")
    model.train(cfg=path, **{name: quick[name] for name in ("batch", "workers", "plots", "val", "device", "project")})
    assert model.names == {0: "item"} and model.overrides["epochs"] == 1 and model.overrides["lr0"] is not None
    metrics = model.val(verbose=False)  # remembers that all classes are one
    assert list(metrics.names.values()) == ["item"] and metrics.instances.sum() == 58


def test_resume_in_every_form(quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert last_run() is None
    with pytest.raises(SeglabError, match="runs/segment has no interrupted one"):
        YOLO("toybox-n").train(resume=True)
    weights = tmp_path / "runs/segment/train/weights"
    weights.mkdir(parents=True)
    for name in ("last.safetensors", "resume.safetensors"):
        (weights / name).touch()
    assert last_run().resolve() == weights.parent
    for form in ("", "args.yaml", "results.csv", "weights", "weights/last.pt", "weights/last.safetensors"):
        assert run_folder(str(weights.parent / form)) == weights.parent
