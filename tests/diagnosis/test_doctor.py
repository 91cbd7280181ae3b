"""Every fault is planted alone, and the doctor must name it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from seglab import YOLO
from seglab.config import ValidateConfig
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.diagnosis.doctor import doctor
from seglab.errors import SeglabError
from seglab.geometry.boxes import xywh_to_xyxy
from seglab.inference.decode import decode
from seglab.model.yolo11 import YOLO11Seg
from seglab.training.assign import assign
from seglab.training.loss import LossGains

CONFIG = ValidateConfig(imgsz=320)  # the scenes, 480 x 640, become 240 x 320 within 256 x 352


def healthy(spec, oracle, change=None):
    """A network that knows the answers, letterboxed and batched as the doctor does it."""
    source = oracle(SegmentationDataset(spec, "val", 320, rect=True), batch=4, change=change)
    (source.batch,) = source  # four images: one batch

    def forward(images):
        return source.forward(images)

    return forward


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return YOLO11Seg("n", 10).eval()


def test_a_healthy_model_has_no_root_cause(toybox, oracle, network):
    diagnosis = doctor(healthy(toybox, oracle), toybox, toybox.names, CONFIG, "cpu", network)
    assert diagnosis.root_cause is None, str(diagnosis)
    assert [f.name for f in diagnosis.checks] == [
        "labels", "class names", "letterbox", "assignment", "loss terms", "decoding", "thresholds", "metric",
    ]  # fmt: skip
    assert "all checks passed" in str(diagnosis)


def shifted_classes(predictions, _):
    predictions[:, 4:-32] = predictions[:, 4:-32].roll(1, dims=1)


def two_classes_exchanged(predictions, _):
    predictions[:, [4 + 3, 4 + 5]] = predictions[:, [4 + 5, 4 + 3]]


def image_pixels(predictions, _):
    predictions[:, :2] -= torch.tensor([16, 8])[None, :, None]  # the border
    predictions[:, :4] *= 2


def fractions(predictions, _):
    predictions[:, [0, 2]] /= 352
    predictions[:, [1, 3]] /= 256


def corners(predictions, _):
    predictions[:, :4] = xywh_to_xyxy(predictions[:, :4].transpose(1, 2)).transpose(1, 2)


def exchanged(predictions, _):
    predictions[:, :4] = predictions[:, [1, 0, 3, 2]]


def logits(predictions, _):
    predictions[:, 4:-32] = predictions[:, 4:-32] * 20 - 10


def has_nan(predictions, _):
    predictions[0, 0, 0] = float("nan")


@pytest.mark.parametrize(
    "change, check, word",
    [
        (shifted_classes, "class names", "off by"),
        (two_classes_exchanged, "class names", "'clock' and 'bottle' are exchanged"),
        (image_pixels, "letterbox", "image's own pixels"),
        (fractions, "decoding", "fractions"),
        (corners, "decoding", "corners"),
        (exchanged, "decoding", "swapped"),
        (logits, "decoding", "sigmoid"),
        (has_nan, "decoding", "NaN"),
    ],
)
def test_what_the_network_says_wrongly(toybox, oracle, change, check, word):
    diagnosis = doctor(healthy(toybox, oracle, change), toybox, toybox.names, CONFIG)
    assert diagnosis.root_cause is not None, str(diagnosis)
    assert (diagnosis.root_cause.name, diagnosis.root_cause.state) == (check, "broken"), str(diagnosis)
    assert word in diagnosis.root_cause.cause, str(diagnosis)


@pytest.mark.parametrize(
    "settings, word", [({"conf": 0.95}, "lower it"), ({"max_det": 3}, "raise max_det"), ({"iou": 0.05}, "neighbors")]
)
def test_thresholds_that_let_nothing_through(toybox, oracle, settings, word):
    diagnosis = doctor(healthy(toybox, oracle), toybox, toybox.names, replace(CONFIG, **settings))
    assert diagnosis.root_cause.name == "thresholds" and word in diagnosis.root_cause.cause, str(diagnosis)


def test_names_that_do_not_fit(toybox, oracle):
    few = doctor(healthy(toybox, oracle), toybox, {0: "cup"}, CONFIG)
    assert few.root_cause.name == "class names" and "has 1 class, the data 10" in few.root_cause.evidence
    renamed = {**toybox.names, 3: "cow"}
    other = doctor(healthy(toybox, oracle), toybox, renamed, CONFIG)
    assert (other.root_cause.name, other.root_cause.state) == (
        "class names",
        "doubtful",
    ) and "cow" in other.root_cause.cause


@pytest.fixture
def copied(toybox, tmp_path):
    """The dataset in a folder that may be damaged."""
    shutil.copytree(toybox.root, tmp_path / "toybox8-seg")
    return tmp_path / "toybox8-seg"


def silent(images):
    anchors = sum(images.shape[2] // s * (images.shape[3] // s) for s in (8, 16, 32))
    return torch.zeros(len(images), 46, anchors), torch.zeros(
        len(images), 32, images.shape[2] // 4, images.shape[3] // 4
    )


def test_labels_that_are_missing_faulty_or_nowhere(copied):
    labels = copied / "labels" / "val"
    for path in labels.glob("*.txt"):
        path.write_text("\n".join("99 " + row.split(" ", 1)[1] for row in path.read_text().splitlines()))
    spec = load_dataset(copied)
    faulty = doctor(silent, spec, spec.names, CONFIG).root_cause
    assert (faulty.name, faulty.state) == ("labels", "broken") and "unknown class id" in faulty.cause
    shutil.rmtree(labels)
    missing = doctor(silent, spec, spec.names, CONFIG).root_cause
    assert (missing.name, missing.state) == ("labels", "broken") and "they belong at" in missing.cause
    for path in (copied / "images" / "val").iterdir():
        path.write_bytes(b"no image")
    assert doctor(silent, spec, spec.names, CONFIG).root_cause.name == "labels"


def test_strict_reading_names_the_first_row_that_cannot_be_used(copied):
    path = min((copied / "labels" / "val").iterdir())
    path.write_text(path.read_text() + "\n3 0.1 0.1 0.2\n")
    spec = load_dataset(copied)
    diagnosis = doctor(silent, spec, spec.names, replace(CONFIG, strict=True))
    assert diagnosis.root_cause.name == "labels" and path.name in str(diagnosis)


def test_training_that_cannot_learn(toybox, oracle, network, monkeypatch):
    def nobody(logits, *_):
        return assign(logits, *_)._replace(instance_index=torch.full((len(logits), logits.shape[2]), -1))

    forward = healthy(toybox, oracle)
    with monkeypatch.context() as patch:
        patch.setattr("seglab.diagnosis.doctor.assign", nobody)
        unassigned = doctor(forward, toybox, toybox.names, CONFIG, "cpu", network).root_cause
    assert unassigned.name == "assignment" and "not assigned" in unassigned.cause

    gainless = doctor(forward, toybox, toybox.names, CONFIG, "cpu", network, LossGains(box=0)).root_cause
    assert gainless.name == "loss terms" and "box, seg is 0" in gainless.cause

    broken = YOLO11Seg("n", 10).eval()
    next(broken.parameters()).data[0] = float("nan")

    @torch.inference_mode()
    def own(images):
        raw = broken(images)
        return decode(raw, *images.shape[-2:]), raw.prototypes

    diverged = doctor(own, toybox, toybox.names, CONFIG, "cpu", broken)
    states = {f.name: f for f in diverged.checks}
    assert "NaN" in states["loss terms"].cause and "NaN" in states["decoding"].cause


def test_the_facade_takes_a_device_and_the_models_own_gains():
    model = YOLO("toybox-n")
    model.overrides["box"] = 0.0
    diagnosis = model.doctor("toybox8-seg", imgsz=320, device="cpu")
    assert diagnosis.root_cause.name == "loss terms" and "box, seg is 0" in diagnosis.root_cause.cause, str(diagnosis)
    with pytest.raises(SeglabError, match="device"):
        model.doctor("toybox8-seg", device="cuda:99")


def test_an_untrained_network_is_told_to_train(toybox, network):
    @torch.inference_mode()
    def forward(images):
        raw = network(images)
        return decode(raw, *images.shape[-2:]), raw.prototypes

    diagnosis = doctor(forward, toybox, toybox.names, CONFIG, "cpu", network)
    assert diagnosis.root_cause.name == "thresholds" and "train longer" in diagnosis.root_cause.cause


def test_ground_truth_of_crowds_alone_cannot_be_measured(datasets_folder, tmp_path):
    import json

    source = json.loads((datasets_folder / "coco38" / "annotations" / "instances_val2017.json").read_text())
    for row in source["annotations"]:
        row["iscrowd"] = 1
    # One instance that cannot be drawn: a file of crowds alone would be read as instances.
    speck = {**source["annotations"][0], "id": 1, "iscrowd": 0, "segmentation": [[5, 5, 9, 9]]}
    source["annotations"].append(speck)
    (tmp_path / "instances.json").write_text(json.dumps(source))
    (tmp_path / "images").symlink_to(datasets_folder / "coco38" / "images" / "val2017")
    spec = load_dataset(tmp_path / "instances.json")
    (split,) = spec.splits

    def silent80(images):
        anchors = sum(images.shape[2] // s * (images.shape[3] // s) for s in (8, 16, 32))
        predictions = torch.zeros(len(images), 116, anchors)
        predictions[:, 4] = 0.5
        return predictions, torch.zeros(len(images), 32, images.shape[2] // 4, images.shape[3] // 4)

    metric = {f.name: f for f in doctor(silent80, spec, spec.names, replace(CONFIG, split=split)).checks}["metric"]
    assert metric.state == "broken" and "crowds" in metric.cause
