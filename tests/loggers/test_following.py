"""Following a training, whatever the tracker."""

import json
import types

import pytest

from seglab.errors import SeglabError
from seglab.loggers import following
from seglab.loggers.following import Following, as_plain, first_line, project_name
from tests.loggers.followed import follow, make_folder, resume


@pytest.fixture
def noted(monkeypatch):
    """What a tracker of this name was told."""
    told = []

    def log(run, values, epoch):
        if told and told[-1] == "break":
            raise OSError("the server\nis away")
        told.append((epoch, values))

    tracker = types.SimpleNamespace(
        PACKAGE="json",
        start=lambda about: told.append(about) or "run",
        identity=lambda run: "number 7",
        log=log,
        log_files=lambda run, images, weights: told.append([*(path.name for path in images), weights.name]),
        close=lambda run: told.append("closed"),
    )
    for module in (following, following.require_installed.__globals__):
        table = module["TRACKERS"] if isinstance(module, dict) else module.TRACKERS
        monkeypatch.setitem(table, "noted", tracker)
    return told


def test_a_tracker_is_told_what_results_csv_has_and_then_the_files(noted, tmp_path):
    folder = make_folder(tmp_path / "train3")
    follow("noted", folder)
    about, *rows, files, closed = noted
    assert (about.name, about.project, about.folder, about.resumes) == ("train3", "vines", folder, None)
    assert about.arguments["lr0"] == 0.01 and about.arguments["freeze"] == [1, 2]
    assert [epoch for epoch, _ in rows] == [0, 1, 2]
    assert rows[2][1] == {"epoch": 2, "time": 1.5, "train/box_loss": 0.5, "metrics/mAP50-95(M)": 0.5}
    assert files == ["results.png", "best.pt"] and closed == "closed"


def test_a_resumed_training_goes_on_in_the_same_run(noted, tmp_path):
    folder = make_folder(tmp_path / "train")
    follow("noted", folder)
    assert json.loads((folder / "loggers.json").read_text()) == {"noted": "number 7"}
    noted.clear()
    resume("noted", folder)
    about, *rows, _, _ = noted
    assert about.resumes == "number 7" and [epoch for epoch, _ in rows] == [3]


def test_a_tracker_that_fails_on_the_way_ends_no_training(noted, tmp_path, monkeypatch, capsys):
    start = following.TRACKERS["noted"].start
    monkeypatch.setattr(following.TRACKERS["noted"], "start", lambda about: (start(about), noted.append("break"))[0])
    follow("noted", make_folder(tmp_path / "train"))
    assert noted[1:] == ["break", "closed"]
    said = capsys.readouterr().out
    assert said == "noted could not take epoch 0 (the server): training continues without it\n"


def test_one_that_does_not_start_is_named_before_the_first_epoch(noted, tmp_path, monkeypatch):
    def refuse(about):
        raise ValueError("no API key")

    monkeypatch.setattr(following.TRACKERS["noted"], "start", refuse)
    with pytest.raises(SeglabError, match=r"loggers=noted did not start \(no API key\)"):
        follow("noted", make_folder(tmp_path / "train"))


def test_an_interrupted_training_closes_its_runs(noted, tmp_path):
    trackers = Following(["noted"])
    trackers.runs["noted"] = "run"
    with pytest.raises(KeyboardInterrupt), trackers:
        raise KeyboardInterrupt
    assert noted == ["closed"]


def test_without_trackers_nothing_is_called():
    assert Following([]).functions() == {}


def test_arguments_become_plain(tmp_path):
    assert as_plain((1, None, tmp_path)) == [1, None, str(tmp_path)]
    assert project_name("runs/vines") == "vines" and project_name(None) is None
    assert first_line(ValueError("one\ntwo")) == "one" and first_line(KeyError()) == "KeyError"
