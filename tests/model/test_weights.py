"""Weights: round trips, and checkpoints that try to run code."""

from __future__ import annotations

import collections
import io
import os
import pickle
import zipfile

import pytest
import torch
from torch import nn

from seglab.errors import SeglabError
from seglab.model.weights import load_weights, read_checkpoint, save_weights, transfer
from seglab.model.yolo11 import YOLO11Seg, architecture_of


def write_checkpoint(path, data: bytes, storages: dict[str, bytes] | None = None):
    """A .pt archive with a pickle of the test's own making."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
        for key, content in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", content)
    return path


class Reduce:
    """Pickles to a call of `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def payloads(marker: str) -> dict[str, object]:
    command = f"touch {marker}"
    touch = Reduce(os.system, command)
    state = collections.OrderedDict(weight=touch)
    return {
        "system": touch,
        "eval": Reduce(eval, f"open({marker!r}, 'w')"),
        "exec in a list in a dict": {"model": [1, {"deep": Reduce(exec, f"open({marker!r}, 'w')")}]},
        "open": Reduce(open, marker, "w"),
        "as a parameter": {"model": state},
        "import": Reduce(__import__, "os"),
        "torch.load": {"ema": None, "model": Reduce(torch.load, marker)},
        "partial": Reduce(__import__("functools").partial, os.system, command),
        "pickle in a pickle": Reduce(pickle.loads, pickle.dumps(touch)),
    }


@pytest.mark.parametrize("kind", list(payloads("x")))
def test_a_checkpoint_that_asks_to_run_code_ends_in_an_error_and_runs_nothing(tmp_path, kind):
    marker = tmp_path / "executed"
    for protocol in (0, 2, 4):
        path = write_checkpoint(tmp_path / "bad.pt", pickle.dumps(payloads(str(marker))[kind], protocol=protocol))
        with pytest.raises(SeglabError, match="asks to load"):
            read_checkpoint(path)
        assert not marker.exists()


def test_stack_global_with_a_dotted_name_is_refused(tmp_path):
    # protocol 4 resolves dotted names attribute by attribute, which reaches functions through innocent classes
    data = b"\x80\x04\x8c\x1atorch.nn.modules.container\x8c\x10Sequential.apply\x93."
    with pytest.raises(SeglabError, match="asks to load"):
        read_checkpoint(write_checkpoint(tmp_path / "dotted.pt", data))


def test_a_state_cannot_unfold_into_all_memory(tmp_path):
    buffer = io.BytesIO()
    torch.save({"model": {"w": torch.zeros(1).expand(1 << 20, 1 << 20)}}, buffer)
    (tmp_path / "bomb.pt").write_bytes(buffer.getvalue())
    with pytest.raises(SeglabError, match="declares a tensor"):
        read_checkpoint(tmp_path / "bomb.pt")


def test_modules_of_foreign_classes_become_inert_data_and_their_tensors_are_read(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Linear(2, 2))).half()
    torch.save({"model": module, "train_args": {"epochs": 3}, "date": "today"}, tmp_path / "m.pt")
    weights = read_checkpoint(tmp_path / "m.pt")
    expected = module.float().state_dict()
    assert list(weights.state) == list(expected)
    assert all(torch.equal(weights.state[k], expected[k]) for k in expected)
    assert weights.metadata["train_args"] == {"epochs": 3}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64, torch.bool])
def test_views_of_a_shared_storage_are_read_as_they_were(tmp_path, dtype):
    base = torch.arange(24).to(dtype).view(4, 6)
    torch.save({"a": base, "b": base[1:3, ::2], "c": base.t()}, tmp_path / "views.pt")
    state = read_checkpoint(tmp_path / "views.pt").state
    for name, tensor in {"a": base, "b": base[1:3, ::2], "c": base.t()}.items():
        assert torch.equal(state[name], tensor.float() if dtype.is_floating_point else tensor)


def test_a_cut_file_and_a_file_of_another_kind_are_named_in_the_error(tmp_path):
    torch.save({"w": torch.zeros(1000)}, tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:600])
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")
    for name in ("cut.pt", "cut.safetensors"):
        with pytest.raises(SeglabError, match=name):
            load_weights(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pt"):
        load_weights(tmp_path / "nowhere.pt")


def test_own_weights_round_trip_with_their_metadata(tmp_path):
    model = YOLO11Seg("n", 3)
    metadata = {"names": ["a", "b", "ü"], "nested": {"lr": 0.01}}
    path = save_weights(tmp_path / "sub" / "w.safetensors", model.state_dict(), metadata)
    loaded = load_weights(path)
    assert loaded.metadata == metadata
    assert all(torch.equal(loaded.state[k], v) for k, v in model.state_dict().items())
    assert architecture_of(loaded.state) == ("n", 3)
    assert [p.name for p in path.parent.iterdir()] == ["w.safetensors"]  # no temporary file stays behind


def test_another_class_count_leaves_only_the_class_branch_as_initialised():
    source, target = YOLO11Seg("n", 80), YOLO11Seg("n", 5)
    report = transfer(target, source.state_dict())
    assert report.mismatched and all(".cv3." in name for name in report.mismatched)
    assert not report.missing and not report.unused
    assert len(report.loaded) + len(report.mismatched) == len(target.state_dict())
    assert torch.equal(target.model[0].conv.weight, source.model[0].conv.weight)


def test_weights_of_something_else_are_refused():
    with pytest.raises(SeglabError, match="not a YOLO11-seg"):
        architecture_of({"fc.weight": torch.zeros(1)})
