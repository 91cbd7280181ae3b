"""What one tool has trained predicts the same in the other, by the files that people would pass on."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.inference.decode import decode
from seglab.model.yolo11 import YOLO11Seg, architecture_of

peer = pytest.importorskip("ultralytics", reason="ultralytics is not installed: pip install 'seglab[parity]'")
from ultralytics.nn.tasks import SegmentationModel  # noqa: E402


@pytest.fixture(scope="module")
def peers_weights(tmp_path_factory):
    """The weights folder of an epoch that ultralytics trained, on a copy of the toybox, as it writes beside labels."""
    folder = tmp_path_factory.mktemp("peer")
    spec = load_dataset("toybox8-seg")
    shutil.copytree(spec.root, folder / "toybox8-seg")
    names = "".join(f"  {number}: {name}\n" for number, name in spec.names.items())
    data = folder / "data.yaml"
    data.write_text(f"path: {folder / 'toybox8-seg'}\ntrain: images/train\nval: images/val\nnames:\n{names}")
    model = peer.YOLO("yolo11n-seg.yaml")
    model.train(
        data=data, epochs=1, imgsz=64, batch=4, lr0=0.01, optimizer="AdamW", save_period=1, device="cpu", workers=0,
        plots=False, verbose=False, project=str(folder), name="run",
    )  # fmt: skip
    return folder / "run" / "weights"


@torch.inference_mode()
def assert_same_predictions(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """Boxes, scores, coefficients and prototypes of random images agree within 1e-4 of the largest."""
    images = torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    raw = ours.eval()(images)
    (expected, expected_prototypes), _ = theirs.float().eval()(images)
    found, classes = decode(raw, *images.shape[2:]), expected.shape[1] - 36
    parts = zip(found.split((4, classes, 32), dim=1), expected.split((4, classes, 32), dim=1))
    for one, other in (*parts, (raw.prototypes, expected_prototypes)):
        assert one.shape == other.shape and other.abs().max() > 0
        assert (one - other).abs().max() < 1e-4 * other.abs().max()


@pytest.mark.parametrize("name", ["best.pt", "epoch0.pt"])  # the latter keeps an optimizer and more beside the weights
def test_what_the_peer_has_trained_predicts_the_same_here(peers_weights, name):
    ours, theirs = YOLO(peers_weights / name), peer.YOLO(peers_weights / name)
    assert ours.names == theirs.names
    assert ours.overrides["imgsz"] == 64
    assert_same_predictions(ours.network, theirs.model)


def write_squares(folder: Path, classes: int) -> Path:
    """A dataset of two images of three squares, of classes up to the last of `classes`; its YAML."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    rows = [f"{number} .1 .1 .6 .1 .6 .7 .1 .7\n" for number in {0, classes // 2, classes - 1}]
    for index in range(2):
        cv2.imwrite(str(folder / f"images/{index}.png"), np.full((64, 64, 3), 90 * index, np.uint8))
        (folder / f"labels/{index}.txt").write_text("".join(rows))
    names = [f"thing {number}" for number in range(classes)]
    data = folder / "data.yaml"
    data.write_text(json.dumps({"path": str(folder), "train": "images", "val": "images", "names": names}))
    return data


@pytest.fixture(scope="module")
def coco_shaped(tmp_path_factory):
    """A checkpoint of ultralytics' with 80 classes, as the official weights are."""
    path = tmp_path_factory.mktemp("coco") / "coco.pt"
    peer.YOLO("yolo11n-seg.yaml").save(path)
    return path


@pytest.mark.parametrize("classes", [1, 3, 70, 80, 90])
def test_what_the_peer_has_fine_tuned_works_here(coco_shaped, tmp_path, classes):
    """Its class branches keep the width of the weights it started from, whatever the number of classes."""
    data = write_squares(tmp_path / "squares", classes)
    quiet = {"plots": False, "verbose": False, "device": "cpu", "workers": 0, "project": str(tmp_path)}
    peer.YOLO(coco_shaped).train(data=data, epochs=1, imgsz=64, batch=2, name="peer", **quiet)
    path = tmp_path / "peer/weights/best.pt"
    ours, theirs = YOLO(path), peer.YOLO(path)
    assert ours.names == theirs.names and ours.network.classes == classes and ours.network.class_width == 80
    assert_same_predictions(ours.network, theirs.model)
    assert len(ours.predict(np.zeros((64, 64, 3), np.uint8), imgsz=64)) == 1
    ours.val(data=data, imgsz=64, verbose=False)
    exported = ours.export(format="torchscript", imgsz=64, out=tmp_path / "exported")
    assert YOLO(exported).names == ours.names
    ours.train(data=data, epochs=1, imgsz=64, batch=2, workers=0, plots=False, project=str(tmp_path), name="ours")
    assert YOLO(tmp_path / "ours/weights/last.safetensors").network.class_width == 80


@pytest.mark.parametrize("scale", ["s", "m", "l", "x"])
def test_larger_scales_have_the_peers_shapes_for_every_class_count(scale):
    """Their class branches do not change their width, so that what was fine-tuned is what a YAML builds."""
    for classes in (3, 80):
        theirs = SegmentationModel(f"yolo11{scale}-seg.yaml", nc=classes, verbose=False).state_dict()
        with torch.device("meta"):
            ours = YOLO11Seg(*architecture_of(theirs)).state_dict()
        assert {name: tensor.shape for name, tensor in ours.items()} == {
            name: tensor.shape for name, tensor in theirs.items()
        }


def test_what_is_fine_tuned_here_works_in_the_peer_by_the_documented_lines(coco_shaped, tmp_path):
    data = write_squares(tmp_path / "squares", 3)
    model = YOLO(coco_shaped)
    model.train(data=data, epochs=1, imgsz=64, batch=2, workers=0, plots=False, project=str(tmp_path), name="ours")
    page = (Path(__file__).parents[2] / "docs/weights.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# to ultralytics.*?)```", page, flags=re.S)
    code = code.replace("best.safetensors", str(model.path)).replace("best.pt", str(tmp_path / "back.pt"))
    exec(compile(code, "docs/weights.md", "exec"), {})
    theirs = peer.YOLO(tmp_path / "back.pt")
    assert theirs.names == model.names
    for tensor in model.network.parameters():
        tensor.data = tensor.data.half().float()  # as ultralytics stores them
    for tensor in model.network.buffers():
        tensor.data = tensor.data.half().float() if tensor.is_floating_point() else tensor.data
    assert_same_predictions(model.network, theirs.model)
    theirs.train(
        data=data, epochs=1, imgsz=64, batch=2, plots=False, verbose=False, device="cpu", workers=0,
        project=str(tmp_path), name="again",
    )  # fmt: skip


def test_what_is_trained_here_predicts_the_same_in_the_peer(tmp_path):
    model = YOLO("yolo11n-seg.yaml")
    model.train(
        data="toybox8-seg", epochs=1, imgsz=64, batch=4, lr0=0.01, device="cpu", workers=0, plots=False,
        project=str(tmp_path), name="run",
    )  # fmt: skip
    state = load_file(tmp_path / "run" / "weights" / "best.safetensors")
    theirs = SegmentationModel("yolo11n-seg.yaml", nc=10, verbose=False)
    before = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    theirs.load_state_dict(state)  # strict: every name and shape
    assert sum((before[name] != state[name]).any().item() for name in state) > 500
    assert_same_predictions(YOLO(model.path).network, theirs)
