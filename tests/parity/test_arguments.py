"""Our table of ultralytics' arguments is what it prints, and what we say has no effect there has none."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from seglab import YOLO
from seglab.compat.arguments import DEFAULTS, TRANSLATED, status
from seglab.datasets.pretrained import find_weights
from seglab.files import bundled_data_dir
from seglab.model.weights import load_weights

peer = pytest.importorskip("ultralytics", reason="the peer is not installed: pip install 'seglab[parity]'")

# Values that are none of the defaults, and that the peer accepts.
ODD = {
    "epochs": 3, "time": 0.5, "patience": 5, "save_period": 2, "cache": True, "pretrained": False, "cls_remap": False,
    "optimizer": "Adam", "seed": 3, "deterministic": False, "cos_lr": True, "close_mosaic": 1, "amp": False,
    "profile": True, "freeze": 3, "multi_scale": 0.2, "overlap_mask": False, "mask_ratio": 2, "dropout": 0.3,
    "val": False, "nms": True, "optimize": True, "dynamic": True, "simplify": False, "opset": 13, "workspace": 2.0,
    "lr0": 0.1, "lrf": 0.1, "momentum": 0.5, "weight_decay": 0.01, "warmup_epochs": 1.0, "warmup_momentum": 0.5,
    "warmup_bias_lr": 0.2, "dis": 2.0, "box": 3.0, "cls": 2.0, "cls_pw": 0.5, "dfl": 3.0, "pose": 3.0, "kobj": 2.0,
    "rle": 2.0, "angle": 2.0, "dlog": 2.0, "dgrad": 1.0, "dlam": 0.5, "nbs": 16, "hsv_h": 0.5, "hsv_s": 0.1,
    "hsv_v": 0.1, "degrees": 40.0, "translate": 0.5, "scale": 0.9, "shear": 20.0, "perspective": 0.001, "flipud": 0.9,
    "fliplr": 0.1, "bgr": 0.5, "mosaic": 0.1, "mixup": 0.5, "cutmix": 0.5, "copy_paste": 0.5,
    "copy_paste_mode": "mixup", "auto_augment": "augmix", "erasing": 0.1, "tracker": "bytetrack.yaml",
    "format": "onnx", "split": "train", "fraction": 0.5, "save_json": True, "plots": True, "workers": 0, "save": True,
    "vid_stride": 3, "stream_buffer": True, "save_crop": True, "save_frames": True, "line_width": 3,
    "show_boxes": False, "retina_masks": True, "label_smoothing": 0.1,
    "single_cls": True, "project": "elsewhere", "name": "other", "exist_ok": True, "save_txt": True, "save_conf": True,
    "show_labels": False, "show_conf": False, "visualize": True, "augment": True, "agnostic_nms": True, "classes": [0],
    "rect": True, "verbose": False,
}  # fmt: skip
# They choose other files, precision or hardware, or open windows.
NOT_TRIED = set(
    "task mode resume distill_model source embed show dnn data model device quantize compile channels_last".split()
)


def no_ops(verb: str) -> dict:
    """Odd values of all arguments that our table says change nothing in a verb."""
    names = [*DEFAULTS, "label_smoothing"]
    return {name: ODD[name] for name in names if status(verb, name).kind == "no-op" and name not in NOT_TRIED}


def test_names_and_defaults_are_those_that_the_peer_prints():
    command = Path(sys.executable).with_name("yolo")
    shown = subprocess.run([str(command), "cfg"], capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"^(\w+: .*)$", re.sub(r"\x1b\[[0-9;]*m", "", shown), re.MULTILINE)
    assert yaml.safe_load("\n".join(lines)) == DEFAULTS


def test_every_pair_has_a_row():
    for name in DEFAULTS:
        for verb in TRANSLATED:
            assert status(verb, name).kind in ("effective", "no-op", "refused")


def test_most_pairs_are_tried_beside_the_peer():
    """Those below: what has no effect, all at once, and what has, one by one."""
    tried = {(verb, name) for verb in TRANSLATED for name in no_ops(verb)}
    tried |= {("predict", name) for name in (*CHANGES_PREDICTION, *WRITES)}
    tried |= {("val", name) for name in CHANGES_METRICS}
    tried |= {("train", name) for name in CHANGES_TRAINING}
    assert len(tried) >= 0.715 * len(DEFAULTS) * len(TRANSLATED)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """The peer's model with the course's weights."""
    weights = load_weights(find_weights("toybox-n"))
    folder = tmp_path_factory.mktemp("peer")
    names = {int(class_id): name for class_id, name in weights.metadata["names"].items()}
    model = peer.YOLO("yolo11n-seg.yaml", task="segment")
    network = type(model.model)("yolo11n-seg.yaml", nc=len(names), verbose=False)
    network.load_state_dict({name: tensor.float() for name, tensor in weights.state.items()})
    model.model = network.eval()
    model.model.names = names
    model.model.task = "segment"
    model.model.args = {**DEFAULTS, "task": "segment", "imgsz": 64}
    return model, folder


@pytest.fixture(scope="module")
def data(theirs) -> Path:
    """The course's images where the peer may write its caches."""
    folder = theirs[1] / "toybox8-seg"
    shutil.copytree(bundled_data_dir() / "toybox8-seg", folder)
    content = yaml.safe_load((folder / "toybox8-seg.yaml").read_text())
    (folder / "data.yaml").write_text(yaml.safe_dump({**content, "path": str(folder)}))
    return folder


