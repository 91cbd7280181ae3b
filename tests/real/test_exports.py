"""Files that ultralytics wrote open, predict what their runtimes say, and say where they are from.

Sound exports of real weights pass the parity check, and faults do not.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from seglab import YOLO
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.export.decode_numpy import preprocess
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import load_runtime
from seglab.geometry.boxes import xywh_to_xyxy

from ..export.planted import assert_sound_passes_and_faults_do_not, reference_for
from ..export.written import written

SIZE = (640, 640)
CONF, IOU, MAX_DET = 0.25, 0.7, 300
FILES = {
    "yolo11n-seg_int8.onnx": ("onnxruntime", "8.3.235"),
    "yolo11n-seg_int8.tflite": ("ai_edge_litert", "8.3.240"),
    "yolo11n-seg_int8_openvino_model": ("openvino", "8.3.24"),
}


class Found(NamedTuple):
    """What is on one image, by hand: boxes xyxy in its pixels, scores, class ids, mask sums at 1/4 of the letterbox."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    sums: Tensor


@pytest.fixture(scope="module")
def photos(shared_folder) -> list[np.ndarray]:
    """Eight photos, RGB."""
    spec = load_dataset(shared_folder / "datasets" / "coco8-seg.yaml")
    return [read_image(path) for split in ("train", "val") for path in spec.images(split)]


