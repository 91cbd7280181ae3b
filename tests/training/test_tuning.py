"""The search for arguments: what it leaves, how it goes on, what it refuses. Most trials here are pretended."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import torch
import yaml

from seglab import YOLO
from seglab.cli import main
from seglab.compat.arguments import translate
from seglab.config import RANGES, TuneInput
from seglab.errors import SeglabError
from seglab.training.arguments import make_config, read_arguments, write_arguments
from seglab.training.run_log import write_results
from seglab.training.trainer import NonFiniteLoss
from seglab.training.tuning import (
    JOURNAL,
    REQUEST,
    model_of_study,
    read_request,
    read_space,
    searchable,
    study_folder,
    tune,
)

SMALL = {"data": "toybox8-seg", "epochs": 1, "imgsz": 64, "workers": 0, "device": "cpu", "plots": False}
BOX, MASK = "metrics/mAP50-95(B)", "metrics/mAP50-95(M)"
SPACE = {"lr0": (1e-5, 1e-1), "mosaic": (0.0, 1.0)}


def table(folder) -> list[dict[str, str]]:
    with open(folder / "tune_results.csv") as file:
        return list(csv.DictReader(file))


def peak(lr0: float) -> float:
    """A fitness that is best at lr0=0.001."""
    return math.exp(-(math.log10(lr0 / 1e-3) ** 2))


class Trainings:
    """Stands for the trainings of a study: the fitness goes by lr0 alone, and grows over the epochs to that value.

    happens: number of the training, from 0 -> what to do in its place, and to go on with where that returns.
    """

    def __init__(self, happens=None):
        self.happens = happens or {}
        self.given: list[dict] = []

    def __call__(self, arguments, report):
        number = len(self.given)
        self.given.append(arguments)
        self.happens.get(number, lambda: None)()
        flat = {name: value for name, value in arguments.items() if name not in ("data", "pretrained")}
        config = make_config(**flat)
        folder = Path(config.project, config.name)
        (folder / "weights").mkdir(parents=True, exist_ok=True)
        (folder / "weights/best.safetensors").write_text(config.name)
        write_arguments(folder, config, arguments["data"])
        rows = []
        for epoch in range(1, config.epochs + 1):
            value = peak(config.lr0 or 1e-2) * epoch / config.epochs
            rows.append({"epoch": epoch, BOX: 0.25 * value, MASK: 0.75 * value})
            if report(epoch, value):
                break
        write_results(folder / "results.csv", rows)
        return SimpleNamespace(results_dict={BOX: 0.0, MASK: 0.0, "fitness": 0.0})  # as if the start were the best


def search(trainings, folder, iterations=3, space=SPACE, keep_weights=False, **arguments):
    options = TuneInput(iterations=iterations, space=space, keep_weights=keep_weights)
    arguments = {"epochs": 1, **arguments}
    if "resume" not in arguments:
        arguments |= {"project": str(folder.parent), "name": folder.name}
    return tune(trainings, "toybox-n", "toybox8-seg", True, arguments, options)


# --- real trainings ---


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """Three trainings of a real model: the folder, what tune returned, and the model it was called on."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("studies") / "tune"
    model = YOLO("toybox-n")
    model.add_callback("on_train_end", lambda trainer: model.__dict__.setdefault("told", []).append(trainer))
    space = {"lr0": (1e-4, 1e-2), "degrees": (0.0, 45.0)}
    result = model.tune(**SMALL, iterations=3, space=space, project=str(folder.parent), name=folder.name)
    return folder, result, model


def test_a_search_leaves_what_users_look_for(studied):
    folder, result, _ = studied
    rows = table(folder)
    assert result.folder == folder and [row["trial"] for row in rows] == ["start", "trial1", "trial2"]
    assert all(float(row["fitness"]) == pytest.approx(float(row[BOX]) + float(row[MASK])) for row in rows)
    for name in ("tune_fitness.png", "tune_scatter_plots.png"):
        assert cv2.imread(str(folder / name)).std() > 5
    best = max(rows, key=lambda row: float(row["fitness"]))
    assert result.fitness == float(best["fitness"])
    # Every name that was searched is there; None is what training chose by itself, where the start is the best.
    assert set(result.best) == {"lr0", "degrees"}
    chosen = {name: value for name, value in result.best.items() if value is not None}
    assert yaml.safe_load((folder / "best_hyperparameters.yaml").read_text()) == chosen
    assert {name: float(best[name]) for name in chosen} == chosen


