"""A crowded scene at 4K: three hundred detections on 3840 x 2160 pixels, in a whole process under one gigabyte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seglab.toybox.dataset import generate_dataset

LIMIT = 1000  # MB of the process, interpreter and libraries included; as pixels the masks alone could take 2500
# Not getrusage, which counts what the parent process held when it started this one.
MEASURE = "print('PEAK', next(int(row.split()[1]) for row in open('/proc/self/status') if row[:6] == 'VmHWM:') / 1024)"
VALIDATE = """
import sys
from seglab import YOLO
folder, ground_truth = sys.argv[1:]
YOLO("toybox-n").val(data=ground_truth, conf=0.0, save_json=True, project=folder, name="run", batch=1, workers=0)
"""
EVALUATE = """
import sys
from seglab.cli import main
assert main(["evaluate", *sys.argv[1:]]) == 0
"""


def peak(script: str, *arguments: str) -> tuple[float, str]:
    """Run a script in a fresh process -> the most memory it held in MB, and what it printed."""
    command = [sys.executable, "-c", script + MEASURE, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    printed, _, figure = done.stdout.rpartition("PEAK")
    return float(figure), printed


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="a process's peak is read as Linux tells it")
def test_three_hundred_detections_at_4k_stay_under_a_gigabyte(tmp_path):
    generate_dataset(tmp_path / "wide", 1, seed=3, size=(2160, 3840), val=1)
    ground_truth = tmp_path / "wide" / "annotations" / "instances_val.json"
    assert (json.loads(ground_truth.read_text())["images"][0]["width"]) == 3840
    validating, _ = peak(VALIDATE, tmp_path, ground_truth)
    results = tmp_path / "run" / "predictions.json"
    found = json.loads(results.read_text())
    assert len(found) == 300 and found[0]["segmentation"]["size"] == [2160, 3840]
    evaluating, printed = peak(EVALUATE, f"gt={ground_truth}", f"dt={results}", "iou_type=segm", "json=True")
    assert len(json.loads(printed)) == 12
    print(f"validation {validating:.0f} MB, evaluation of the files {evaluating:.0f} MB")
    assert validating < LIMIT and evaluating < LIMIT
