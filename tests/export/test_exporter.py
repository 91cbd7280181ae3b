"""The one door for all formats: what it refuses, what it leaves behind."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
import torch
from torch.torch_version import TorchVersion

from seglab import YOLO
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.export import exporter
from seglab.export import registry as formats
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import load_runtime
from seglab.export.runtime import Runtime
from seglab.geometry.letterbox import letterbox
from seglab.model.yolo11 import YOLO11Seg

TEN = {index: f"thing{index}" for index in range(10)}


@pytest.fixture(scope="module")
def untrained() -> YOLO11Seg:
    """Ten classes, as many as the embedded data has."""
    torch.manual_seed(0)
    return YOLO11Seg("n", 10).eval()


def test_export_verifies_and_describes(untrained, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    path = exporter.export(
        untrained, TEN, out=tmp_path / "model", imgsz=(64, 96), license="CC0-1.0", data="toybox8-seg"
    )
    assert path == tmp_path / "model.onnx"
    metadata = load_runtime(path).metadata
    assert (metadata.size, metadata.license, metadata.names) == ((64, 96), "CC0-1.0", TEN)
    assert {"box mAP, difference", "mask mAP, difference"} <= metadata.parity.keys()
    assert all(row["ok"] for row in metadata.parity.values())


def test_validation_of_the_file_is_validation_of_the_weights(tmp_path):
    """Both through one letterbox: the file's only size is a square, so the weights pad to it too."""
    pytest.importorskip("onnxruntime")
    model = YOLO("toybox-n")
    exported = YOLO(model.export(imgsz=320, out=tmp_path / "model"))
    parity = exported.runtime.metadata.parity
    assert parity["boxes of detections, max error (px)"]["value"] < 1e-3 and parity["mask IoU, mean"]["value"] > 0.999
    expected = model.val("toybox8-seg", imgsz=320, rect=False, verbose=False)
    given = exported.val("toybox8-seg", verbose=False)
    assert expected.box.map > 0.4 and expected.seg.map > 0.4
    assert given.box.map == pytest.approx(expected.box.map, abs=1e-3)
    assert given.seg.map == pytest.approx(expected.seg.map, abs=1e-3)


def test_an_end_to_end_file_in_half_precision_passes_its_parity_check(tmp_path):
    pytest.importorskip("onnxruntime")
    path = YOLO("toybox-n").export(imgsz=320, half=True, nms=True, masks=True, out=tmp_path / "whole")
    parity = load_runtime(path).metadata.parity
    assert {
        "end to end, boxes, max error (px)",
        "end to end, scores, max error",
        "end to end, mask IoU, mean",
    } <= parity.keys()
    assert all(row["ok"] for row in parity.values())


@pytest.mark.parametrize("batch", [1, 3, 9])  # four images: one by one, three of them, all of them twice and one more
def test_calibration_takes_whole_batches_of_images(batch):
    spec = load_dataset("toybox8-seg")
    groups = list(exporter.calibration_batches(spec, ModelMetadata(TEN, (64, 96), batch)))
    assert [tuple(group.shape) for group in groups] == [(batch, 3, 64, 96)] * max(1, 4 // batch)
    calibration = torch.cat(groups)
    for index, calibrated in enumerate(calibration):
        image = read_image(spec.images("train")[index % 4])
        boxed = letterbox(image.shape[:2], (64, 96)).apply(image)
        assert (calibrated.permute(1, 2, 0) * 255).round().byte().numpy().tobytes() == boxed.tobytes()


def test_a_file_that_disagrees_is_put_aside(untrained, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(exporter, "verify", lambda *arguments, **options: False)
    with pytest.raises(SeglabError, match=r"model\.onnx\.failed"):
        exporter.export(untrained, TEN, out=tmp_path / "model", imgsz=64)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx.failed"]


@pytest.mark.parametrize("format", formats.FORMATS)
def test_every_format_is_verified_where_it_is_staged(format, network, tmp_path, monkeypatch, capsys):
    """With converters that write next to nothing: what is opened again is what they were told to write, files and
    folders alike, whatever the folder is called that they lie in.
    """
    module = formats.find_format(format)[1]
    is_folder = "." not in module.SUFFIX

    def file_of(path: Path) -> Path:
        return path / "graph" if is_folder else path

    def write(model, path, metadata, calibration, **options):
        if is_folder:
            path.mkdir()
        write_metadata(path, metadata)

    def write_metadata(path, metadata):
        file_of(path).write_text(json.dumps(metadata.to_strings()))

    def load(path):
        metadata = ModelMetadata.from_strings(json.loads(file_of(path).read_text()), str(path))
        return Runtime(path, metadata, InferenceModel(network))

    for function in (write, write_metadata, load):
        monkeypatch.setattr(module, function.__name__, function)
    monkeypatch.setattr(module, "runs_here", lambda: True)
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))  # which remembers the formats that run code
    names = dict(enumerate(["circle", "square", "star"]))
    path = exporter.export(network, names, format, tmp_path / "of_ncnn_model" / "model", imgsz=64)
    assert path == tmp_path / "of_ncnn_model" / f"model{module.SUFFIX}"
    assert list(path.parent.iterdir()) == [path]
    runtime = load_runtime(path)
    assert runtime.path == path and len(runtime.metadata.parity) > 10  # the real check has run
    assert load_runtime(file_of(path)).path == path


