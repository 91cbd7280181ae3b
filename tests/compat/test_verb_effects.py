"""Every argument of predict, val and export has the effect it is named for: other counts, files, shapes or metrics."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.config import verb_arguments
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.inference.results import Results

SIZE = 128  # pixels a side: toybox-n finds some of what is there, quickly

SHOWN = {
    "predict": "stream conf iou imgsz max_det classes agnostic_nms augment retina_masks batch rect half "
    "visualize verbose save show_labels show_conf show_boxes line_width save_txt save_conf save_crop "
    "show project name exist_ok",
    "val": "data imgsz batch split classes single_cls fraction half conf iou max_det agnostic_nms augment rect "
    "protocol explain plots save_txt save_conf visualize show_labels show_conf save_json verbose project name "
    "exist_ok workers",
    "export": "format out imgsz batch dynamic half int8 data nms conf iou max_det opset simplify fraction workspace",
}
# Shown by the tests of their own parts, or where their hardware is.
ELSEWHERE = {
    "model", "device", "engine", "precision", "compile", "mask_targets", "strict", "license", "masks", "max_pixels",
    "range", "tile", "overlap", "trust", "save_as", "tolerance", "source", "embed", "vid_stride", "save_frames",
    "labels", "allow_empty", "instances", "name",
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return YOLO("toybox-n")


@pytest.fixture(scope="module")
def images(toybox) -> list[str]:
    return [str(path) for path in toybox.images("val")]


@pytest.fixture(scope="module")
def usual(model, images):
    return model.predict(images, imgsz=SIZE)


@pytest.mark.parametrize("verb", SHOWN)
def test_every_argument_is_shown(verb):
    text = Path(__file__).read_text(encoding="utf-8")
    named = set(SHOWN[verb].split())
    assert all(f"{name}=" in text or f'"{name}"' in text for name in named)
    missing = set(verb_arguments(verb)) - named - ELSEWHERE
    assert not missing, missing


def counts(results) -> list[int]:
    return [len(result) for result in results]


# --- predict: what is found ---


def test_thresholds_change_what_is_found(model, images, usual):
    assert sum(counts(model.predict(images, imgsz=SIZE, conf=0.6))) < sum(counts(usual))
    assert sum(counts(model.predict(images, imgsz=SIZE, iou=0.1))) <= sum(counts(usual))
    assert sum(counts(model.predict(images, imgsz=SIZE, conf=0.01, iou=0.95))) > sum(counts(usual))
    assert max(counts(model.predict(images, imgsz=SIZE, max_det=2))) == 2
    all_names = model.predict(images, imgsz=SIZE, conf=0.01, iou=0.3)
    one_each = model.predict(images, imgsz=SIZE, conf=0.01, iou=0.3, agnostic_nms=True)
    assert sum(counts(one_each)) < sum(counts(all_names))
    wanted = int(usual[0].boxes.cls[0])
    only = model.predict(images, imgsz=SIZE, classes=wanted)
    assert {int(class_id) for result in only for class_id in result.boxes.cls} == {wanted}


def test_the_input_changes_with_its_size_and_shape(model, images, usual):
    def shape_of(**arguments):
        result = model.predict(images[:1], retina_masks=False, conf=0.01, **arguments)[0]
        return tuple(result.masks.data.shape[1:])

    assert shape_of(imgsz=128) == (96, 128)  # the least padding
    assert shape_of(imgsz=128, rect=False) == (128, 128)
    assert shape_of(imgsz=100) == (96, 128)
    assert shape_of(imgsz=(128, 160)) == (128, 160)
    assert counts(model.predict(images, imgsz=SIZE, batch=3)) == counts(usual)
    half = model.predict(images, imgsz=SIZE, half=True)
    assert not torch.equal(half[0].boxes.data, usual[0].boxes.data)


def test_retina_masks_are_of_the_images_size_and_others_of_the_inputs(model, images, usual):
    small = model.predict(images[:1], imgsz=SIZE, retina_masks=False)[0]
    large = usual[0]
    assert large.masks.data.shape[1:] == large.orig_shape == (480, 640)
    assert small.masks.data.shape == (len(large), 96, 128)
    for own, full in zip(small.masks.data.numpy(), large.masks.data.numpy()):
        reduced = cv2.resize(full, (128, 96), interpolation=cv2.INTER_AREA) > 0.5
        assert (reduced & (own > 0)).sum() >= 0.8 * (reduced | (own > 0)).sum()
    assert small.masks[0].data.shape == (1, 96, 128) and small.cpu().numpy().masks.data.shape == small.masks.shape
    assert np.array_equal(small.masks.xy[0], large.masks.xy[0])  # outlines are of the image in any case


def test_augment_changes_what_is_found(model, images, usual):
    twice = model.predict(images, imgsz=SIZE, augment=True)
    assert counts(twice) != counts(usual)
    assert all(result.masks.data.shape[1:] == (480, 640) for result in twice)


def test_overrides_are_honored_until_an_argument_says_otherwise(images):
    model = YOLO("toybox-n")
    model.overrides["conf"] = 0.8
    model.overrides["max_det"] = 3
    strict = model.predict(images, imgsz=SIZE)
    assert max(counts(strict)) <= 3 and all(result.boxes.conf.min() > 0.8 for result in strict if len(result))
    assert sum(counts(model.predict(images, imgsz=SIZE, conf=0.1, max_det=300))) > sum(counts(strict))


# --- predict: what is written and shown ---


def test_files_are_written_as_asked(model, images, usual, tmp_path, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(Results, "show", lambda result, **options: shown.append(options))
    chosen = dict(imgsz=SIZE, project=str(tmp_path), name="mine")
    model.predict(images[0], **chosen, save=True, save_txt=True, save_conf=True, save_crop=True, visualize=True)
    folder = tmp_path / "mine"
    (label,) = (folder / "labels").iterdir()
    scores = [float(line.split()[-1]) for line in label.read_text().splitlines()]
    assert scores == pytest.approx(usual[0].boxes.conf.tolist(), abs=1e-4)
    assert len(list((folder / "crops").rglob("*.jpg"))) == len(usual[0])
    heat = cv2.imread(str(folder / f"{label.stem}_heatmap.jpg")).astype(int)
    difference = np.abs(heat - cv2.imread(images[0])).sum(axis=2)
    inside = usual[0].masks.data.numpy().any(axis=0)
    assert heat.shape == (480, 640, 3) and difference[inside].mean() > 2 * difference[~inside].mean()
    drawn = (folder / f"{label.stem}.jpg").read_bytes()

    for plain in ({"show_labels": False}, {"show_boxes": False}, {"show_conf": False}, {"line_width": 9}):
        model.predict(images[0], **chosen, exist_ok=True, save=True, **plain)
        assert (folder / f"{label.stem}.jpg").read_bytes() != drawn, plain
    model.predict(images[0], **chosen, exist_ok=True, save=True, hide_labels=False, boxes=True)
    assert (folder / f"{label.stem}.jpg").read_bytes() == drawn
    capsys.readouterr()
    list(model.predict(images[0], imgsz=SIZE, stream=True, verbose=True, show=True))
    assert "ms" in capsys.readouterr().out and len(shown) == 1


# --- val ---


@pytest.fixture(scope="module")
def measured(model):
    return measure(model)


def measure(model, **arguments):
    return model.val(**{"data": "toybox8-seg", "imgsz": SIZE, "verbose": False, "workers": 0, **arguments})


OTHER_METRICS = {
    "imgsz": 160,
    "half": True,
    "conf": 0.5,
    "iou": 0.1,
    "max_det": 3,
    "agnostic_nms": True,
    "augment": True,
    "rect": False,
    "protocol": "yolo",
    "split": "train",
}


@pytest.mark.parametrize("name", OTHER_METRICS)
def test_other_metrics_are_measured(model, measured, name):
    other = measure(model, **{name: OTHER_METRICS[name], **({"conf": 0.01} if name == "agnostic_nms" else {})})
    assert (other.seg.map, other.box.map) != (measured.seg.map, measured.box.map)


def test_part_of_the_data_is_measured(model, measured):
    some = measure(model, classes=[1, 2])
    assert some.instances.tolist() == [n if i in (1, 2) else 0 for i, n in enumerate(measured.instances)]
    one = measure(model, single_cls=True)
    assert one.names == {0: "item"} and one.instances.tolist() == [measured.instances.sum()]
    assert measure(model, split="train", fraction=0.5).image_count == 2
    assert measure(model, fraction=[1, 0.5]).image_count == 2
    assert measure(model, fraction=0.5).image_count == 4  # a number alone is for training images
    assert measure(model, batch=3, conf=None).seg.map == pytest.approx(measured.seg.map, abs=0.05)


def test_val_writes_what_it_is_asked_for(model, tmp_path, capsys):
    chosen = dict(project=str(tmp_path), name="v", exist_ok=True, conf=0.3)
    measure(model, **chosen, save_txt=True, save_conf=True, visualize=True, save_json=True, plots=True)
    folder = tmp_path / "v"
    assert {"labels", "visualizations", "predictions.json", "confusion_matrix.png"} <= {
        p.name for p in folder.iterdir()
    }
    lines = [line for path in (folder / "labels").iterdir() for line in path.read_text().splitlines()]
    assert lines and all(float(line.split()[-1]) > 0.3 for line in lines)
    images = {path.name: path.read_bytes() for path in (folder / "visualizations").iterdir()}
    assert len(images) == 4
    measure(model, **chosen, visualize=True, show_labels=False, show_conf=False)
    assert all(path.read_bytes() != images[path.name] for path in (folder / "visualizations").iterdir())
    capsys.readouterr()
    measure(model, explain=True, verbose=True)
    assert "mask" in capsys.readouterr().out


# --- export ---


def test_an_onnx_file_is_written_as_asked(model, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")

    def written(**arguments):
        return onnx.load(model.export(**{"format": "onnx", "imgsz": 64, "out": tmp_path / "m", **arguments}))

    def shape_of(graph):
        return graph.graph.input[0].type.tensor_type.shape.dim

    usual = written()
    assert usual.opset_import[0].version == 17
    assert written(opset=16).opset_import[0].version == 16
    assert len(written(simplify=False).graph.node) > len(usual.graph.node)
    shape = [
        side.dim_value or side.dim_param
        for side in written(imgsz=70, batch=2).graph.input[0].type.tensor_type.shape.dim
    ]
    assert shape == [2, 3, 96, 96]
    assert written(dynamic=True, nms=None).graph.input[0].type.tensor_type.shape.dim[2].dim_param == "height"
    assert written(half=True).ByteSize() < 0.6 * usual.ByteSize()
    low, high = (written(nms=True, conf=conf, iou=0.5, max_det=9) for conf in (0.1, 0.9))
    assert low.SerializeToString() != high.SerializeToString()


def test_options_of_one_format_are_refused_by_others(model, tmp_path):
    for arguments, told in (
        ({"format": "torchscript", "opset": 16}, "opset=16 is for ONNX files"),
        ({"format": "onnx", "workspace": 4}, "workspace=4 is for TensorRT engines"),
        ({"format": "onnx", "device": "npu"}, "leave it out"),
        ({"format": "onnx", "int8": True, "fraction": 0, "data": "toybox8-seg"}, "fraction=0"),
    ):
        with pytest.raises(SeglabError, match=told):
            model.export(out=tmp_path / "m", **arguments)


def test_a_fraction_of_the_images_calibrates():
    from seglab.export.exporter import calibration_batches
    from seglab.export.metadata import ModelMetadata

    spec, metadata = load_dataset("toybox8-seg"), ModelMetadata({0: "a"}, size=(64, 64))
    assert len(list(calibration_batches(spec, metadata))) == 4
    assert len(list(calibration_batches(spec, metadata, fraction=0.5))) == 2
