"""What scripts read from `model.model` stays true of the network, and travels with it."""

from __future__ import annotations

import copy
import pickle

import torch

from seglab import YOLO
from seglab.compat.network_facts import PLAN, architecture
from seglab.model.yolo11 import YOLO11Seg


def test_the_plan_is_that_of_the_network():
    """Types and channels of every layer, at every scale's width, as the rows say them."""
    network = YOLO11Seg("m", 3)
    for layer, (_, _, kind, arguments) in zip(network.model, PLAN):
        if kind in ("Concat", "nn.Upsample"):
            assert not list(layer.parameters())  # the forward pass does these
            continue
        assert type(layer).__name__ == kind.replace("Segment", "SegmentHead")
        if kind != "Segment":
            last = [module for module in layer.modules() if isinstance(module, torch.nn.Conv2d)]
            assert arguments[0] in {min(2 * module.out_channels, 1024) for module in last} | {
                module.out_channels for module in last
            }
    about = architecture(network)
    assert about["nc"] == 3 and about["scale"] == "m" and len(about["backbone"] + about["head"]) == len(network.model)


def test_facts_are_there_and_follow_the_model():
    model = YOLO("toybox-n")
    network = model.model
    assert network.yaml["nc"] == len(network.names) == 10 and network.task == "segment"
    assert network.args["task"] == "segment" and network.args["imgsz"] == model.overrides["imgsz"]
    assert model.overrides["model"] == "toybox-n" and network.save == [4, 6, 10, 13, 16, 19, 22]
    assert network.info(verbose=False)[:2] == tuple(model.info(verbose=False))[:2] and network.fuse() is network
    head = network.model[-1]
    assert (head.nc, head.nm, head.nl, head.i, head.f) == (10, 32, 3, 23, [16, 19, 22])
    assert sum(layer.np for layer in network.model) == sum(weight.numel() for weight in network.parameters())
    assert "names" not in network.state_dict() and len(network.state_dict()) == 561


def test_facts_travel_with_copies(tmp_path):
    model = YOLO("toybox-n")
    network = model.model
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), pickle.loads(pickle.dumps(model)).model):
        assert other.yaml == network.yaml and other.fuse() is other and other.info(verbose=False)[1] > 0
    saved = YOLO(model.save(tmp_path / "a.safetensors"))
    assert saved.overrides["model"] == str(tmp_path / "a.safetensors") and saved.overrides["task"] == "segment"


def test_what_a_script_puts_into_overrides_is_used():
    model = YOLO("toybox-n")
    model.overrides |= {"task": "segment", "conf": 0.7}
    assert all(result.boxes.conf.min() >= 0.7 for result in model.predict("toybox8-seg", imgsz=160) if len(result))