def test_every_trial_is_a_training_with_the_values_of_its_row(studied):
    folder, _, model = studied
    for row in table(folder)[1:]:
        used = read_arguments(folder / row["trial"])
        assert used["lr0"] == float(row["lr0"]) and used["degrees"] == float(row["degrees"])
        assert used["epochs"] == 1 and used["imgsz"] == 64
    assert read_arguments(folder / "start")["degrees"] == 0  # nothing is changed there
    assert len(model.told) == 3  # the user's callbacks are called in each


def test_only_the_best_weights_are_kept_and_the_model_stays_as_it_is(studied):
    folder, result, model = studied
    kept = list(folder.glob("*/weights/best.safetensors"))
    assert kept == [result.weights]
    YOLO(result.weights)
    before = YOLO("toybox-n").network.state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.network.state_dict().items())


def test_the_best_values_are_arguments_of_train(studied):
    folder, result, _ = studied
    taken = translate("train", {"cfg": str(folder / "best_hyperparameters.yaml")})
    assert taken == {name: value for name, value in result.best.items() if value}
    make_config(**result.best)


def test_the_command_line_goes_on_with_a_study(studied, capsys):
    folder, _, _ = studied
    before = table(folder)
    assert main(["tune", f"resume={folder}", "iterations=4"]) == 0
    shown = capsys.readouterr().out
    rows = table(folder)
    assert rows[:3] == before and len(rows) == 4
    assert f"next: seglab train cfg={folder / 'best_hyperparameters.yaml'} model=toybox-n data=toybox8-seg" in shown
    assert "epoch 1/1" not in shown and "4 training images" in (folder / "trials.log").read_text()


# --- the search ---


def test_it_begins_with_the_arguments_as_given_and_finds_better_ones(tmp_path, capsys):
    trainings = Trainings()
    result = search(trainings, tmp_path / "tune", iterations=25)
    start, *others = table(tmp_path / "tune")
    assert "lr0" not in trainings.given[0] and start["trial"] == "start" and start["lr0"] == ""
    assert len(others) == 24 and result.fitness > float(start["fitness"]) == pytest.approx(peak(1e-2), abs=1e-4)
    assert "tuning helped" in capsys.readouterr().out
    assert result.fitness == pytest.approx(peak(result.best["lr0"]), abs=1e-4)
    lower_half = [row for row in others if float(row["lr0"]) < 1e-3]
    assert len(lower_half) > 4  # on a linear scale it would be one in a hundred


def test_a_search_can_be_repeated(tmp_path):
    values = [search(Trainings(), tmp_path / name).trials[2]["lr0"] for name in "ab"]
    assert values[0] == values[1] != search(Trainings(), tmp_path / "c", seed=1).trials[2]["lr0"]


def test_what_is_given_is_decided_unless_it_is_searched(tmp_path):
    trainings = Trainings()
    search(trainings, tmp_path / "fixed", space=None, lr0=0.02)
    assert [given["lr0"] for given in trainings.given] == [0.02] * 3 and "mosaic" in trainings.given[1]
    trainings = Trainings()
    search(trainings, tmp_path / "searched", lr0=0.02)
    first, second, _ = (given["lr0"] for given in trainings.given)
    assert first == 0.02 != second


def test_trials_below_the_median_are_stopped(tmp_path, capsys):
    result = search(Trainings(), tmp_path / "tune", iterations=12, epochs=10)
    outcomes = [row["outcome"] for row in result.trials]
    assert "pruned" in outcomes and outcomes[0] == "complete"
    pruned = [row["fitness"] for row in result.trials if row["outcome"] == "pruned"]
    assert max(pruned) < result.fitness and "below the median" in capsys.readouterr().out


def test_a_training_without_validation_counts_by_its_result(tmp_path):
    class Unvalidated(Trainings):
        def __call__(self, arguments, report):
            super().__call__(arguments, lambda epoch, fitness: False)
            write_results(Path(arguments["project"], arguments["name"], "results.csv"), [{"epoch": 1}])
            return SimpleNamespace(results_dict={BOX: 0.1, MASK: 0.2, "fitness": 0.3})

    result = search(Unvalidated(), tmp_path / "tune", val=False)
    assert [row["fitness"] for row in result.trials] == [0.3] * 3