@pytest.fixture
def file(request, shared_folder) -> Path:
    path = shared_folder / "exports" / request.param
    package, _ = FILES[request.param]
    pytest.importorskip(package, reason=f"{path.name} runs through {package}, which is not installed")
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def run_onnx(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: tuple(session.run(None, {session.get_inputs()[0].name: images}))


def run_openvino(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    import openvino

    (graph,) = path.glob("*.xml")
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: tuple(compiled([images])[index].copy() for index in (0, 1))


def run_litert(path: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (given,), outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        interpreter.set_tensor(given["index"], np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
        interpreter.invoke()
        return tuple(interpreter.get_tensor(output["index"]) for output in outputs)

    return run


def decode_dense(predictions: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Predictions (116, 8400), boxes in letterbox pixels -> corners, scores, classes, coefficients, suppressed."""
    from torchvision.ops import batched_nms

    rows = torch.from_numpy(predictions).T
    scores, classes = rows[:, 4:84].max(dim=1)
    rows, scores, classes = (each[scores > CONF] for each in (rows, scores, classes))
    boxes = xywh_to_xyxy(rows[:, :4])
    kept = batched_nms(boxes, scores, classes, IOU)[:MAX_DET]
    return boxes[kept], scores[kept], classes[kept], rows[kept, 84:]


def decode_detections(detections: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Detections (300, 38) after NMS, corners in 0..1 of the letterbox."""
    rows = torch.from_numpy(detections)
    rows = rows[rows[:, 4] > CONF]
    return rows[:, :4] * 640, rows[:, 4], rows[:, 5].long(), rows[:, 6:]


def by_hand(outputs: tuple[np.ndarray, np.ndarray], photo: np.ndarray) -> Found:
    """A file's own outputs for one letterboxed photo, decoded."""
    predictions, prototypes = outputs[0][0], outputs[1][0]
    if prototypes.shape[-1] == 32:
        prototypes = prototypes.transpose(2, 0, 1)
    decode = decode_detections if predictions.shape == (300, 38) else decode_dense
    boxes, scores, classes, coefficients = decode(predictions)
    height, width = photo.shape[:2]
    ratio = min(640 / height, 640 / width)
    resized = [round(side * ratio) for side in (width, height)]
    pad = torch.tensor([round((640 - side) / 2 - 0.1) for side in resized] * 2)
    scale = torch.tensor([resized[0] / width, resized[1] / height] * 2)
    corners = (boxes - pad) / scale
    limit = torch.tensor([width, height] * 2)
    sums = torch.einsum("nk,khw->nhw", coefficients, torch.from_numpy(prototypes.copy()))
    return Found(torch.minimum(corners.clamp(min=0), limit), scores, classes, sums)


@pytest.mark.parametrize("file", FILES, indirect=True)
def test_it_predicts_what_its_runtime_says(file, photos):
    package, _ = FILES[file.name]
    run = {"onnxruntime": run_onnx, "openvino": run_openvino, "ai_edge_litert": run_litert}[package](file)
    results = YOLO(file).predict([photo[..., ::-1] for photo in photos], conf=CONF, iou=IOU)
    total = 0
    for photo, result in zip(photos, results):
        expected = by_hand(run(preprocess(photo, SIZE)[0]), photo)
        order = expected.scores.argsort(descending=True, stable=True)
        assert len(order) == len(result)
        torch.testing.assert_close(result.boxes.xyxy, expected.boxes[order], rtol=0, atol=1e-2)
        torch.testing.assert_close(result.boxes.conf, expected.scores[order], rtol=0, atol=1e-5)
        assert result.boxes.cls.long().tolist() == expected.classes[order].tolist()
        for mask, sums, box in zip(result.masks.data, expected.sums[order], result.boxes.xyxy):
            assert mask_overlap(torch.as_tensor(mask) > 0, sums, box, photo) > 0.95
        total += len(result)
    assert total >= 20


def mask_overlap(mask: Tensor, sums: Tensor, box: Tensor, photo: np.ndarray) -> float:
    """IoU of a mask (h, w) with sums (160, 160), enlarged plainly and cut at the box; 1 for masks of few pixels."""
    height, width = photo.shape[:2]
    ratio = min(640 / height, 640 / width)
    top, left = (round((640 - round(side * ratio)) / 2 - 0.1) for side in (height, width))
    large = torch.nn.functional.interpolate(sums[None, None], size=SIZE, mode="bilinear")[0, 0]
    inside = large[top : top + round(height * ratio), left : left + round(width * ratio)]
    plain = torch.nn.functional.interpolate(inside[None, None], size=(height, width), mode="bilinear")[0, 0] > 0
    x0, y0, x1, y1 = (int(side) for side in box.round())
    window = torch.zeros_like(plain)
    window[y0:y1, x0:x1] = True
    plain &= window
    if mask.sum() < 1000:
        return 1.0
    return ((mask & plain).sum() / (mask | plain).sum()).item()


@pytest.mark.parametrize("file", FILES, indirect=True)
def test_it_says_where_it_is_from(file, capsys):
    model = YOLO(file)
    _, version = FILES[file.name]
    metadata = model.runtime.metadata
    assert (metadata.producer, metadata.version, metadata.license) == ("Ultralytics", version, "AGPL-3.0")
    assert metadata.precision == "int8" and metadata.size == SIZE and model.license == "AGPL-3.0"
    assert len(model.names) == 80 and model.names[0] == "person" and model.names[79] == "toothbrush"
    model.info()
    assert f"exported by Ultralytics {version}, license AGPL-3.0" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["yolo11n-seg_int8.tflite"], indirect=True)
def test_the_metadata_of_a_tflite_may_be_a_literal_under_the_older_name(file, tmp_path):
    """The same model as older versions wrote it."""
    with zipfile.ZipFile(file) as archive:
        about = json.loads(archive.read("metadata.json"))
        model_ends = archive.infolist()[0].header_offset
    path = tmp_path / "older.tflite"
    path.write_bytes(file.read_bytes()[:model_ends])
    about["names"] = {int(index): name for index, name in about["names"].items()}
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("temp_meta.txt", str(about))
    assert YOLO(path).names == YOLO(file).names


@pytest.mark.parametrize("file", FILES, indirect=True)
def test_it_validates(file, shared_folder):
    """On photos the weights have seen; the file with NMS inside knows nothing below a score of .25."""
    metrics = YOLO(file).val(shared_folder / "datasets" / "coco8-seg.yaml", verbose=False)
    assert metrics.box.map > 0.4 and metrics.seg.map > 0.3


@pytest.mark.parametrize("format", ["onnx", "openvino", "ncnn", "torchscript", "pt2"])
def test_exports_of_real_weights_pass_and_planted_faults_do_not(format, coco_weights, photos, tmp_path):
    """Their boxes round three to seven times more coarsely than those of the course weights."""
    model = YOLO(coco_weights)
    path = written(format, model.network, ModelMetadata(model.names, SIZE), tmp_path)
    reference = reference_for(model.network)
    assert_sound_passes_and_faults_do_not(reference, load_runtime(path, trust=True).forward, photos[:2], SIZE)


def test_half_precision_of_real_weights_passes(coco_weights, shared_folder, tmp_path):
    pytest.importorskip("onnxruntime")
    model = YOLO(coco_weights)
    data = shared_folder / "datasets" / "coco8-seg.yaml"
    exported = YOLO(model.export(half=True, data=str(data), out=tmp_path / "half"))
    assert all(row["ok"] for row in exported.runtime.metadata.parity.values())
