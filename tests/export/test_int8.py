"""Int8 shrinks the file, leaves the head's last layers alone and stays near."""

from __future__ import annotations

from dataclasses import replace

import onnx
import pytest

from seglab.export.inference_model import InferenceModel
from seglab.export.int8 import FLOAT_LAYERS
from seglab.export.onnx import load, write

pytest.importorskip("onnxruntime")


def test_int8_is_small_near_and_spares_the_last_layers(network, images, metadata, tmp_path, smooth):
    paths = [tmp_path / f"{precision}.onnx" for precision in ("fp32", "int8")]
    calibration = [smooth(1, seed=seed) for seed in range(4)]
    write(network, paths[0], metadata)
    write(network, paths[1], replace(metadata, precision="int8"), calibration)
    assert paths[1].stat().st_size < 0.35 * paths[0].stat().st_size

    convolutions = {node.name: node for node in onnx.load(paths[1]).graph.node if node.op_type == "Conv"}
    made_by = {output: node.op_type for node in onnx.load(paths[1]).graph.node for output in node.output}
    in_float = {name for name, node in convolutions.items() if made_by.get(node.input[1]) != "DequantizeLinear"}
    assert in_float == set(FLOAT_LAYERS)

    given, expected = load(paths[1]).forward(images), InferenceModel(network)(images)
    assert (given[0][:, :4] - expected[0][:, :4]).abs().mean() < 1.0  # pixels
    assert (given[0][:, 4:7] - expected[0][:, 4:7]).abs().mean() < 0.05
    assert load(paths[1]).metadata == replace(metadata, precision="int8")
