"""Files of other YOLO tools: every layout of tensors that people have."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import yaml

from seglab import YOLO
from seglab.errors import SeglabError
from seglab.export import foreign_tensors, parity
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata, write_sidecar
from seglab.export.registry import load_runtime
from seglab.geometry.boxes import xywh_to_xyxy

from .other_tool import NAMES, SIZE, foreign_onnx, foreign_strings
from .written import written


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


def test_a_file_whose_input_is_no_image_is_told():
    metadata = ModelMetadata({0: "cup"}, (64, 64))
    for shape in ((), (1, 3), (1, 3, 64), (1, 1, 3, 64, 64)):
        with pytest.raises(SeglabError, match="not that of images"):
            foreign_tensors.fit_to_graph(metadata, shape, [])