def predicted(theirs, data, **arguments):
    model, folder = theirs
    model.predictor = None
    image = sorted((data / "images/val").glob("*.jpg"))[0]
    options = {"imgsz": 128, "verbose": False, "project": str(folder / "out"), "exist_ok": True, **arguments}
    (result,) = model.predict(str(image), **options)
    masks = np.zeros(0) if result.masks is None else result.masks.data.numpy()
    return result.boxes.data.numpy(), masks


def test_what_has_no_effect_on_prediction_has_none_there(theirs, data):
    names = no_ops("predict")
    assert len(names) >= 65
    boxes, masks = predicted(theirs, data)
    other_boxes, other_masks = predicted(theirs, data, **names)
    assert len(boxes) > 3 and np.array_equal(boxes, other_boxes) and np.array_equal(masks, other_masks)


def test_what_has_no_effect_on_validation_has_none_there(theirs, data):
    names = no_ops("val")
    assert len(names) >= 70
    model, folder = theirs
    options = dict(
        data=str(data / "data.yaml"), imgsz=128, verbose=False, workers=0, project=str(folder / "v"), exist_ok=True
    )
    usual = model.val(**options).results_dict
    assert usual["metrics/mAP50(B)"] > 0.1
    assert model.val(**{**options, **names}).results_dict == usual


def test_what_has_no_effect_on_a_file_has_none_there(theirs, tmp_path, monkeypatch):
    """The exported network computes the same."""
    monkeypatch.chdir(tmp_path)  # where the file goes
    model = theirs[0]
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    outputs = []
    for names in ({}, no_ops("export")):
        exported = model.export(**{"format": "torchscript", "imgsz": 64, "verbose": False, **names})
        outputs.append(torch.jit.load(exported)(images))
    assert all(torch.equal(one, other) for one, other in zip(*outputs))


def test_what_has_no_effect_on_training_has_none_there(theirs, data):
    """The weights after an epoch are the same."""
    options = dict(
        data=str(data / "data.yaml"), epochs=1, imgsz=32, batch=4, workers=0, plots=False, val=False, verbose=False,
        project=str(theirs[1] / "t"), exist_ok=True, device="cpu", amp=False, pretrained=False,
    )  # fmt: skip
    learned = []
    for names in ({}, no_ops("train")):
        model = peer.YOLO("yolo11n-seg.yaml", task="segment")
        model.train(**{**options, **names})
        learned.append([tensor.clone() for tensor in model.trainer.model.state_dict().values()])
    assert all(torch.equal(one, other) for one, other in zip(*learned))


CHANGES_PREDICTION = {
    "conf": 0.6, "iou": 0.1, "imgsz": 160, "max_det": 2, "classes": [0], "agnostic_nms": True, "rect": False,
    "retina_masks": True,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES_PREDICTION)
def test_what_changes_predictions_here_changes_them_there(theirs, data, name):
    """The same way: as many more or fewer instances, or masks of the same shape."""
    ours = YOLO("toybox-n")
    image = str(sorted((data / "images/val").glob("*.jpg"))[0])
    base = {"retina_masks": False, **({"conf": 0.01, "iou": 0.5} if name in ("agnostic_nms", "iou") else {})}

    changed = {**base, name: CHANGES_PREDICTION[name]}
    before, before_there = ours.predict(image, imgsz=128, **base)[0], predicted(theirs, data, **base)
    after = ours.predict(image, **{"imgsz": 128, **changed})[0]
    after_there = predicted(theirs, data, **changed)
    assert abs(len(after) - len(after_there[0])) <= 2
    assert after.masks is None or tuple(after.masks.data.shape[1:]) == after_there[1].shape[1:]
    same_here = len(before) == len(after) and torch.equal(before.boxes.data, after.boxes.data)
    same_here = same_here and before.masks.data.shape == after.masks.data.shape
    same_there = np.array_equal(before_there[0], after_there[0]) and before_there[1].shape == after_there[1].shape
    assert not same_here and not same_there


SHOWS = ("show_labels", "show_conf", "show_boxes")
WRITES = ("save", "save_txt", "save_conf", "save_crop", "project", "name", "exist_ok", "line_width", *SHOWS)


