"""A loss term is one function and one entry in a table: everything else follows by its name."""

from __future__ import annotations

import csv
import types
from dataclasses import fields

import pytest

import seglab.loggers.registry as registry
from seglab import YOLO
from seglab.config import TrainConfig
from seglab.drawing import plots
from seglab.training.arguments import flatten
from seglab.training.loss import TERMS, LossGains, LossInputs, LossTerm

pytestmark = pytest.mark.usefixtures("one_thread")


def small_coefficients(inputs: LossInputs):
    """The made-up term."""
    return inputs.raw.coefficients.square().mean()


def train(folder, name):
    """The rows of results.csv."""
    YOLO("toybox-n").train(
        data="toybox8-seg", imgsz=64, epochs=2, batch=4, workers=0, device="cpu", lr0=1e-3, project=str(folder),
        name=name, loggers="tensorboard",
    )  # fmt: skip
    with open(folder / name / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_new_term_is_trained_on_and_shown_everywhere(tmp_path, monkeypatch, capsys):
    curves, titles = [], []
    tracker = types.SimpleNamespace(
        PACKAGE="json",
        start=lambda about: None,
        identity=lambda run: "",
        log=lambda run, values, epoch: curves.extend(values),
        log_files=lambda *_: None,
        close=lambda run: None,
    )
    monkeypatch.setitem(registry.TRACKERS, "tensorboard", tracker)
    render = plots._render

    def note_titles(figure):
        titles.extend(axis.get_title() for axis in figure.axes)
        return render(figure)

    monkeypatch.setattr(plots, "_render", note_titles)

    without = train(tmp_path, "without")
    monkeypatch.setitem(TERMS, "small", LossTerm(100.0, small_coefficients))
    rows = train(tmp_path, "with")

    assert all("train/small_loss" not in row and "val/small_loss" not in row for row in without)
    start, *epochs = rows
    assert float(start["val/small_loss"]) > 0 and start["train/small_loss"] == ""
    assert all(float(row["train/small_loss"]) > 0 and float(row["val/small_loss"]) > 0 for row in epochs)
    assert float(epochs[-1]["val/small_loss"]) < float(start["val/small_loss"])  # it is learned from
    assert {"train/small_loss", "val/small_loss"} <= set(curves)
    assert "small_loss" in titles  # of results.png
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch 2/2")]
    assert "small" not in lines[0] and f"small {float(epochs[-1]['train/small_loss']):.3f}" in lines[1]

    (check,) = (c for c in YOLO("toybox-n").doctor("toybox8-seg", imgsz=64).checks if c.name == "loss terms")
    assert "small" in check.evidence


def test_a_term_that_is_off_by_default_is_not_a_fault(monkeypatch):
    monkeypatch.setitem(TERMS, "small", LossTerm(0.0, small_coefficients))
    (check,) = (c for c in YOLO("toybox-n").doctor("toybox8-seg", imgsz=64).checks if c.name == "loss terms")
    assert "small 0" in check.evidence and "small" not in check.cause


def test_every_gain_has_the_default_of_its_training_argument():
    assert LossGains.from_arguments(flatten(TrainConfig())) == LossGains()
    assert {field.name for field in fields(LossGains)} <= flatten(TrainConfig()).keys()


def test_a_gain_is_a_number_or_an_argument():
    gains = LossGains(cls=3.0)
    assert LossTerm("cls", small_coefficients).weight(gains) == 3.0
    assert LossTerm(0.25, small_coefficients).weight(gains) == 0.25
