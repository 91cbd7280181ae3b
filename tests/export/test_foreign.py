"""Files of other YOLO tools: every form of metadata and every layout of tensors that people have."""

from __future__ import annotations

import json
import sys
import types
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seglab import YOLO
from seglab.errors import SeglabError
from seglab.export import foreign_metadata, foreign_tensors, litert, openvino, parity
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata, write_sidecar
from seglab.export.registry import load_runtime
from seglab.export.runtime import Runtime
from seglab.geometry.boxes import xywh_to_xyxy

from .test_formats import written

NAMES = {0: "circle", 1: "square", 2: "star"}
SIZE = (96, 160)
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), max_size=12)


def foreign_strings(**changes) -> dict:
    """What ultralytics writes, as a mapping."""
    about = {
        "description": "Ultralytics YOLO11n-seg model trained on shapes.yaml",
        "author": "Ultralytics",
        "date": "2025-12-17T13:26:59.173422",
        "version": "8.3.240",
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
        "docs": "https://docs.ultralytics.com",
        "stride": 32,
        "task": "segment",
        "batch": 1,
        "imgsz": list(SIZE),
        "names": NAMES,
        "args": {"batch": 1, "half": False, "dynamic": False, "nms": False, "data": None},
        "channels": 3,
        "end2end": False,
    }
    return about | changes


# --- metadata --------------------------------------------------------------------------------------------------------

MAPPINGS = st.dictionaries(st.integers(0, 99), WORDS, min_size=1, max_size=5)


