"""What a GPU must do as a processor does; skipped where there is none.

`pytest tests/test_cuda.py` is the first thing to run on a machine that has one, beside the cases of tests/inference and
tests/export that ask for it. Written without one: the same lines pass with DEVICE = "cpu".
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import seglab.training.trainer as trainer
from seglab import YOLO
from seglab.data.catalogue import load_dataset
from seglab.model.weights import load_weights

DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
SHORT = {"data": "toybox8-seg", "epochs": 2, "imgsz": 160, "batch": 4, "nbs": 4, "plots": False, "device": DEVICE}


@pytest.fixture(autouse=True)
def plain_float32():
    """Convolutions in float32, not in TF32, so that numbers can be compared."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def test_the_same_objects_are_found():
    model = YOLO("toybox-n")
    for here, there in zip(model.predict("toybox8-seg", device="cpu"), model.predict("toybox8-seg", device=DEVICE)):
        assert len(here) == len(there)
        torch.testing.assert_close(there.boxes.data.cpu(), here.boxes.data, atol=0.01, rtol=1e-3)
        differ = there.masks.data.cpu() != here.masks.data
        assert differ.float().mean() < 1e-3
    assert model.device.type == "cpu"  # a fused copy was moved, not the user's network


def test_half_precision_finds_nearly_the_same():
    model = YOLO("toybox-n")
    found = [len(result) for result in model.predict("toybox8-seg", device=DEVICE, half=True)]
    expected = [len(result) for result in model.predict("toybox8-seg", device=DEVICE)]
    assert sum(found) == pytest.approx(sum(expected), rel=0.1)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16])
def test_training_works_and_repeats_in_every_number_format(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(trainer, "autocast_dtype", lambda amp, device: dtype)
    model = YOLO("toybox-n")
    model.train(**SHORT, project=str(tmp_path), name="whole", lr0=1e-4)
    assert trainer.is_finite(model.network)
    assert YOLO("toybox-n").train(**SHORT, project=str(tmp_path), name="again", lr0=1e-4).seg.map > 0.1
    one, two = (load_weights(tmp_path / name / "weights/last.safetensors").state for name in ("whole", "again"))
    way = max((one[name] - two[name]).abs().max().item() for name in one if one[name].is_floating_point())
    assert way < 1e-2  # the same run, but for what the GPU adds up in another order


def test_training_begins_where_the_processors_would():
    """One step's losses, on the same batch."""
    from seglab.data.dataset import SegmentationDataset
    from seglab.data.loader import build_loader
    from seglab.training.loss import LossGains, segmentation_loss

    batch = next(iter(build_loader(SegmentationDataset(load_dataset("toybox8-seg"), "train", 160), 4)))
    network, terms = YOLO("toybox-n").network, []
    for device in ("cpu", DEVICE):
        images, targets = trainer.to_device(batch, torch.device(device))
        terms.append(segmentation_loss(network.to(device)(images), targets, LossGains())[1].cpu())
    torch.testing.assert_close(*terms, rtol=1e-3, atol=1e-3)


def test_what_the_processor_validates_the_gpu_validates():
    model = YOLO("toybox-n")
    here, there = (model.val("toybox8-seg", imgsz=320, device=name, verbose=False) for name in ("cpu", DEVICE))
    assert there.seg.map == pytest.approx(here.seg.map, abs=5e-3)
    model.doctor("toybox8-seg", device=DEVICE)
    assert model.device.type == "cpu"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_train_as_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = ["train", "model=toybox-n", *(f"{name}={value}" for name, value in SHORT.items() if name != "device")]
    line += ["device=cuda", "amp=False", "optimizer=SGD", "lr0=1e-3", "warmup_epochs=0", f"project={tmp_path}"]
    launch = [sys.executable, "-m", "torch.distributed.run", f"--master-port={port}"]
    for count in (1, 2):
        words = [*launch, f"--nproc-per-node={count}", "-m", "seglab.cli", *line, f"name=on{count}"]
        subprocess.run(words, check=True, cwd=Path(__file__).parents[1], env=os.environ)
    one, two = (load_weights(tmp_path / f"on{count}/weights/last.safetensors").state for count in (1, 2))
    before = YOLO("toybox-n").network.state_dict()
    for name in (name for name in one if one[name].is_floating_point()):
        way = (one[name] - before[name]).norm()
        assert (one[name] - two[name]).norm() <= 0.05 * way + 1e-4, name