def test_prediction_writes_the_same_files(theirs, data, tmp_path):
    """Names of folders and files, and what stands in a row of a label file."""
    image = str(sorted((data / "images/val").glob("*.jpg"))[0])
    found = {}
    for who, model in (("here", YOLO("toybox-n")), ("there", theirs[0])):
        model.predictor = None
        options = dict(imgsz=128, verbose=False, save=True, save_txt=True, save_conf=True, save_crop=True, conf=0.5)
        model.predict(image, project=str(tmp_path / who), name="mine", exist_ok=True, line_width=2, **options)
        folder = tmp_path / who / "mine"
        plain = (folder / "000016.jpg").read_bytes()
        for shown in SHOWS:
            model.predictor = None
            model.predict(image, project=str(tmp_path / who), name="mine", exist_ok=True, **{shown: False}, **options)
            assert (folder / "000016.jpg").read_bytes() != plain, shown
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        rows = (folder / "labels/000016.txt").read_text().splitlines()
        found[who] = ({re.sub(r"[\d-]*\.jpg$", "", name) for name in names}, {row.split()[0] for row in rows})
        assert all(len(row.split()) % 2 == 0 for row in rows)  # a class, pairs of coordinates, a score
    assert found["here"] == found["there"]


CHANGES_METRICS = {
    "conf": 0.5, "iou": 0.1, "max_det": 3, "classes": [1, 2], "single_cls": True, "imgsz": 160, "rect": False,
    "split": "train", "agnostic_nms": True,
}  # fmt: skip


def test_what_changes_metrics_here_changes_them_there(theirs, data):
    there = {"data": str(data / "data.yaml"), "imgsz": 96, "verbose": False, "workers": 0, "plots": False}
    there |= {"project": str(theirs[1] / "m"), "exist_ok": True}
    here = {"data": "toybox8-seg", "imgsz": 96, "verbose": False, "workers": 0}
    ours = YOLO("toybox-n")
    before_there, before = theirs[0].val(**there).results_dict, ours.val(**here)
    for name, value in CHANGES_METRICS.items():
        assert theirs[0].val(**{**there, name: value}).results_dict != before_there, name
        changed = ours.val(**{**here, name: value})
        assert (changed.box.map, changed.seg.map) != (before.box.map, before.seg.map), name


# --- training: the weights after an epoch of two batches ---

# Argument -> a value that must show in two steps without warm-up and mosaic.
CHANGES_TRAINING = {
    "lr0": 0.1, "momentum": 0.5, "weight_decay": 0.5, "optimizer": "Adam", "box": 30.0, "cls": 10.0, "dfl": 30.0,
    "freeze": 3, "seed": 3, "mask_ratio": 2, "overlap_mask": False, "imgsz": 96, "batch": 4, "classes": [1, 2],
    "single_cls": True, "fraction": 0.5, "hsv_h": 0.5, "hsv_s": 0.1, "hsv_v": 0.9, "degrees": 90.0, "translate": 0.5,
    "scale": 0.9, "shear": 40.0, "perspective": 0.001, "flipud": 1.0, "fliplr": 1.0, "bgr": 1.0, "mosaic": 1.0,
    "mixup": 1.0, "cutmix": 1.0, "copy_paste": 1.0, "nbs": 2, "epochs": 2, "lrf": 0.5,
    "warmup_epochs": 1, "warmup_momentum": 0.3, "warmup_bias_lr": 0.01, "rect": True,
}  # fmt: skip
# What else has to be given for an argument to matter.
TOGETHER_WITH = {
    "lrf": {"epochs": 2}, "warmup_epochs": {"epochs": 2}, "warmup_momentum": {"epochs": 2, "warmup_epochs": 1},
    "warmup_bias_lr": {"epochs": 2, "warmup_epochs": 1}, "rect": {"imgsz": 128},
}  # fmt: skip


@pytest.fixture(scope="module")
def learned(theirs, data):
    """Weights after a training with some arguments, here or there; every training happens once."""
    known: dict[str, list[torch.Tensor]] = {}
    both = dict(
        data=str(data / "data.yaml"), epochs=1, imgsz=64, batch=2, workers=0, plots=False, val=False, verbose=False,
        device="cpu", amp=False, optimizer="SGD", lr0=0.01, nbs=4, fliplr=0.0, warmup_epochs=0,
        mosaic=0.0, close_mosaic=0, exist_ok=True,
    )  # fmt: skip
    here = {"recipe": "ultralytics", "mask_targets": "hard", "project": str(theirs[1] / "here")}
    there = {"pretrained": False, "project": str(theirs[1] / "there"), "save": False}

    def train(who: str, arguments: dict) -> list[torch.Tensor]:
        key = f"{who} {sorted(arguments.items())}"
        if key not in known:
            model = (YOLO if who == "here" else peer.YOLO)("yolo11n-seg.yaml")
            model.train(**{**both, **(here if who == "here" else there), **arguments})
            known[key] = [tensor.clone() for tensor in model.trainer.model.state_dict().values()]
        return known[key]

    return train


@pytest.mark.parametrize("name", CHANGES_TRAINING)
def test_what_changes_training_here_changes_it_there(learned, name):
    base = TOGETHER_WITH.get(name, {})
    for who in ("here", "there"):
        before = learned(who, base)
        after = learned(who, {**base, name: CHANGES_TRAINING[name]})
        same = all(one.shape == other.shape and torch.equal(one, other) for one, other in zip(before, after))
        assert not same, who
