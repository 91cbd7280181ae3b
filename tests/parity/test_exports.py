"""Files that ultralytics exports here, with the course weights, find the same in it and in seglab."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from seglab import YOLO
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset

pytest.importorskip("onnxruntime")
peer = pytest.importorskip("ultralytics", reason="ultralytics is not installed: pip install 'seglab[parity]'")
from ultralytics.nn.tasks import SegmentationModel  # noqa: E402

OPTIONS = {
    "fp32": {},
    "as traced": {"simplify": False},
    "dynamic": {"dynamic": True},
    "half": {"half": True},
    "oblong": {"imgsz": (256, 320)},
    "two at once": {"batch": 2},
    "nms": {"nms": True},
    "nms and dynamic": {"nms": True, "dynamic": True},
    "nms of all classes": {"nms": True, "agnostic_nms": True},
    "nms at another overlap": {"nms": True, "iou": 0.95},
}


@pytest.fixture(scope="module")
def theirs():
    """Ultralytics' model with the course weights in it."""
    course = YOLO("toybox-n")
    model = peer.YOLO("yolo11n-seg.yaml")
    network = SegmentationModel("yolo11n-seg.yaml", nc=len(course.names), verbose=False)
    network.load_state_dict(course.network.state_dict())  # strict: every name and shape
    network.names, network.args, network.task = course.names, model.model.args, "segment"
    model.model = network.eval()
    return model


def exported(theirs, folder: Path, format: str = "onnx", **options) -> Path:
    """What ultralytics' own exporter writes, in a folder."""
    before = Path.cwd()
    os.chdir(folder)  # it writes into the working directory
    try:
        path = theirs.export(format=format, device="cpu", verbose=False, **{"imgsz": 320, **options})
    finally:
        os.chdir(before)
    return folder / path


def assert_finds_the_same(path: Path) -> None:
    """On four scenes: as many objects, the same boxes, scores and classes, and masks but for their outlines.

    From 320 px masks are drawn at twice the size, and those of ultralytics reach up to a pixel of the photo further
    left and up.
    """
    scenes = [read_image(path)[..., ::-1].copy() for path in load_dataset("toybox8-seg").images("val")]
    ours = YOLO(path)
    assert (ours.runtime.metadata.producer, ours.license) == ("Ultralytics", "AGPL-3.0")
    assert ours.names == YOLO("toybox-n").names
    others = peer.YOLO(path, task="segment")
    size = list(ours.runtime.metadata.size)
    total, overlaps = 0, []
    for scene, found in zip(scenes, ours.predict(scenes)):
        (expected,) = others.predict(scene, imgsz=size, retina_masks=True, verbose=False)
        assert len(found) == len(expected)
        total += len(found)
        a, b = expected.boxes.data.numpy(), found.boxes.data.numpy()
        order, other = np.lexsort(a[:, [0, 4]].T), np.lexsort(b[:, [0, 4]].T)
        np.testing.assert_allclose(b[other, :4], a[order, :4], atol=1e-2)
        np.testing.assert_allclose(b[other, 4], a[order, 4], atol=1e-5)
        np.testing.assert_array_equal(b[other, 5], a[order, 5])
        masks, others_masks = found.masks.data[other] > 0, expected.masks.data[order].numpy() > 0
        for one, two in zip(np.asarray(masks), others_masks):
            if two.sum() > 2000:
                overlaps.append((one & two).sum() / (one | two).sum())
    assert total > 20
    assert min(overlaps) > 0.9 and np.mean(overlaps) > 0.95


@pytest.mark.parametrize("name", OPTIONS)
def test_onnx_files_of_the_peer(name, theirs, tmp_path):
    path = exported(theirs, tmp_path, **OPTIONS[name])
    metadata = YOLO(path).runtime.metadata
    assert metadata.has_nms == ("nms" in name) and metadata.dynamic == ("dynamic" in name)
    assert metadata.precision == ("fp16" if name == "half" else "fp32")
    assert_finds_the_same(path)


def test_an_openvino_folder_of_the_peer(theirs, tmp_path):
    """In float32 the file is ultralytics' ONNX file: it lets OpenVINO choose bfloat16, which moves boxes by pixels."""
    pytest.importorskip("openvino")
    folder = exported(theirs, tmp_path, format="openvino")
    by_onnx = YOLO(exported(theirs, tmp_path))
    scenes = [str(path) for path in load_dataset("toybox8-seg").images("val")]
    for found, expected in zip(YOLO(folder).predict(scenes), by_onnx.predict(scenes)):
        assert len(found) == len(expected) > 0
        np.testing.assert_allclose(found.boxes.data.numpy(), expected.boxes.data.numpy(), atol=1e-2)


def test_an_ncnn_folder_of_the_peer(theirs, tmp_path):
    pytest.importorskip("ncnn")
    pytest.importorskip("pnnx")
    assert_finds_the_same(exported(theirs, tmp_path, format="ncnn"))
