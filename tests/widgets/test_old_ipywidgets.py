"""The tools on ipywidgets 7.7.1, which Colab has: each is made and drawn again, in a Python of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

OLD = ("ipywidgets==7.7.1", "jupyterlab-widgets==1.1.1", "ipython-genutils==0.2.0")
SCRIPT = """
import ipywidgets
from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.data.collate import collate
from seglab.data.dataset import SegmentationDataset
from seglab.widgets import assignment, distribution, explore, overlap_explorer, prototypes

assert ipywidgets.__version__ == "7.7.1", ipywidgets.__file__
model, dataset = YOLO("toybox-n"), SegmentationDataset(load_dataset("toybox8-seg"), "val", 320)
sample, batch = dataset.sample(0), collate([dataset[0], dataset[1]])
for panel, control, value in (
    (explore(model, "toybox8-seg"), "mask", 0.9),
    (explore(model.predict(sample.image[..., ::-1])), "opacity", 0.9),
    (prototypes(model, sample), "c0", 1.0),
    (distribution(model, sample), "object", 2),
    (overlap_explorer(model, sample), "overlap", 0.1),
    (assignment(model, batch), "point", 2),
):
    before = panel.image.value
    panel[control].value = value
    assert panel.image.value != before and "seglab-panel" in panel.view._dom_classes
    for widget in panel.controls.values():
        assert getattr(widget, "tooltip", None) or widget.description_tooltip
    print(panel.title)
"""


def test_every_tool_works_on_colabs_ipywidgets(tmp_path):
    words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path), *OLD]
    fetched = subprocess.run(words, capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"pip could not fetch ipywidgets 7.7.1: {fetched.stderr.strip()[-300:]}")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SEGLAB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = [line.split(",")[0] for line in done.stdout.splitlines()]
    assert names == ["val: 4 images"] + ["mask explorer"] * 2 + [  # the dataset that is explored comes first
        "prototype mixer", "sides as distributions", "overlap explorer", "assignment",
    ]  # fmt: skip