def test_a_loss_that_is_not_finite_is_a_failed_trial(tmp_path):
    def explode():
        raise NonFiniteLoss("non-finite loss in epoch 1")

    result = search(Trainings({1: explode}), tmp_path / "tune")
    assert [row["outcome"] for row in result.trials] == ["complete", "failed", "complete"]


def test_any_other_error_ends_the_search_at_once(tmp_path):
    def complain():
        raise SeglabError("the images are gone")

    trainings = Trainings({1: complain})
    with pytest.raises(SeglabError, match="the images are gone"):
        search(trainings, tmp_path / "tune")
    assert len(trainings.given) == 2


def test_all_weights_are_kept_when_asked_for(tmp_path):
    search(Trainings(), tmp_path / "tune", keep_weights=True)
    assert len(list((tmp_path / "tune").glob("*/weights/best.safetensors"))) == 3


# --- resuming ---


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("cut", [0, 2])
def test_ctrl_c_leaves_a_study_to_resume(tmp_path, cut):
    folder = tmp_path / "tune"
    before = Trainings({cut: interrupt})
    with pytest.raises(KeyboardInterrupt, match=f"resume with: seglab tune resume={folder} iterations=3$"):
        search(before, folder)
    after = Trainings()
    result = search(after, folder, resume=str(folder))
    assert len(after.given) == 3 - cut and len(result.trials) == 3
    assert {name: after.given[0].get(name) for name in SPACE} == {name: before.given[-1].get(name) for name in SPACE}


def test_the_study_is_found_by_name_or_is_the_newest(tmp_path):
    for name in ("a", "b"):
        search(Trainings(), tmp_path / name, iterations=1)
    assert study_folder(True, str(tmp_path), "a") == tmp_path / "a"
    assert study_folder(True, str(tmp_path), None) == tmp_path / "b"
    with pytest.raises(SeglabError, match="give the folder that tune created"):
        study_folder(True, str(tmp_path / "nowhere"), None)


def test_only_what_leaves_trials_comparable_may_change(tmp_path):
    folder = tmp_path / "tune"
    search(Trainings(), folder, iterations=1)
    for changed in ({"epochs": 5}, {"space": {"lr0": (1e-3, 1e-2)}}, {"seed": 4}):
        with pytest.raises(SeglabError, match="cannot be compared"):
            search(Trainings(), folder, resume=str(folder), **changed)
    trainings = Trainings()
    search(trainings, folder, resume=str(folder), iterations=2, workers=0)
    assert trainings.given[0]["workers"] == 0 and trainings.given[0]["epochs"] == 1


def test_a_folder_of_a_study_is_not_written_over(tmp_path):
    search(Trainings(), tmp_path / "tune", iterations=1)
    with pytest.raises(SeglabError, match="already contains a study"):
        search(Trainings(), tmp_path / "tune", exist_ok=True)
    assert search(Trainings(), tmp_path / "tune", iterations=1).folder == tmp_path / "tune2"


def test_two_processes_share_one_study(tmp_path):
    """The second joins while the first trains: together they make the trials that were asked for."""
    folder = tmp_path / "tune"
    second = Trainings()
    first = Trainings({1: lambda: search(second, folder, iterations=5, resume=str(folder))})
    result = search(first, folder, iterations=5)
    names = [given["name"] for given in (*first.given, *second.given)]
    assert len(names) == len(set(names)) == len(result.trials) == 6  # one was under way when the fifth ended
    assert [given["name"] for given in first.given] == ["start", "trial1"]


# --- what is refused ---


@pytest.mark.parametrize(
    "space, advice",
    [
        ({"lr0": (0.1, 0.01)}, "lower than the second"),
        ({"lr0": 0.1}, r"lr0=\(low, high\)"),
        ({"lr0": (-1, 0.1)}, "at least 0"),
        ({"mosaic": (0, 2)}, "from 0 to 1"),
        ({"lr": (0.1, 0.2)}, "did you mean 'lr0'"),
        ({"imgsz": (320, 640)}, "no argument 'imgsz'"),
        ({}, "at least one range"),
        ("nowhere.yaml", "cannot be read"),
    ],
)
def test_a_space_that_does_not_fit_is_refused(space, advice):
    with pytest.raises(SeglabError, match=advice):
        read_space(space)