@given(
    names=st.one_of(MAPPINGS, st.lists(WORDS, min_size=1, max_size=5)),
    imgsz=st.one_of(st.integers(1, 40).map(lambda n: 32 * n), st.tuples(st.integers(1, 999), st.integers(1, 999))),
    description=st.text(max_size=40),
    batch=st.one_of(st.none(), st.integers(1, 9)),
    form=st.sampled_from(["json", "literal", "yaml", "yaml flow", "strings"]),
)
def test_every_form_is_read_alike(names, imgsz, description, batch, form):
    about = foreign_strings(names=names, imgsz=imgsz, description=description, batch=batch)
    about["imgsz"] = list(imgsz) if isinstance(imgsz, tuple) else imgsz
    if form == "strings":  # as ONNX keeps it: every value a text of its own
        found = {key: str(value) for key, value in about.items()}
    else:
        text = {
            "json": lambda: json.dumps(about),
            "literal": lambda: str(about),
            "yaml": lambda: yaml.safe_dump(about, sort_keys=False, width=20),  # folds long strings over lines
            "yaml flow": lambda: yaml.safe_dump(about, default_flow_style=True),
        }[form]()
        found = foreign_metadata.read_metadata(text)
    read = ModelMetadata.from_strings(found, "file")
    assert read.names == (names if isinstance(names, dict) else dict(enumerate(names)))
    assert read.size == (imgsz if isinstance(imgsz, tuple) else (imgsz, imgsz))
    assert read.batch == (batch or 1)
    assert (read.producer, read.version, read.license) == ("Ultralytics", "8.3.240", "AGPL-3.0")
    assert read.is_foreign and read.origin == "exported by Ultralytics 8.3.240, license AGPL-3.0"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("AGPL-3.0 License (https://ultralytics.com/license)", "AGPL-3.0"),
        ("AGPL-3.0 https://ultralytics.com/license", "AGPL-3.0"),
        ("AGPL-3.0", "AGPL-3.0"),
        ("MIT License", "MIT"),
        ("Apache License 2.0", "Apache License 2.0"),
        ("Ultralytics Enterprise License", "Ultralytics Enterprise"),
        ("https://example.org/terms", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_license_texts_become_names(text, name):
    assert foreign_metadata.license_name(text) == name


@pytest.mark.parametrize(
    ("changes", "precision"),
    [
        ({}, "fp32"),
        ({"args": {"half": True}}, "fp16"),
        ({"args": "{'int8': True, 'half': False}"}, "int8"),
        ({"args": {"quantize": 16}}, "fp16"),
        ({"args": {"quantize": 8}}, "int8"),
        ({"onnx.infer": "onnxruntime.quant"}, "int8"),
        ({"args": None}, "fp32"),
        ({"args": "unreadable ("}, "fp32"),
    ],
)
def test_the_precision_is_what_the_file_says(changes, precision):
    assert ModelMetadata.from_strings(foreign_strings(**changes), "file").precision == precision


def test_without_an_author_the_tool_is_unknown():
    read = ModelMetadata.from_strings({"names": "['a']", "imgsz": "64"}, "file")
    assert read.is_foreign and read.origin == "exported by an unknown tool, license unknown"
    assert not ModelMetadata.from_strings(ModelMetadata({0: "a"}).to_strings(), "file").is_foreign


@pytest.mark.parametrize(
    "changes", [{"names": "circle"}, {"names": 3}, {"imgsz": []}, {"imgsz": "large"}, {"batch": "many"}]
)
def test_damaged_metadata_is_refused(changes):
    with pytest.raises(SeglabError, match="damaged metadata"):
        ModelMetadata.from_strings(foreign_strings(**changes), "file")


@pytest.mark.parametrize(
    "text", ["", "just words", "- a\n- list", "{unclosed: [", "!!python/object/apply:os.getcwd []", "__import__('os')"]
)
def test_what_is_no_mapping_is_refused_and_never_run(text):
    with pytest.raises(ValueError):
        foreign_metadata.read_metadata(text)


# --- tensors ---------------------------------------------------------------------------------------------------------


class OtherTool(nn.Module):
    """The network behind the tensors of other tools, one deviation at a time."""

    def __init__(self, network, layout: str):
        super().__init__()
        self.inference_model, self.layout = InferenceModel(network), layout

    def forward(self, images):
        layout = self.layout
        if layout in ("channels last", "quantized"):
            images = images.permute(0, 3, 1, 2)
        predictions, prototypes = self.inference_model(images.float())
        height, width = images.shape[2:]
        if layout in ("normalized", "channels last", "quantized", "detections, normalized"):
            scale = torch.tensor([width, height, width, height])[:, None]
            predictions = torch.cat((predictions[:, :4] / scale, predictions[:, 4:]), dim=1)
        if layout.startswith("detections"):
            scores, labels = predictions[:, 4:7].max(dim=1)
            best = scores.topk(50).indices
            prototypes = prototypes.abs()  # so that no mask is empty, which prediction would leave out
            rows = torch.cat((scores[:, None], labels[:, None].float(), predictions[:, 7:].abs()), dim=1)
            rows = torch.cat((xywh_to_xyxy(predictions[:, :4].transpose(1, 2)).transpose(1, 2), rows), dim=1)
            predictions = rows.gather(2, best[:, None].expand(-1, 38, -1)).transpose(1, 2)  # (B, 50, 38)
        if layout == "transposed":
            predictions = predictions.transpose(1, 2)
        if layout in ("channels last", "quantized"):
            prototypes = prototypes.permute(0, 2, 3, 1)
        if layout == "float16":
            predictions, prototypes = predictions.half(), prototypes.half()
        return predictions, prototypes


def foreign_onnx(network, layout: str, path: Path, about: dict | None = None, dynamic: bool = False) -> Path:
    """An ONNX file as another tool would write it."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    shape = (1, *SIZE, 3) if layout == "channels last" else (1, 3, *SIZE)
    example = torch.zeros(shape, dtype=torch.float16 if layout == "float16" else torch.float32)
    axes = {"images": {0: "batch", 2: "height", 3: "width"}, "output0": {0: "batch", 2: "anchors"}}
    axes |= {"output1": {0: "batch", 2: "mask_height", 3: "mask_width"}}
    torch.onnx.export(
        OtherTool(network, layout).eval(), (example,), str(path), input_names=["images"],
        output_names=["output0", "output1"], opset_version=17, dynamo=False, dynamic_axes=axes if dynamic else {},
    )  # fmt: skip
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {key: str(value) for key, value in (about or foreign_strings()).items()})
    onnx.save(graph, path)
    return path


@pytest.fixture(scope="module")
def images(smooth):
    return smooth(3, SIZE, seed=2)


@pytest.mark.parametrize("layout", ["ours", "normalized", "channels last", "transposed", "float16"])
def test_dense_outputs_of_any_layout_are_the_network_s(layout, network, images, tmp_path):
    runtime = load_runtime(foreign_onnx(network, layout, tmp_path / "other.onnx"))
    assert runtime.size == SIZE and not runtime.metadata.has_nms
    pixels, tolerance = (0.3, 5e-3) if layout == "float16" else (2e-3, 1e-4)
    (expected, prototypes), (found, other) = InferenceModel(network)(images), runtime.forward(images)
    assert (found[:, :4] - expected[:, :4]).abs().max() < pixels
    assert (found[:, 4:] - expected[:, 4:]).abs().max() < tolerance
    assert (other - prototypes).abs().max() < tolerance


def test_free_shapes_are_read_from_the_graph_not_from_the_metadata(network, smooth, tmp_path):
    runtime = load_runtime(foreign_onnx(network, "ours", tmp_path / "other.onnx", dynamic=True))
    assert runtime.size is None
    for batch, size in ((1, (64, 96)), (2, (160, 64))):
        images = smooth(batch, size, seed=4)
        found = runtime.forward(images)[0]
        torch.testing.assert_close(found, InferenceModel(network)(images)[0], rtol=1e-3, atol=2e-3)
    claims = foreign_strings(imgsz=640, batch=4, args={"dynamic": True})
    fixed = load_runtime(foreign_onnx(network, "ours", tmp_path / "fixed.onnx", claims))
    assert (fixed.size, fixed.batch) == (SIZE, 1)


@pytest.mark.parametrize("layout", ["detections", "detections, normalized"])
def test_detections_are_taken_as_they_are(layout, network, smooth, tmp_path):
    """Fifty boxes without any suppression: none may go, whatever overlaps, unless the caller says how."""
    model = YOLO(foreign_onnx(network, layout, tmp_path / "other.onnx"))
    assert model.runtime.metadata.has_nms and model.license == "AGPL-3.0"
    image = (smooth(1, SIZE, seed=2)[0].permute(1, 2, 0) * 255).byte().numpy()[..., ::-1].copy()
    (found,) = model.predict(image, conf=0.0)
    images = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    predictions, _ = InferenceModel(network)(images)
    scores, labels = predictions[0, 4:7].max(dim=0)
    best = scores.topk(50)
    assert len(found.boxes.data) == 50
    torch.testing.assert_close(found.boxes.conf, best.values, rtol=1e-4, atol=1e-5)
    corners = xywh_to_xyxy(predictions[0, :4, best.indices].T)
    corners = torch.minimum(corners.clamp(min=0), torch.tensor([SIZE[1], SIZE[0]] * 2))
    order = found.boxes.conf.argsort(descending=True)
    torch.testing.assert_close(found.boxes.xyxy[order], corners, rtol=0, atol=5e-3)
    assert found.boxes.cls.long().tolist() == labels[best.indices].tolist()
    assert len(model.predict(image, conf=0.0, iou=0.3)[0].boxes.data) < 50


def test_verify_knows_what_it_cannot_compare_and_leaves_foreign_files_alone(network, tmp_path, capsys):
    path = foreign_onnx(network, "detections", tmp_path / "nms.onnx")
    with pytest.raises(SeglabError, match="after NMS"):
        parity.verify(path, network, NAMES)
    path = foreign_onnx(network, "normalized", tmp_path / "dense.onnx")
    before = path.read_bytes()
    assert parity.verify(path, network, NAMES)
    assert "exported by Ultralytics 8.3.240, license AGPL-3.0" in capsys.readouterr().out
    assert path.read_bytes() == before
    with pytest.raises(SeglabError, match="has 3 classes and the weights have 2"):
        parity.verify(path, network, {0: "a", 1: "b"})


def test_an_exported_file_says_where_it_is_from(network, tmp_path, capsys):
    model = YOLO(foreign_onnx(network, "ours", tmp_path / "other.onnx"), verbose=True)
    line = "other.onnx: 3 classes, 96 x 160, exported by Ultralytics 8.3.240, license AGPL-3.0\n"
    assert capsys.readouterr().out == line and model.info() is None


def test_outputs_of_another_model_are_refused(network, images, tmp_path):
    names = {0: "circle", 1: "square"}  # one fewer than the file has
    runtime = load_runtime(foreign_onnx(network, "ours", tmp_path / "other.onnx", foreign_strings(names=names)))
    with pytest.raises(SeglabError, match="not those of a YOLO segmentation model with 2 classes"):
        runtime.forward(images)


def test_prototypes_of_as_many_cells_as_channels_follow_the_input():
    """At 128 x 128 the shape alone does not say where the channels are."""
    predictions, prototypes = torch.rand(1, 39, 336) * 100, torch.rand(1, 32, 32, 32)
    assert foreign_tensors.to_seglab_layout((predictions, prototypes), 3, 128, 128)[1].equal(prototypes)
    last = foreign_tensors.to_seglab_layout(
        (predictions, prototypes.permute(0, 2, 3, 1)), 3, 128, 128, channels_last=True
    )
    assert last[1].equal(prototypes)


def test_nothing_found_is_no_error():
    predictions, _ = foreign_tensors.to_seglab_layout((torch.zeros(2, 300, 38), torch.zeros(2, 32, 24, 40)), 3, *SIZE)
    assert predictions.shape == (2, 39, 300) and not predictions.any()
    predictions, _ = foreign_tensors.to_seglab_layout((torch.zeros(1, 0, 38), torch.zeros(1, 32, 24, 40)), 3, *SIZE)
    assert predictions.shape == (1, 39, 0)


# --- LiteRT ----------------------------------------------------------------------------------------------------------


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


# --- folders ---------------------------------------------------------------------------------------------------------


def test_the_graph_of_a_folder_may_have_any_name(tmp_path):
    with pytest.raises(SeglabError, match=r"one \.xml file.*holds none"):
        openvino.find_graph(tmp_path)
    (tmp_path / "yolo11n-seg.xml").touch()
    assert openvino.find_graph(tmp_path).name == "yolo11n-seg.xml"
    (tmp_path / "other.xml").touch()
    with pytest.raises(SeglabError, match=r"holds other\.xml, yolo11n-seg\.xml"):
        openvino.find_graph(tmp_path)
    (tmp_path / "model.xml").touch()
    assert openvino.find_graph(tmp_path).name == "model.xml"


@pytest.mark.parametrize("folder", ["openvino", "ncnn"])
def test_a_folder_of_another_tool_opens(folder, network, images, metadata, tmp_path):
    """The files of ours under another tool's names and beside its YAML."""
    path = written(folder, network, replace(metadata, size=SIZE), tmp_path)
    if folder == "openvino":
        for file in path.glob("model.*"):
            file.rename(path / f"yolo11n-seg{file.suffix}")
    (path / "metadata.yaml").write_text(yaml.safe_dump(foreign_strings(), sort_keys=False))
    runtime = load_runtime(path)
    assert runtime.metadata.is_foreign and runtime.size == SIZE and runtime.names == NAMES
    for found, expected in zip(runtime.forward(images), InferenceModel(network)(images)):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-3)
    write_sidecar(path, replace(metadata, size=SIZE))
    assert not load_runtime(path).metadata.is_foreign


def test_files_of_ours_are_never_rearranged():
    """Boxes that small are a fault of a file of ours, which the parity check must see."""
    outputs = torch.rand(1, 39, 315), torch.rand(1, 32, 24, 40)
    runtime = Runtime("file", ModelMetadata(NAMES, SIZE), lambda images: outputs)
    assert runtime.forward(torch.zeros(1, 3, *SIZE))[0].equal(outputs[0])
