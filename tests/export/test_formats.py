"""Every other format: written, run and compared where its package is installed."""

from __future__ import annotations

import copy
import platform
from dataclasses import replace

import pytest
import torch

from seglab.errors import SeglabError
from seglab.export import exporter
from seglab.export.inference_model import InferenceModel
from seglab.export.registry import FORMATS, load_runtime

from .written import written

OTHERS = [name for name in FORMATS if name not in ("onnx", "pt2")]  # those have files of their own
CASES = [(name, precision) for name in OTHERS for precision in FORMATS[name].PRECISIONS if precision != "int8"]


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_it_agrees_and_says_what_it_is(name, precision, network, images, metadata, tmp_path):
    metadata = replace(metadata, precision=precision)
    path = written(name, network, metadata, tmp_path)
    if name == "coreml" and platform.system() != "Darwin":
        with pytest.raises(SeglabError, match="macOS"):
            load_runtime(path, trust=True)
        return
    runtime = load_runtime(path, trust=True)
    assert runtime.metadata == metadata
    (expected, prototypes), (given, other) = InferenceModel(network)(images), runtime.forward(images)
    pixels, share = (2e-3, 1e-4) if precision == "fp32" else (1.0, 2e-2)
    assert (given[:, :4] - expected[:, :4]).abs().max() < pixels
    assert (given[:, 4:] - expected[:, 4:]).abs().max() < share
    assert (other - prototypes).abs().max() < share

    described = replace(metadata, parity={"mask IoU, mean": {"value": 1.0, "limit": 0.999, "ok": True}})
    FORMATS[name].write_metadata(path, described)
    again = load_runtime(path, trust=True)
    assert again.metadata == described
    torch.testing.assert_close(again.forward(images)[0], given)


@pytest.mark.parametrize("name", ["torchscript", "executorch", "coreml"])  # by tracing, twice by torch.export
def test_a_network_is_exported_as_training_leaves_it(name, network, images, metadata, tmp_path):
    """In channels_last, which ExecuTorch's lowering does not take."""
    trained = copy.deepcopy(network).to(memory_format=torch.channels_last)
    strides = [tensor.stride() for tensor in InferenceModel(trained).state_dict().values()]
    assert strides == [tensor.stride() for tensor in InferenceModel(network).state_dict().values()]
    path = written(name, trained, metadata, tmp_path)
    if name != "coreml":
        (expected, _), (given, _) = InferenceModel(network)(images), load_runtime(path, trust=True).forward(images)
        assert (given[:, :4] - expected[:, :4]).abs().max() < 2e-3


@pytest.mark.parametrize("name", ["torchscript", "openvino", "engine"])
def test_dynamic_files_take_other_shapes(name, network, smooth, metadata, tmp_path):
    exporter._refuse_unsupported(name, FORMATS[name], exporter.ExportConfig(dynamic=True))  # refuses nothing
    runtime = load_runtime(written(name, network, replace(metadata, dynamic=True), tmp_path), trust=True)
    for batch, size in ((1, (160, 160)), (2, (96, 224)), (5, (64, 64))):
        images = smooth(batch, size, seed=4)
        (expected, _), (given, _) = InferenceModel(network)(images), runtime.forward(images)
        assert (given[:, :4] - expected[:, :4]).abs().max() < 2e-3


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("executorch", "coreml", "engine")])
def test_a_damaged_file_is_one_clear_error(name, tmp_path):
    path = tmp_path / f"model{FORMATS[name].SUFFIX}"
    if FORMATS[name].SUFFIX.startswith("."):
        path.write_bytes(b"no model at all")
    else:
        path.mkdir()
    with pytest.raises(SeglabError):
        load_runtime(path, trust=True)
