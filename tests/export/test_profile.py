"""How fast a network is, in a line."""

from __future__ import annotations

import re

import torch

from seglab.export import profile as module
from seglab.export.profile import milliseconds, profile
from seglab.model.yolo11 import YOLO11Seg


def test_the_line_has_size_and_latency(monkeypatch):
    network = YOLO11Seg("n", 2).eval()
    told = profile(network, {0: "a", 1: "b"}, 64)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert f"{parameters:,} parameters" in told
    times = [float(number) for number in re.findall(r"([\d.]+) ms", told)]
    assert len(times) in (1, 2) and all(0 < time < 60_000 for time in times)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert profile(network, {0: "a", 1: "b"}, 64).endswith("onnxruntime is not installed")


def test_the_median_run_counts(monkeypatch):
    laps = iter([0, 9.0, 0, 1.0, 0, 2.0, 0, 3.0, 0, 100.0])
    monkeypatch.setattr(module.Clock, "lap", lambda clock: next(laps))
    calls = []
    assert milliseconds(calls.append, torch.zeros(1), torch.device("cpu")) == 3.0
    assert len(calls) == 6  # the first is not timed
