"""The fast engine is made once, agrees, and is found again."""

from __future__ import annotations

import pytest
import torch

from seglab.export import engine
from seglab.export.deployed import Deployed

NAMES = {0: "circle", 1: "square", 2: "star"}


def test_it_is_made_once_and_agrees(network, smooth, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"onnx": "onnxruntime"})
    first = engine.fastest(network, NAMES, (96, 96))
    monkeypatch.setattr(engine, "verify", lambda *arguments: pytest.fail("verified twice"))
    again = engine.fastest(network, NAMES, (96, 96))
    assert first.path == again.path and again.description.parity and again.size is None
    images = smooth(2, (64, 128), seed=3)
    for given, expected in zip(again.forward(images), Deployed(network)(images)):
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-3)


def test_without_an_engine_there_is_none(network, monkeypatch, tmp_path):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"onnx": "no_such_package"})
    assert engine.fastest(network, NAMES) is None
    assert not list(tmp_path.iterdir())
