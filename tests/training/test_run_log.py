import csv
import os
import sys

from seglab import files
from seglab.drawing.plots import training_curves
from seglab.notebooks import Display
from seglab.training import run_log
from seglab.training.run_log import (
    CsvLogger,
    RunLogger,
    SilentLogger,
    epoch_line,
    make_row,
    progress_bar,
    write_results,
)

LOSSES = {"box": 1.0, "seg": 2.0, "cls": 3.0, "dfl": 4.0}
ROW = make_row(3, 12.3456, LOSSES, {"metrics/mAP50-95(M)": 0.25}, [0.1, 0.1, 0.2])


def test_results_are_a_table_that_the_plots_read(tmp_path):
    first = {name: value for name, value in ROW.items() if not name.startswith("metrics")}
    write_results(tmp_path / "results.csv", [{**first, "epoch": 2}, ROW])
    with open(tmp_path / "results.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["2", "3"]
    assert rows[0]["metrics/mAP50-95(M)"] == "" and rows[1]["metrics/mAP50-95(M)"] == "0.25"
    assert rows[1]["train/dfl_loss"] == "4" and rows[1]["lr/pg2"] == "0.2" and rows[1]["time"] == "12.346"
    assert training_curves(tmp_path / "results.csv").ndim == 3


def test_an_epoch_is_one_line():
    line = epoch_line(ROW, epochs=100)
    assert line == "epoch   3/100  box 1.000  seg 2.000  cls 3.000  dfl 4.000  mask mAP 0.250"


def test_the_start_is_a_row_without_losses(tmp_path):
    start = {"epoch": 0, "time": 1.0, "metrics/mAP50-95(M)": 0.125}
    CsvLogger(tmp_path / "results.csv").log([start, ROW])
    with open(tmp_path / "results.csv") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:6] == ["epoch", "time", *(f"train/{term}_loss" for term in ("box", "seg", "cls", "dfl"))]
    assert [row["epoch"] for row in rows] == ["0", "3"]
    assert rows[0]["train/box_loss"] == "" and rows[0]["metrics/mAP50-95(M)"] == "0.125"
    assert training_curves(tmp_path / "results.csv").ndim == 3
    assert epoch_line(start, epochs=100) == "start  mask mAP 0.125"


def test_a_log_file_gets_no_bars(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    batches = [1, 2]
    assert progress_bar(batches, "epoch") is batches


def test_a_notebook_gets_a_display_instead_of_lines(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run_log, "in_notebook", lambda: True)
    told = []
    monkeypatch.setattr(Display, "show", lambda display, html, text: told.append(text))
    logger = RunLogger(tmp_path, epochs=3, done=2)
    assert list(logger.progress_bar([{}, {}], "epoch 3/3")) == [{}, {}]
    logger.log([ROW])
    logger.close([ROW])
    assert capsys.readouterr().out == ""
    assert told[0].startswith("training: 2/3 epochs") and told[-1].startswith("training: 3/3 epochs")
    assert "epoch 3  mask mAP 0.250" in told
    quiet = RunLogger(tmp_path, epochs=3, verbose=False)
    batches = [{}]
    assert quiet.progress_bar(batches, "epoch 1/3") is batches


def test_a_spreadsheet_that_holds_the_table_ends_no_run(monkeypatch, tmp_path, capsys):
    """As on Windows."""
    logger = RunLogger(tmp_path, epochs=3)
    replace, held = os.replace, [True]

    def busy(source, target):
        if held[0] and str(target).endswith(".csv"):
            raise PermissionError("open in another program")
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(files, "REPLACE_WAITS", ())
    logger.log([ROW])
    assert "results.csv is open in another program" in capsys.readouterr().out
    assert not (tmp_path / "results.csv").exists()
    held[0] = False
    logger.close([ROW])
    assert (tmp_path / "results.csv").read_text().count("\n") == 2


def test_other_processes_than_the_first_log_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    logger, batches = SilentLogger(), [1, 2]
    logger.say("hello")
    logger.log([ROW])
    logger.close([ROW])
    assert logger.progress_bar(batches, "epoch") is batches
    assert capsys.readouterr().out == "" and not list(tmp_path.iterdir())