def test_objects_of_ray_are_refused_by_name():
    class Float:
        pass

    Float.__module__ = "ray.tune.search.sample"
    with pytest.raises(SeglabError, match="lr0 is an object of Ray Tune"):
        read_space({"lr0": Float()})


def test_a_space_may_stand_in_a_file_and_carry_gains(tmp_path, capsys):
    (tmp_path / "space.yaml").write_text("lr0: [1e-4, 0.1, 2.0]\nclose_mosaic: [0, 5]\n")
    found = read_space(str(tmp_path / "space.yaml"))
    assert found["lr0"] == (1e-4, 0.1, True, False) and found["close_mosaic"] == (0, 5, False, True)
    assert "third number of lr0" in capsys.readouterr().out
    assert not read_space({"lr0": (0.0, 0.1)})["lr0"].logarithmic  # zero has no logarithm


def test_the_usual_ranges_fit_their_arguments():
    found = read_space(None)
    assert list(found) == list(RANGES) and set(found) <= set(searchable())
    for name, about in searchable().items():
        if name in found and about.default is not None:
            assert found[name].low <= about.default <= found[name].high, name


def test_ray_torchrun_and_a_missing_optuna_are_answered(tmp_path, monkeypatch):
    model = YOLO("toybox-n")
    with pytest.raises(SeglabError, match="on every machine or GPU"):
        model.tune(**SMALL, use_ray=True)
    with monkeypatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        with pytest.raises(SeglabError, match="without torchrun"):
            model.tune(**SMALL)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SeglabError, match="pip install optuna"):
        model.tune(**SMALL, project=str(tmp_path))
    assert not list(tmp_path.iterdir())


FOREIGN = {
    "nothing": {},
    "a list of arguments": {"model": "a", "data": "b", "pretrained": True, "arguments": [1], "space": {}},
    "a list for a model": {"model": ["a"], "data": "b", "pretrained": True, "arguments": {}, "space": {}},
    "no space": {"model": "a", "data": "b", "pretrained": True, "arguments": {}, "space": None},
    "a place": {"model": "a", "data": "b", "pretrained": True, "arguments": {"project": "/elsewhere"}, "space": {}},
    "another run": {"model": "a", "data": "b", "pretrained": True, "arguments": {"resume": "/elsewhere"}, "space": {}},
}


@pytest.mark.parametrize("request_of_a_stranger", FOREIGN.values(), ids=FOREIGN)
def test_a_folder_that_tune_has_not_written_is_refused(request_of_a_stranger, tmp_path):
    (tmp_path / REQUEST).write_text(yaml.safe_dump({"written by": "somebody", **request_of_a_stranger}))
    with pytest.raises(SeglabError, match=r"tune\.yaml is not what a study was begun with"):
        read_request(tmp_path)
    with pytest.raises(SeglabError, match=r"tune\.yaml is not what a study was begun with"):
        model_of_study({"resume": str(tmp_path)})


@pytest.fixture
def two_trials(tmp_path):
    """The folder of a study of two trials."""
    search(Trainings(), tmp_path / "tune", iterations=2)
    return tmp_path / "tune"


def test_a_journal_that_is_none_is_named(two_trials):
    for text in ("no journal\n{}\n", "5\n", "[1]\n", '{"op_code": 0}\n', "[" * 100_000 + "\n", "\xff\n"):
        (two_trials / JOURNAL).write_bytes(text.encode("latin-1"))
        with pytest.raises(SeglabError, match=r"study\.journal is not the journal of a study"):
            search(Trainings(), two_trials, resume=str(two_trials))


def test_a_line_that_a_killed_process_has_begun_is_dropped(two_trials):
    whole = (two_trials / JOURNAL).read_bytes()
    (two_trials / JOURNAL).write_bytes(whole + whole.splitlines()[-1][:9])
    after = Trainings()
    assert len(search(after, two_trials, resume=str(two_trials)).trials) == 3 and len(after.given) == 1
    assert (two_trials / JOURNAL).read_bytes().startswith(whole)
