"""A fused copy is kept until a weight, the device or the type changes; an engine is opened once for each use."""

from __future__ import annotations

import pytest
import torch

from seglab.errors import SeglabError
from seglab.export import inference_cache
from seglab.export.inference_cache import InferenceCache
from seglab.model.transfer import init_network

NAMES = {0: "cup", 1: "ball"}


@pytest.fixture
def network():
    return init_network("n", 2, seed=0)


def test_a_fused_copy_is_made_anew_when_a_weight_has_changed(network):
    cache = InferenceCache()
    first = cache.fused(network, "cpu")
    assert cache.fused(network, "cpu") is first is cache.model
    assert cache.fused(network, "cpu", torch.float64) is not first
    second = cache.fused(network, "cpu")
    with torch.no_grad():
        next(network.parameters()).add_(1)
    assert cache.fused(network, "cpu") is not second


def test_hooks_are_in_the_copy_as_long_as_they_are_there(network):
    cache = InferenceCache()
    images = torch.zeros(1, 3, 64, 64)
    cache.fused(network, "cpu")(images)  # a copy without
    shapes = []
    handle = network.model[9].register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape)))
    for _ in range(2):
        cache.fused(network, "cpu")(images)
    handle.remove()
    cache.fused(network, "cpu")(images)
    assert shapes == [(1, 256, 2, 2)] * 2


def test_bfloat16_without_units_is_refused(network, monkeypatch):
    monkeypatch.setattr(inference_cache, "has_bf16_units", lambda: False)
    with pytest.raises(SeglabError, match="precision=bf16 would be slower"):
        InferenceCache().fused(network, "cpu", torch.bfloat16)
    assert InferenceCache().engine(network, NAMES, (64, 64), "bf16", 1) is None


def test_an_engine_is_looked_for_once(network, monkeypatch):
    asked = []
    monkeypatch.setattr("seglab.export.engine.engine_file", lambda *given: asked.append(given))
    cache = InferenceCache()
    assert (
        cache.engine(network, NAMES, (64, 64), "fp32", 1) is None is cache.engine(network, NAMES, (64, 64), "fp32", 1)
    )
    assert len(asked) == 1
    cache.engine(network, NAMES, (64, 64), "fp32", 2)
    assert len(asked) == 2, "for more threads at once it is opened anew"


def test_a_damaged_engine_is_left_for_pytorch(network, monkeypatch, capsys, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"no graph")
    monkeypatch.setattr("seglab.export.engine.engine_file", lambda *given: path)
    assert InferenceCache().engine(network, NAMES, (64, 64), "fp32", 1) is None
    assert f"{path} is damaged: delete it" in capsys.readouterr().out
