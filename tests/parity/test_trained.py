"""What one tool has trained predicts the same in the other, by the files that people would pass on."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file

from seglab import YOLO
from seglab.data.catalogue import load_dataset
from seglab.inference.decode import decode

peer = pytest.importorskip("ultralytics", reason="the peer is not installed: pip install 'seglab[parity]'")
from ultralytics.nn.tasks import SegmentationModel  # noqa: E402


@pytest.fixture(scope="module")
def peers_weights(tmp_path_factory):
    """The folder of weights of an epoch that the peer trained, on a copy of the toybox, as it writes beside labels."""
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
    """Boxes, scores, coefficients and prototypes of random pictures agree within 1e-4 of the largest."""
    images = torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    raw = ours.eval()(images)
    (expected, expected_prototypes), _ = theirs.float().eval()(images)
    found, classes = decode(raw, *images.shape[2:]), expected.shape[1] - 36
    parts = zip(found.split((4, classes, 32), dim=1), expected.split((4, classes, 32), dim=1))
    for one, other in (*parts, (raw.prototypes, expected_prototypes)):
        assert one.shape == other.shape and other.abs().max() > 0
        assert (one - other).abs().max() < 1e-4 * other.abs().max()


@pytest.mark.parametrize("name", ["best.pt", "epoch0.pt"])  # the latter keeps an optimiser and more beside the weights
def test_what_the_peer_has_trained_predicts_the_same_here(peers_weights, name):
    ours, theirs = YOLO(peers_weights / name), peer.YOLO(peers_weights / name)
    assert ours.names == theirs.names
    assert ours.overrides["imgsz"] == 64
    assert_same_predictions(ours.network, theirs.model)


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
