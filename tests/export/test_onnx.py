"""An ONNX file computes what the network computes, and knows what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from seglab.errors import SeglabError
from seglab.export.inference_model import InferenceModel
from seglab.export.onnx import OPSET, load, write

pytest.importorskip("onnxruntime")


def boxes_apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a[:, :4] - b[:, :4]).abs().max().item()


@pytest.fixture(scope="session")
def static_file(network, tmp_path_factory):
    from seglab.export.metadata import ModelMetadata

    metadata = ModelMetadata(names={0: "circle", 1: "square", 2: "star"}, size=(160, 160), license="Apache-2.0")
    path = tmp_path_factory.mktemp("static") / "model.onnx"
    write(network, path, metadata)
    return path


def test_a_static_file_agrees_at_any_batch_size(network, images, static_file):
    runtime = load(static_file)
    assert runtime.size == (160, 160)
    for batch in (images, images[:1]):
        expected, given = InferenceModel(network)(batch), runtime.forward(batch)
        assert given[0].shape == expected[0].shape and given[1].shape == expected[1].shape
        assert boxes_apart(given[0], expected[0]) < 1e-3
        torch.testing.assert_close(given[0], expected[0], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(given[1], expected[1], rtol=1e-3, atol=1e-4)


def test_a_fixed_batch_larger_than_one_is_padded_and_cut(network, images, metadata, tmp_path):
    path = tmp_path / "two.onnx"
    write(network, path, replace(metadata, batch=2))
    given = load(path).forward(images)  # three images through a file for two
    assert boxes_apart(given[0], InferenceModel(network)(images)[0]) < 1e-3


def test_a_dynamic_file_takes_other_batches_and_sizes(network, metadata, tmp_path):
    path = tmp_path / "dynamic.onnx"
    write(network, path, replace(metadata, dynamic=True))
    runtime = load(path)
    assert runtime.size is None
    for shape in ((1, 3, 160, 160), (2, 3, 96, 224), (3, 3, 256, 64)):
        batch = torch.rand(shape, generator=torch.Generator().manual_seed(2))
        expected, given = InferenceModel(network)(batch), runtime.forward(batch)
        assert given[0].shape == expected[0].shape and given[1].shape == expected[1].shape
        assert boxes_apart(given[0], expected[0]) < 1e-3


def test_half_precision_keeps_float32_outside_and_stays_near(network, images, metadata, tmp_path, static_file):
    path = tmp_path / "half.onnx"
    write(network, path, replace(metadata, precision="fp16"))
    assert path.stat().st_size < 0.6 * static_file.stat().st_size
    graph = onnx.load(path).graph
    assert {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)} == {onnx.TensorProto.FLOAT}
    given, expected = load(path).forward(images), InferenceModel(network)(images)
    assert boxes_apart(given[0], expected[0]) < 2.0
    assert (given[0][:, 4:7] - expected[0][:, 4:7]).abs().max() < 0.02


def test_the_file_is_valid_whole_and_described(static_file, metadata):
    graph = onnx.load(static_file, load_external_data=False)
    onnx.checker.check_model(graph, full_check=True)
    assert [opset.version for opset in graph.opset_import if opset.domain == ""] == [OPSET]
    assert not any(tensor.external_data for tensor in graph.graph.initializer)
    assert [entry.name for entry in graph.graph.input] == ["images"]
    assert [entry.name for entry in graph.graph.output] == ["output0", "output1"]
    assert load(static_file).metadata == metadata


def test_a_wrong_size_is_refused_with_the_right_one(static_file):
    with pytest.raises(SeglabError, match=r"\(160, 160\).*\(96, 96\)"):
        load(static_file).forward(torch.zeros(1, 3, 96, 96))


def test_a_foreign_file_without_description_is_refused(tmp_path):
    node = onnx.helper.make_node("Identity", ["images"], ["out"])
    value = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 3, 32, 32]) for n in ("images", "out")]
    graph = onnx.helper.make_graph([node], "g", value[:1], value[1:])
    opset = [onnx.helper.make_opsetid("", OPSET)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "x.onnx")
    with pytest.raises(SeglabError, match="class names"):
        load(tmp_path / "x.onnx")


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(np.arange(99, dtype=np.uint8).tobytes())
    with pytest.raises(SeglabError, match="damaged"):
        load(tmp_path / "x.onnx")


def test_the_session_uses_as_many_threads_as_torch(static_file, monkeypatch):
    import onnxruntime

    seen = []
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda p, o, **k: seen.append(o.intra_op_num_threads) or real(p, o, **k)
    )
    load(static_file)
    assert seen == [torch.get_num_threads()]


@pytest.mark.parametrize("where", ["weights", "constant"])
def test_weights_in_other_files_are_refused(network, metadata, tmp_path, where):
    path = tmp_path / "model.onnx"
    write(network, path, metadata)
    graph = onnx.load(path)
    tensor = graph.graph.initializer[0]
    if where == "constant":
        node = graph.graph.node.add(op_type="Constant", output=["stolen"])
        node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
        tensor = node.attribute[0].t
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(SeglabError, match="in another file, which could be any"):
        load(path)
