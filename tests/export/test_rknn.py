"""RKNN: converted, simulated and compared in one process; the converter is a stand-in that runs the ONNX file."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

from seglab.errors import SeglabError
from seglab.export import rknn
from seglab.export.exporter import export
from seglab.export.registry import load_runtime

from .conftest import NAMES


class Converter:
    """rknn-toolkit2's converter as seglab uses it; `halved` makes it a faulty one."""

    halved = False

    def __init__(self, verbose=True):
        self.session = None

    def config(self, target_platform):
        self.chip = target_platform
        if not target_platform.startswith("rk3"):
            raise ValueError(f"Traceback:\n  lines\nunknown platform {target_platform}\n")
        return 0

    def load_onnx(self, model):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(model)
        return 0

    def build(self, do_quantization):
        assert not do_quantization
        return 0

    def export_rknn(self, export_path):
        Path(export_path).write_text(self.chip)
        return 0

    def init_runtime(self):
        return 0 if self.session else -1

    def inference(self, inputs, data_format):
        assert data_format == ["nchw"]
        outputs = self.session.run(None, {"images": inputs[0]})
        return [output * (0.5 if self.halved else 1) for output in outputs]


@pytest.fixture
def converter(monkeypatch):
    pytest.importorskip("onnxruntime", reason="the stand-in runs ONNX files")
    api = types.ModuleType("rknn.api")
    api.RKNN = Converter
    monkeypatch.setitem(sys.modules, "rknn", types.ModuleType("rknn"))
    monkeypatch.setitem(sys.modules, "rknn.api", api)
    monkeypatch.setattr(rknn, "_simulated", {})
    return Converter


def test_without_the_converter_the_error_says_how_to_make_its_environment(network, metadata, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rknn", None)
    with pytest.raises(SeglabError, match=r"separate environment.*pip install . rknn-toolkit2"):
        rknn.write(network, tmp_path / "model_rknn_model", metadata)
    assert not list(tmp_path.iterdir())


def test_an_export_is_compared_in_the_simulator_and_opens_nowhere_else(converter, network, tmp_path, capsys):
    """As scripts call it: in the only precision there is, for a chip that is called name."""
    path = export(network, NAMES, "rknn", tmp_path / "best", imgsz=160, name="rk3576")
    assert path == tmp_path / "best_rknn_model"
    assert {file.name for file in path.iterdir()} == {"best-rk3576.rknn", "metadata.yaml"}
    assert "matched detections" in capsys.readouterr().out
    with pytest.raises(SeglabError, match=r"runs on Rockchip's boards only.*ONNX"):
        load_runtime(path)


def test_a_file_that_differs_fails(converter, network, tmp_path, monkeypatch):
    monkeypatch.setattr(converter, "halved", True)
    with pytest.raises(SeglabError, match="does not agree"):
        export(network, NAMES, "rknn", tmp_path / "best", imgsz=160)
    assert not (tmp_path / "best_rknn_model").exists()


def test_what_cannot_be_converted_is_one_sentence(converter, network, metadata, tmp_path):
    metadata = replace(metadata, precision="fp16")
    with pytest.raises(SeglabError, match=r"name=rv1 \(config: unknown platform rv1\): choose one of its chips"):
        rknn.write(network, tmp_path / "model_rknn_model", metadata, chip="rv1")
    with pytest.raises(SeglabError, match="batch=1 instead of 2"):
        rknn.write(network, tmp_path / "model_rknn_model", replace(metadata, batch=2))
    with pytest.raises(SeglabError, match="int8"):
        export(network, NAMES, "rknn", tmp_path / "best", imgsz=160, int8=True, data="toybox8-seg")


def test_a_chip_is_only_for_these_files(network, tmp_path, capsys):
    export(network, NAMES, "torchscript", tmp_path / "best", imgsz=64, name="mine")
    assert "export does not use name='mine'" in capsys.readouterr().out
