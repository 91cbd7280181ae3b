"""Weights: round trips, and files that are none."""

from __future__ import annotations

import json
import pathlib
import pickletools
import zipfile

import pytest
import safetensors.torch
import torch

from seglab.errors import SeglabError
from seglab.model.weights import class_names, load_weights, save_checkpoint, save_weights
from seglab.model.yolo11 import YOLO11Seg, architecture_of

ORDERED = {"collections OrderedDict"}


def test_a_cut_file_and_a_file_of_another_kind_are_named_in_the_error(tmp_path):
    torch.save({"w": torch.zeros(1000)}, tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:600])
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")
    for name in ("cut.pt", "cut.safetensors"):
        with pytest.raises(SeglabError, match=name):
            load_weights(tmp_path / name)
    for text in ("[1]", "{", "[" * 10**5):
        (tmp_path / "odd.safetensors").write_bytes(safetensors.torch.save({"w": torch.zeros(1)}, {"seglab": text}))
        with pytest.raises(SeglabError, match="odd"):
            load_weights(tmp_path / "odd.safetensors")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pt"):
        load_weights(tmp_path / "nowhere.pt")


def test_own_weights_round_trip_with_their_metadata(tmp_path):
    model = YOLO11Seg("n", 3)
    metadata = {"names": ["a", "b", "ü"], "nested": {"lr": 0.01}}
    path = save_weights(tmp_path / "sub" / "w.safetensors", model.state_dict(), metadata)
    loaded = load_weights(path)
    assert loaded.metadata == metadata
    assert all(torch.equal(loaded.state[k], v) for k, v in model.state_dict().items())
    assert architecture_of(loaded.state) == ("n", 3, 64)
    assert [p.name for p in path.parent.iterdir()] == ["w.safetensors"]  # no temporary file stays behind


def test_weights_of_something_else_are_refused():
    with pytest.raises(SeglabError, match="not those of a YOLO11-seg"):
        architecture_of({"fc.weight": torch.zeros(1)})


@pytest.mark.skipif(not pathlib.Path("/proc/self/maps").exists(), reason="only Linux lists what a process has open")
def test_weights_that_are_read_do_not_keep_their_file_open(tmp_path):
    """Windows would not let a resumed run write them again."""
    path = save_weights(tmp_path / "w.safetensors", {"w": torch.ones(9999)}, {})
    loaded = load_weights(path)
    assert str(path) not in pathlib.Path("/proc/self/maps").read_text() and loaded.state["w"].sum() == 9999


def test_a_checkpoint_is_tensors_and_plain_data(tmp_path):
    about = {
        "names": {0: "cup", 1: "kite"},
        "train_args": {"imgsz": 64, "freeze": (1, 2)},
        "license": "MIT",
        "epoch": 3,
    }
    state = {"a": torch.arange(6.0).reshape(2, 3).T, "n": torch.tensor(5)}
    path = save_checkpoint(tmp_path / "best.pt", state, about)
    content = torch.load(path, weights_only=True)
    assert content["names"] == about["names"] and content["train_args"]["freeze"] == [1, 2]
    assert torch.equal(content["model"]["a"], state["a"])
    weights = load_weights(path)
    assert torch.equal(weights.state["a"], state["a"]) and weights.state["n"].dtype == torch.int64
    assert weights.metadata["license"] == "MIT" and weights.metadata["epoch"] == 3
    assert class_names(weights, 2) == about["names"]
    with zipfile.ZipFile(path) as archive:  # the pickle names nothing but what makes tensors
        (name,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
        called = [argument for opcode, argument, _ in pickletools.genops(archive.read(name)) if opcode.name == "GLOBAL"]
    assert set(called) <= {"torch._utils _rebuild_tensor_v2", "torch FloatStorage", "torch LongStorage", *ORDERED}


def test_a_checkpoint_of_another_tool_is_not_overwritten(tmp_path):
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "theirs.pt")
    (tmp_path / "text.pt").write_text("no archive")
    for name in ("theirs.pt", "text.pt"):
        with pytest.raises(SeglabError, match="of another tool"):
            save_checkpoint(tmp_path / name, {"a": torch.ones(1)}, {})
    assert load_weights(tmp_path / "theirs.pt").state["a"] == 0


def test_numbers_of_a_type_that_no_network_has_are_told(tmp_path):
    """Two numbers in a byte: safetensors reads them, and PyTorch cannot convert them."""
    header = json.dumps({"a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))
    with pytest.raises(SeglabError, match=r"a\.safetensors"):
        load_weights(path)
