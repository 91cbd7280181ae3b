"""OpenVINO folders: whose graph may have any name, in int8, and without a word to its maker."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from seglab.errors import SeglabError
from seglab.export import openvino
from seglab.export.inference_model import InferenceModel
from seglab.export.registry import FORMATS, load_runtime


def test_the_graph_of_a_folder_may_have_any_name(tmp_path):
    with pytest.raises(SeglabError, match=r"one \.xml file.*contains none"):
        openvino.find_graph(tmp_path)
    (tmp_path / "yolo11n-seg.xml").touch()
    assert openvino.find_graph(tmp_path).name == "yolo11n-seg.xml"
    (tmp_path / "other.xml").touch()
    with pytest.raises(SeglabError, match=r"contains other\.xml, yolo11n-seg\.xml"):
        openvino.find_graph(tmp_path)
    (tmp_path / "model.xml").touch()
    assert openvino.find_graph(tmp_path).name == "model.xml"


def test_openvino_in_int8(network, images, smooth, metadata, tmp_path):
    pytest.importorskip("openvino")
    pytest.importorskip("onnxruntime")
    path = tmp_path / f"model{FORMATS['openvino'].SUFFIX}"
    calibration = [smooth(1, seed=seed) for seed in range(4)]
    FORMATS["openvino"].write(network, path, replace(metadata, precision="int8"), calibration)
    (expected, _), (given, _) = InferenceModel(network)(images), load_runtime(path).forward(images)
    assert (given[:, :4] - expected[:, :4]).abs().mean() < 1.0
    assert (given[:, 4:7] - expected[:, 4:7]).abs().mean() < 0.05


def test_openvino_reports_nothing_to_its_maker():
    pytest.importorskip("openvino")
    import subprocess

    script = (
        "import seglab.export.openvino as module, sys; module._package(); "
        "print(sys.modules.get('openvino_telemetry', 'absent'))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"  # which is how Python marks a module that cannot be imported
