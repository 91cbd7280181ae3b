"""Engine files: metadata before the engine's own bytes. What an engine computes is tested where there is a GPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seglab.errors import SeglabError
from seglab.export import tensorrt


def test_metadata_is_replaced_and_the_engine_stays(metadata, tmp_path):
    path = tmp_path / "model.engine"
    engine = bytes(range(256)) * 40
    tensorrt._save(path, metadata, engine)
    assert tensorrt._read(path) == (metadata, engine)
    longer = replace(metadata, parity={"mask IoU, mean": {"value": 1.0, "limit": 0.999, "ok": True}})
    tensorrt.write_metadata(path, longer)
    assert tensorrt._read(path) == (longer, engine)
    tensorrt.write_metadata(path, metadata)
    assert tensorrt._read(path) == (metadata, engine)


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff\xff", b"\x04\x00\x00\x00no}{" + b"engine", b"no model at all"])
def test_a_file_without_metadata_is_one_clear_error(data, tmp_path):
    path = tmp_path / "model.engine"
    path.write_bytes(data)
    with pytest.raises(SeglabError):
        tensorrt._read(path)


def test_without_a_gpu_the_way_out_is_named(network, metadata, tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt, "runs_here", lambda: False)
    with pytest.raises(SeglabError, match="needs an NVIDIA GPU: export to onnx here"):
        tensorrt.write(network, tmp_path / "model.engine", metadata)
    assert not list(tmp_path.iterdir())
