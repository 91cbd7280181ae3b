"""The demo leaves what its closing table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seglab.cli import main


def test_the_demo_leaves_what_its_table_says(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    assert main(["demo", "epochs=2", "imgsz=160", f"out={tmp_path}/demo"]) == 0
    told = capsys.readouterr().out.split("seglab demo\n")[-1]
    table = dict(line.strip().split("  ", 1) for line in told.splitlines())
    for what in ("weights", "training curves", "ONNX file"):
        assert Path(table[what].strip()).is_file()
    assert len(list(Path(table["annotated images"].strip()).glob("*.jpg"))) == 16
    assert Path(table["validation curves"].strip(), "MaskPR_curve.png").is_file()
    before, after = re.findall(r"\d\.\d+", table["mask mAP50-95"])
    assert 0 <= float(before) < float(after) <= 1