@pytest.mark.parametrize("format", ["torchscript", "ncnn"])  # a file, a folder
def test_the_file_of_an_earlier_export_stays_until_a_better_one_is(untrained, tmp_path, monkeypatch, format):
    module = formats.find_format(format)[1]

    def write(model, path, metadata, calibration):
        if format == "ncnn":
            path.mkdir()
            path = path / "model.ncnn.bin"
        path.write_text(written)

    monkeypatch.setattr(module, "write", write)
    monkeypatch.setattr(exporter, "verify", lambda *arguments, **options: written != "disagrees")
    export = functools.partial(exporter.export, untrained, TEN, format, tmp_path / "model", imgsz=64)
    written = "good"
    path = export()
    written = "disagrees"
    with pytest.raises(SeglabError, match="does not agree"):
        export()
    assert next(kept(path)).read_text() == "good"
    written = "better"
    assert next(kept(export())).read_text() == "better"

    def write(model, path, metadata, calibration):
        path.write_text("half a file")
        raise RuntimeError("the converter fails")

    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    monkeypatch.setattr(module, "write", write)
    with pytest.raises(SeglabError, match=r"could not be written \(RuntimeError: the converter fails\)"):
        export()
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def kept(path):
    """The files of an export."""
    return (file for file in [path, *path.rglob("*")] if file.is_file())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "onxx"}, "'onxx'"),
        ({"format": "tfjs"}, r"docs/export\.md"),
        ({"halff": True}, "half"),
        ({"imgsz": 100}, "multiple of 32"),
        ({"imgsz": 64.0}, "of type int"),
        ({"imgsz": "64"}, "of type int"),
        ({"imgsz": [64.0, 64.0]}, "one side or"),
        ({"imgsz": True}, "of type int"),
        ({"batch": 0}, "at least 1"),
        ({"batch": 1.5}, "of type int"),
        ({"half": "no"}, "of type bool"),
        ({"conf": "high"}, "of type float"),
        ({"iou": 1.2}, "from 0 to 1"),
        ({"int8": True}, "data="),
        ({"half": True, "int8": True, "data": "toybox8-seg"}, "one of them"),
        ({"format": "torchscript", "int8": True}, "no int8"),
        ({"format": "ncnn", "dynamic": True}, "fixed shapes"),
        ({"masks": True}, "nms=True"),
        ({"nms": True, "dynamic": True}, "one image"),
        ({"format": "pt2", "nms": True}, "format=onnx"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(untrained, tmp_path, options, message):
    with pytest.raises(SeglabError, match=message):
        exporter.export(untrained, TEN, out=tmp_path / "model", **options)
    assert not list(tmp_path.iterdir())


def test_an_older_pytorch_is_told_to_upgrade(untrained, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.8.1+cpu"))
    with pytest.raises(SeglabError, match=r"need PyTorch 2\.9 or newer, but 2\.8\.1"):
        exporter.export(untrained, TEN, format="pt2", out=tmp_path / "model")
    assert not list(tmp_path.iterdir())
