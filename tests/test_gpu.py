"""What a GPU must do as a CPU does, one of Nvidia's and one of Apple's. Where there is none, both are pretended
(tests/pretended_gpu.py): that shows that no operation mixes devices, not how a GPU rounds, and what needs a real one is
skipped.

`pytest tests/test_gpu.py` is the first thing to run on a machine that has one, beside the cases of tests/inference and
tests/export that ask for it.
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
import seglab.training.validation as validation
from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.device import batch_to_device
from seglab.model.weights import load_weights
from seglab.training.engine import is_finite

from .pretended_gpu import pretended_gpu

REAL = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
needs_cuda = pytest.mark.skipif(not REAL["cuda"], reason="needs a CUDA GPU, not a pretended one")
SHORT = {"data": "toybox8-seg", "epochs": 2, "imgsz": 160, "batch": 4, "nbs": 4, "plots": False}
pytestmark = pytest.mark.filterwarnings("ignore:'pin_memory' argument")  # a pretended GPU has no driver to pin for


@pytest.fixture(params=REAL, autouse=True)
def device(request):
    """The machine's own, or a pretended one that has worked by the end of the test."""
    if REAL[request.param]:
        yield request.param
        return
    if any(REAL.values()):
        pytest.skip("the GPU of this machine is of another kind")
    if not hasattr(torch._C, "_ensureCUDADeviceGuardSet"):
        pytest.skip("this PyTorch is too old to pretend a GPU")
    with pretended_gpu(request.param) as pretended:
        before = pretended.operations
        yield request.param
        assert pretended.operations > before


@pytest.fixture(autouse=True)
def plain_float32():
    """Convolutions in float32, not in TF32, so that numbers can be compared."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def test_devices_do_not_mix(device):
    there, here = torch.arange(3.0, device=device), torch.arange(3.0)
    with pytest.raises(RuntimeError):
        there + here
    with pytest.raises(TypeError):
        there.numpy()
    assert (there + there.new_tensor([1, 0, 1]) + torch.tensor(1)).cpu().tolist() == [2, 2, 4]
    assert there[torch.tensor([2])].device.type == device


def test_the_same_objects_are_found(device):
    model = YOLO("toybox-n")
    for here, there in zip(model.predict("toybox8-seg", device="cpu"), model.predict("toybox8-seg", device=device)):
        assert len(here) == len(there)
        torch.testing.assert_close(there.boxes.data.cpu(), here.boxes.data, atol=0.01, rtol=1e-3)
        differ = there.masks.data.cpu() != here.masks.data
        assert differ.float().mean() < 1e-3
    assert model.device.type == "cpu"  # a fused copy was moved, not the user's network


def test_half_precision_finds_nearly_the_same(device):
    model = YOLO("toybox-n")
    found = [len(result) for result in model.predict("toybox8-seg", device=device, half=True)]
    expected = [len(result) for result in model.predict("toybox8-seg", device=device)]
    assert sum(found) == pytest.approx(sum(expected), rel=0.1)


@pytest.mark.parametrize(
    "dtype", [None, pytest.param(torch.bfloat16, marks=needs_cuda), pytest.param(torch.float16, marks=needs_cuda)]
)
def test_training_works_and_repeats_in_every_number_format(tmp_path, monkeypatch, dtype, device):
    monkeypatch.setattr(trainer, "autocast_dtype", lambda amp, device: dtype)
    model = YOLO("toybox-n")
    model.train(**SHORT, device=device, project=str(tmp_path), name="whole", lr0=1e-4)
    assert is_finite(model.network)
    assert YOLO("toybox-n").train(**SHORT, device=device, project=str(tmp_path), name="again", lr0=1e-4).seg.map > 0.1
    one, two = (load_weights(tmp_path / name / "weights/last.safetensors").state for name in ("whole", "again"))
    way = max((one[name] - two[name]).abs().max().item() for name in one if one[name].is_floating_point())
    assert way < 1e-2  # the same run, but for what the GPU adds up in another order


def test_memory_is_pinned_only_for_a_cuda_gpu(tmp_path, monkeypatch, device):
    pinned, build = [], trainer.build_loader
    for module in (trainer, validation):
        monkeypatch.setattr(module, "build_loader", lambda *a, **o: pinned.append(o["pin_memory"]) or build(*a, **o))
    for where in ("cpu", device):
        YOLO("toybox-n").train(**{**SHORT, "epochs": 1}, device=where, project=str(tmp_path))
    assert pinned == [False, False, device == "cuda", device == "cuda"]  # to learn from and to compare with, each


def test_a_run_that_was_cut_goes_on(tmp_path, monkeypatch, device):
    settings = {**SHORT, "device": device, "val": False, "amp": False, "lr0": 1e-4, "project": str(tmp_path)}
    YOLO("toybox-n").train(**settings, name="whole")
    original, epochs = trainer.train_one_epoch, []

    def cut(*args):
        if epochs:
            raise KeyboardInterrupt
        epochs.append(1)
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "train_one_epoch", cut)
        with pytest.raises(KeyboardInterrupt):
            YOLO("toybox-n").train(**settings, name="cut")
    YOLO("toybox-n").train(resume=str(tmp_path / "cut"))
    one, two = (load_weights(tmp_path / name / "weights/last.safetensors").state for name in ("whole", "cut"))
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4)


def test_results_and_tools_work_with_what_lies_on_a_gpu(device):
    from seglab import widgets
    from seglab.data.collate import collate
    from seglab.data.dataset import SegmentationDataset

    model, dataset = YOLO("toybox-n").to(device), SegmentationDataset(load_dataset("toybox8-seg"), "val", 320)
    assert model.device.type == device
    here = model.predict("toybox8-seg")[0]
    there = here.to(device)
    assert there.boxes.xywhn.device.type == there.masks.data.device.type == device
    assert there.to_json() == here.to_json() and (there.plot() == here.plot()).all()
    assert len(model.predict(torch.zeros(1, 3, 64, 64, device=device))) == 1
    sample = dataset.sample(0)
    for panel in (
        widgets.explore(model, "toybox8-seg"),
        widgets.prototypes(model, sample),
        widgets.distribution(model, sample),
        widgets.overlap_explorer(model, sample),
        widgets.assignment(model, collate([dataset[0], dataset[1]])),
    ):
        assert panel.image.value


def test_training_begins_where_the_processors_would(device):
    """One step's losses, on the same batch."""
    from seglab.data.dataset import SegmentationDataset
    from seglab.data.loader import build_loader
    from seglab.training.loss import LossGains, segmentation_loss

    batch = next(iter(build_loader(SegmentationDataset(load_dataset("toybox8-seg"), "train", 160), 4)))
    network, terms = YOLO("toybox-n").network, []
    for where in ("cpu", device):
        images, targets = batch_to_device(batch, torch.device(where))
        found = segmentation_loss(network.to(where)(images), targets, LossGains())[1]
        terms.append({name: value.cpu() for name, value in found.items()})
    torch.testing.assert_close(*terms, rtol=1e-3, atol=1e-3)


def test_what_the_processor_validates_the_gpu_validates(device):
    model = YOLO("toybox-n")
    here, there = (model.val("toybox8-seg", imgsz=320, device=name, verbose=False) for name in ("cpu", device))
    assert there.seg.map == pytest.approx(here.seg.map, abs=5e-3)
    model.doctor("toybox8-seg", device=device)
    assert model.device.type == "cpu"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_train_as_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = ["train", "model=toybox-n", *(f"{name}={value}" for name, value in SHORT.items())]
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
