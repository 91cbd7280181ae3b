"""Weights: round trips, and files that are none."""

from __future__ import annotations

import pathlib

import pytest
import safetensors.torch
import torch

from seglab.errors import SeglabError
from seglab.model.weights import load_weights, save_weights
from seglab.model.yolo11 import YOLO11Seg, architecture_of


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
