import csv
import os
import sys
import types

import torch

from seglab import files as staging_dir
from seglab.drawing.plots import training_curves
from seglab.training import loggers as record
from seglab.training.arguments import make_config
from seglab.training.checkpoint import Progress
from seglab.training.loggers import (
    RunLogger,
    describe_gain,
    epoch_line,
    in_notebook,
    make_row,
    progress_bar,
    tensorboard_writer,
    write_results,
)

ROW = make_row(3, 12.3456, [1.0, 2.0, 3.0, 4.0], {"metrics/mAP50-95(M)": 0.25}, [0.1, 0.1, 0.2])


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
    write_results(tmp_path / "results.csv", [start, ROW])
    with open(tmp_path / "results.csv") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:6] == ["epoch", "time", *(f"train/{term}_loss" for term in ("box", "seg", "cls", "dfl"))]
    assert rows[0]["train/box_loss"] == "" and rows[0]["metrics/mAP50-95(M)"] == "0.125"
    assert training_curves(tmp_path / "results.csv").ndim == 3
    assert epoch_line(start, epochs=100) == "start  mask mAP 0.125"


def history(*masks: float) -> list[dict]:
    """Rows from the start on, with a box mAP a little above the mask mAP."""
    return [{"epoch": n, "metrics/mAP50-95(M)": m, "metrics/mAP50-95(B)": m + 0.05} for n, m in enumerate(masks)]


def test_the_last_line_says_whether_training_helped():
    config = make_config()
    told = describe_gain(history(0.323, 0.3, 0.361, 0.35), 2, config, lr=1e-3)
    assert told == ("training helped: mask mAP 0.361 at epoch 2, 0.323 at the start; box mAP 0.411, 0.373 at the start")
    told = describe_gain(history(0.323, 0.3, 0.361, 0.32), 2, config, lr=1e-3)
    assert "training helped" in told and "the last epoch is below the start (0.320)" in told and "lr0=0.0003" in told
    told = describe_gain(history(0.323, 0.3, 0.31), 0, make_config(freeze_bn=True, freeze=10), lr=1e-3)
    assert told.startswith("training did not help: no epoch is better than the start (mask mAP 0.323")
    assert "freeze" not in told and "lr0=0.0003" in told
    assert describe_gain(history(0.3)[1:] + [ROW], 1, config, lr=1e-3) == describe_gain([], 0, config, 1.0) == ""


def test_a_log_file_gets_no_bars(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    batches = [1, 2]
    assert progress_bar(batches, "epoch") is batches


def test_a_notebook_gets_one_bar_instead_of_lines(monkeypatch, tmp_path, capsys):
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert in_notebook()
    bars = []

    class Bar:
        def __init__(self, **options):
            bars.append(options)
            self.count, self.text = options["initial"], ""

        def update(self):
            self.count += 1

        def set_postfix_str(self, text):
            self.text = text

        def close(self):
            bars.append((self.count, self.text))

    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    monkeypatch.setattr(record, "tensorboard_writer", lambda folder: None)
    journal = RunLogger(tmp_path, {}, epochs=3, save=False)
    tensors, progress = {"average/w": torch.ones(1)}, Progress(epoch=2)
    journal.begin(tensors, progress)
    progress.epoch, progress.history = 3, [ROW]
    journal.add(tensors, progress, better=True)
    journal.end(tensors, progress)
    assert capsys.readouterr().out == ""
    assert bars[0]["total"] == 3
    assert bars[1] == (3, "box 1.000  seg 2.000  cls 3.000  dfl 4.000  mask mAP 0.250")


def test_tensorboard_is_used_only_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # importing it fails
    assert tensorboard_writer(tmp_path) is None
    fake = types.SimpleNamespace(SummaryWriter=lambda folder: ("writer", folder))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    assert tensorboard_writer(tmp_path) == ("writer", str(tmp_path))


def test_a_spreadsheet_that_holds_the_table_ends_no_run(monkeypatch, tmp_path, capsys):
    """As on Windows."""
    journal = RunLogger(tmp_path, {}, epochs=3, save=False)
    tensors, progress = {"average/w": torch.ones(1)}, Progress(epoch=3, history=[ROW])
    replace, held = os.replace, [True]

    def busy(source, target):
        if held[0] and str(target).endswith(".csv"):
            raise PermissionError("open in another program")
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(staging_dir, "REPLACE_WAITS", ())
    journal.add(tensors, progress, better=True)
    assert "results.csv is open in another program" in capsys.readouterr().out
    assert not (tmp_path / "results.csv").exists()
    held[0] = False
    journal.end(tensors, progress)
    assert (tmp_path / "results.csv").read_text().count("\n") == 2
