"""LiteRT files: metadata in an archive after the model, and integer ends; the interpreter is a stand-in."""

from __future__ import annotations

import json
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from seglab.errors import SeglabError
from seglab.export import litert
from seglab.export.inference_model import InferenceModel
from seglab.export.registry import load_runtime

from .other_tool import NAMES, SIZE, OtherTool, foreign_strings


@pytest.fixture(scope="module")
def images(smooth):
    return smooth(3, SIZE, seed=2)


PREDICTION_STEP, PROTOTYPE_STEP = 0.004, 0.02  # what one step of integer outputs stands for


class Interpreter:
    """LiteRT's interpreter as seglab uses it, around a torch module, with float or integer ends."""

    module: nn.Module
    ends = None  # dtype and (scale, zero) of integer ends

    def __init__(self, path, num_threads=1):
        self.values = {}

    def allocate_tensors(self):
        pass

    def _detail(self, index, shape, scale=None):
        dtype, quantization = (np.float32, (0.0, 0)) if self.ends is None else (self.ends, scale)
        return {"index": index, "shape": np.array(shape), "dtype": dtype, "quantization": quantization}

    def get_input_details(self):
        return [self._detail(0, (1, *SIZE, 3), (1 / 255, np.iinfo(self.ends).min if self.ends else 0))]

    def get_tensor_details(self):
        return [*self.get_input_details(), *self.get_output_details()]

    def get_output_details(self):  # prototypes first: the order of outputs is anyone's
        lowest = int(np.iinfo(self.ends).min) if self.ends else 0
        middle = lowest + 128
        return [
            self._detail(2, (1, SIZE[0] // 4, SIZE[1] // 4, 32), (PROTOTYPE_STEP, middle + 3)),
            self._detail(1, (1, 39, 315), (PREDICTION_STEP, lowest)),
        ]

    def set_tensor(self, index, values):
        (given,) = self.get_input_details()
        assert values.dtype == given["dtype"] and values.shape == tuple(given["shape"])
        scale, zero = given["quantization"]
        self.values[0] = values if self.ends is None else (values.astype(np.float32) - zero) * scale

    def invoke(self):
        with torch.inference_mode():
            outputs = self.module(torch.from_numpy(self.values[0]).float())
        for detail, output in zip(reversed(self.get_output_details()), outputs):
            output = output.numpy()
            if self.ends is not None:
                scale, zero = detail["quantization"]
                limits = np.iinfo(self.ends)
                output = np.clip(np.round(output / scale) + zero, limits.min, limits.max).astype(self.ends)
            self.values[detail["index"]] = output

    def get_tensor(self, index):
        return self.values[index]


@pytest.fixture
def interpreter(network, monkeypatch):
    """ai_edge_litert with the interpreter above."""
    made = type("Interpreter", (Interpreter,), {"module": OtherTool(network, "channels last").eval()})
    package, module = types.ModuleType("ai_edge_litert"), types.ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = made
    monkeypatch.setitem(sys.modules, "ai_edge_litert", package)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    return made


def tflite(path: Path, entries: dict[str, str | bytes]) -> Path:
    """Bytes of a model with a zip archive after them."""
    path.write_bytes(b"TFL3 model " * 20)
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize(
    "entries",
    [
        {"metadata.json": json.dumps(foreign_strings())},
        {"metadata.json": str(foreign_strings())},
        {"temp_meta.txt": str(foreign_strings())},
        {"temp_meta.txt": json.dumps(foreign_strings())},
        {
            "labels.txt": "circle\nsquare\nstar\n",
            "X": b"\xff\xfe\x00",
            "meta/about.yaml": yaml.safe_dump(foreign_strings()),
        },
    ],
)
def test_appended_metadata_is_found_under_any_name_and_in_any_form(entries, interpreter, network, images, tmp_path):
    runtime = load_runtime(tflite(tmp_path / "other.tflite", entries))
    assert runtime.names == NAMES and runtime.size == SIZE and runtime.metadata.license == "AGPL-3.0"
    for found, expected in zip(runtime.forward(images), InferenceModel(network)(images)):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("entries", [{}, {"labels.txt": "circle\nsquare"}, {"metadata.json": "[1, 2]"}])
def test_a_tflite_that_does_not_say_what_it_is_is_refused(entries, interpreter, tmp_path):
    with pytest.raises(SeglabError, match=r"class names|not a zip"):
        load_runtime(tflite(tmp_path / "other.tflite", entries))


@pytest.mark.parametrize("ends", [np.int8, np.uint8])
def test_integer_ends_are_quantized_and_back(ends, interpreter, images, tmp_path):
    """Within half a step of what the same file gives in float, where a byte can hold the value."""
    path = tflite(tmp_path / "other.tflite", {"metadata.json": json.dumps(foreign_strings())})
    seen = (images * 255).round() / 255  # what 8 bits hold
    expected = load_runtime(path).forward(seen)
    interpreter.ends = ends
    found = load_runtime(path).forward(seen)
    scores, other_scores = expected[0][:, 4:7], found[0][:, 4:7]
    prototypes, other_prototypes = expected[1], found[1]
    assert (scores - other_scores).abs().max() <= PREDICTION_STEP / 2 + 1e-4
    held = prototypes.abs() < 100 * PROTOTYPE_STEP
    assert held.float().mean() > 0.5
    assert (prototypes - other_prototypes)[held].abs().max() <= PROTOTYPE_STEP / 2 + 1e-4


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_quantized_values_come_back(dtype):
    limits = np.iinfo(dtype)
    tensor = {"dtype": dtype, "quantization": (1 / 255, int(limits.min))}
    values = np.arange(256, dtype=np.float32) / 255
    stored = litert.quantized(values, tensor)
    assert stored.dtype == dtype and stored[0] == limits.min
    np.testing.assert_allclose(litert.dequantized(stored, tensor), values, atol=1e-5)
