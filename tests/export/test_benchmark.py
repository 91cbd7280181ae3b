"""The table has a line for every format, also for those that could not be made."""

from __future__ import annotations

import csv

import torch

from seglab.cli import main
from seglab.datasets.load import load_dataset
from seglab.export import benchmark as module
from seglab.export.benchmark import PUBLISHED, benchmark, interleaved, official_map, published_table
from seglab.model.weights import Weights
from seglab.model.yolo11 import YOLO11Seg


def test_one_line_a_format_with_its_status(tmp_path, capsys):
    torch.manual_seed(0)
    names = {index: str(index) for index in range(10)}
    lines = benchmark(YOLO11Seg("n", 10).eval(), names, imgsz=64, formats=["torchscript", "engine"], out=tmp_path)
    found = {(line.format, line.precision): line for line in lines}
    assert set(found) == {
        (name, kind) for name in ("pytorch", "torchscript", "engine") for kind in ("fp32", "fp16")
    } - {("pytorch", "fp16")}
    plain, traced = found["pytorch", "fp32"], found["torchscript", "fp32"]
    assert traced.status == "ok" and traced.milliseconds > 0 and 5 < traced.megabytes < 20
    assert (plain.box_map, plain.mask_map) == (traced.box_map, traced.mask_map)
    if not torch.cuda.is_available():
        assert "NVIDIA" in found["engine", "fp32"].status and found["engine", "fp32"].milliseconds is None
    assert "| torchscript | fp32 |" in capsys.readouterr().out
    assert (tmp_path / "benchmark.md").read_text().count("\n") == len(lines) + 2
    assert len(list(csv.reader((tmp_path / "benchmark.csv").open()))) == len(lines) + 1
    assert (tmp_path / "benchmark.png").stat().st_size > 1000


def test_rounds_are_interleaved():
    turns = []
    forwards = {(name, ""): lambda images, name=name: turns.append(name) for name in "ab"}
    seconds = interleaved(forwards, torch.zeros(1), rounds=4)
    assert turns[-8:] == list("abababab") and all(len(times) == 4 for times in seconds.values())


def test_the_published_table_counts_as_published(monkeypatch):
    for scale in "mlx":  # counting the large ones takes seconds and shows nothing more
        monkeypatch.delitem(PUBLISHED, scale)
    small, medium = published_table().splitlines()[2:]
    assert "- (32.0) | - (38.9) | 2.9 (2.9)" in small and "10.1 (10.1)" in medium


def test_the_command_line_has_both_tables(tmp_path, monkeypatch, capsys):
    words = ["model=toybox-n", "data=toybox8-seg", "imgsz=64", "formats=engine,tensorrt", f"out={tmp_path / 'b'}"]
    assert main(["benchmark", *words]) == 0
    assert "| engine | fp16 |" in capsys.readouterr().out and (tmp_path / "b/benchmark.png").exists()
    for scale in "smlx":
        monkeypatch.delitem(PUBLISHED, scale)
    assert main(["benchmark", "table"]) == 0
    assert "YOLO11n-seg | - (32.0)" in capsys.readouterr().out
    assert main(["benchmark", "table", "data=nowhere"]) == 2
    assert main(["benchmark", "tables"]) == 2 and main(["benchmark", "model=toybox-n", "imgs=3"]) == 2


def test_official_weights_and_coco_fill_the_table(tmp_path, monkeypatch, datasets_folder):
    """With weights of the right shapes under the official name, on a dataset with COCO's classes, found by name."""
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    photos = str(datasets_folder / "coco8-seg.yaml")
    assert official_map("n", load_dataset(photos)) is None  # no weights, and none are fetched
    (tmp_path / "yolo11n-seg.pt").touch()
    monkeypatch.setattr(module, "load_weights", lambda path: Weights(YOLO11Seg("n").state_dict(), {}))
    assert all(0 <= value <= 1 for value in official_map("n", load_dataset(photos)))

    for scale in "smlx":
        monkeypatch.delitem(PUBLISHED, scale)
    monkeypatch.setattr(module, "official_map", lambda scale, spec: (0.3204, 0.389))
    assert "| 32.0 (32.0) | 38.9 (38.9) |" in published_table(photos)
    assert "| - (32.0) | - (38.9) |" in published_table()  # counts only, whatever lies on the machine
