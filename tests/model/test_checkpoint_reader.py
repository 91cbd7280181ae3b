"""Foreign checkpoints: those that try to run code, those that are odd or damaged, and what is read of whole ones."""

from __future__ import annotations

import argparse
import collections
import ctypes
import datetime
import decimal
import enum
import functools
import io
import os
import pathlib
import pickle
import subprocess
import sys
import time
import types
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

import seglab.model.checkpoint_reader as reader
from seglab.errors import SeglabError
from seglab.model.checkpoint_reader import read_checkpoint


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


class Odd:
    """A class of nobody's: with a state, and what a list and a dict hold beside."""

    def __init__(self, state):
        self.given = state

    def __reduce__(self):
        return Odd, (1,), {"state": self.given}, iter([1, 2]), iter([("key", self.given)])


class Color(enum.Enum):
    RED = 1


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
        "partial": Reduce(functools.partial, os.system, command),
        "partial of what is harmless alone": Reduce(functools.partial, collections.OrderedDict),
        "pickle in a pickle": Reduce(pickle.loads, pickle.dumps(touch)),
        "a class that acts": {"model": None, "optimizer": Reduce(subprocess.Popen, ["touch", marker])},
        "a library": Reduce(ctypes.CDLL, marker),
        "an attribute": Reduce(getattr, "model", "format"),
        "a third party's function": Reduce(torch.hub.load, marker, "model"),
        "numpy's": Reduce(np.fromfile, marker),
        "as a key": {Reduce(os.system, command): 1},
        "in the state of an inert class": Odd(touch),
    }


@pytest.mark.parametrize("kind", list(payloads("x")))
def test_a_checkpoint_that_asks_to_run_code_ends_in_an_error_and_runs_nothing(tmp_path, kind):
    marker = tmp_path / "executed"
    for protocol in (0, 2, 4):
        path = write_checkpoint(tmp_path / "bad.pt", pickle.dumps(payloads(str(marker))[kind], protocol=protocol))
        with pytest.raises(SeglabError, match="asks to load"):
            read_checkpoint(path)
        assert not marker.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"(S'touch executed'\nios\nsystem\n.",  # the oldest way to call
        b"\x80\x02ccommands\nPopen\n]X\x08\x00\x00\x00executeda\x85R.",  # subprocess by its name in Python 2
        b"\x80\x02ctypes\nFunctionType\n(NtR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0etouch executed\x85R.",
        b"cnt\nsystem\n(S'touch executed'\ntR.",
        b"\x80\x04\x8c\x1atorch.nn.modules.container\x8c\x10Sequential.apply\x93.",  # a function through a class
        b"\x80\x04\x8c\x05torch\x8c\x10subprocess.Popen\x93.",
    ],
)
def test_pickles_made_by_hand_are_refused_too(tmp_path, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeglabError, match="asks to load"):
        read_checkpoint(write_checkpoint(tmp_path / "bad.pt", data))
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pt"]


@pytest.mark.parametrize("protocol", [2, 4])
def test_other_classes_become_inert_data(tmp_path, protocol):
    """Here with values that training scripts keep beside their weights."""
    beside = {
        "numpy": [np.float64(0.5), np.float32, np.arange(3), np.bool_(True), np.dtype("int8")],
        "time": [datetime.datetime(2025, 1, 2), datetime.timedelta(1), datetime.date(2025, 1, 2)],
        "arguments": [argparse.Namespace(lr=0.1), types.SimpleNamespace(lr=0.1)],
        "containers": [collections.Counter("aab"), collections.defaultdict(list, a=[1]), collections.deque([1])],
        "values": [decimal.Decimal("1.5"), pathlib.Path("a/b"), Color.RED, 1 + 2j, slice(1, 2), ValueError("x")],
        "torch": [torch.device("cpu"), torch.float8_e4m3fn, torch.Size([1]), torch.optim.SGD([torch.zeros(1)], 0.1)],
        "own": [Odd({"a": 1}), nn.Module, {"set"}, frozenset("a")],
    }
    torch.save({"model": {"w": torch.ones(2)}, "epoch": 3, **beside}, tmp_path / "w.pt", pickle_protocol=protocol)
    assert torch.equal(read_checkpoint(tmp_path / "w.pt").state["w"], torch.ones(2))


KNOWN = ("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "collections OrderedDict", "torch Size")


@pytest.mark.parametrize("name", [*KNOWN, "builtins set", "torch float32", "torch.nn Conv2d", "numpy ndarray"])
def test_nothing_that_is_handed_out_takes_a_state_that_would_last(tmp_path, name):
    known = reader._Reader.find_class(None, *name.split())
    before = {kind: dict(vars(kind)) for kind in (reader._Inert, reader._InertTensor, reader._InertParameter)}
    attributes = b"}X\x0c\x00\x00\x00__defaults__NsX\x05\x00\x00\x00extraK\x01s"  # {"__defaults__": None, "extra": 1}
    for state in (attributes, b"N" + attributes + b"\x86"):  # as the object's dict, and as its slots
        data = b"\x80\x02c" + name.replace(" ", "\n").encode() + b"\n" + state + b"b."
        with pytest.raises(SeglabError, match="damaged"):
            read_checkpoint(write_checkpoint(tmp_path / "state.pt", data))
    assert not hasattr(known, "extra") and before == {kind: dict(vars(kind)) for kind in before}


def doubled(value, times: int):
    """A list that holds a list twice, which holds a list twice, ...: few bytes of pickle, 2 ** times values."""
    for _ in range(times):
        value = [value, value]
    return value


def module_of(*children: nn.Module) -> nn.Module:
    parent = nn.Module()
    parent._modules = {str(number): child for number, child in enumerate(children)}
    return parent


def odd_contents() -> dict[str, object]:
    endless = module_of()
    endless._modules["self"] = endless
    forest = nn.Linear(1, 1)
    for _ in range(60):
        forest = module_of(forest, forest)
    crowd = nn.Linear(1, 1)
    for _ in range(3):
        crowd = module_of(*[crowd] * 3000)
    return {
        "list": [1, 2],
        "nothing": None,
        "text": "weights",
        "tensor": torch.ones(3),
        "tensor as ema": {"ema": torch.ones(3)},
        "number as model": {"model": 5},
        "list as model": {"model": [torch.ones(3)]},
        "nameless tensors": {1: torch.ones(3), None: torch.ones(3)},
        "module in itself": {"model": endless},
        "module without end": {"model": forest},
        "module of very many": {"model": crowd},
        "parameters that are a list": {"model": Odd([1])},
    }


class OddStorages(pickle.Pickler):
    """Writes the identifier of a storage as it is told, not as torch would."""

    def persistent_id(self, obj):
        return obj.identifier if isinstance(obj, Storage) else None


class Storage:
    def __init__(self, *identifier):
        self.identifier = identifier


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("size", [(1,), ([0], 10**12)])
def test_storages_that_are_none_end_in_one_error_at_once(tmp_path, place, size):
    identifier = ["storage", torch.FloatStorage, "0", "cpu", 1]
    if size == (1,):
        identifier[place] = doubled(0, 60)
    rebuilt = Reduce(torch._utils._rebuild_tensor_v2, Storage(*identifier), 0, size, (1,), False, None)
    buffer = io.BytesIO()
    OddStorages(buffer, protocol=2).dump({"w": rebuilt})
    path = write_checkpoint(tmp_path / "odd.pt", buffer.getvalue(), {"0": bytes(4)})
    began = time.monotonic()
    if place == 3 and size == (1,):  # on which device it lay is of no interest
        assert len(read_checkpoint(path).state) == 1
    else:
        with pytest.raises(SeglabError, match=r"cannot read .*odd\.pt"):
            read_checkpoint(path)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("kind", list(odd_contents()))
def test_odd_files_end_in_one_error_at_once(tmp_path, kind):
    torch.save(odd_contents()[kind], tmp_path / "odd.pt")
    began = time.monotonic()
    with pytest.raises(SeglabError, match=r"cannot read .*odd\.pt"):
        read_checkpoint(tmp_path / "odd.pt")
    assert time.monotonic() - began < 1


def test_what_is_said_beside_the_weights_is_taken_only_where_it_is_plain(tmp_path):
    names = {0: "cup", "1": "kite", 2: doubled("x", 60), (3,): "y", "four": "z", 5: None}
    names[6] = names
    arguments = {"lr0": 0.1, "freeze": [1, 2], "deep": doubled(0, 60), "long": [0] * 1000, 7: 1, "resume": None}
    module = nn.Linear(1, 1)
    module.names = names
    for content in ({"model": module}, {"model": module.state_dict(), "names": names}):
        torch.save({**content, "train_args": arguments}, tmp_path / "w.pt")
        metadata = read_checkpoint(tmp_path / "w.pt").metadata
        assert metadata["names"] == {"0": "cup", "1": "kite"}
        assert metadata["train_args"] == {"lr0": 0.1, "freeze": [1, 2], "resume": None}
    torch.save({"model": module.state_dict(), "names": ["a", "b"], "train_args": "none"}, tmp_path / "w.pt")
    assert read_checkpoint(tmp_path / "w.pt").metadata == {"names": {"0": "a", "1": "b"}, "license": "AGPL-3.0"}


def test_damaged_bytes_give_weights_or_one_error(tmp_path):
    """A pickle cut short, or with a byte changed; the archive is whole, as its checksum would tell otherwise."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    torch.save({"model": model, "names": ["a"], "train_args": {"lr": 0.1}}, tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt") as archive:
        data = archive.read("w/data.pkl")
        storages = {name.split("/")[-1]: archive.read(name) for name in archive.namelist() if "/data/" in name}
    rng = np.random.default_rng(0)
    damaged = [data[: rng.integers(len(data))] for _ in range(100)]
    for place in rng.integers(len(data), size=400):
        damaged.append(data[:place] + rng.bytes(1) + data[place + 1 :])
    failed = 0
    for content in damaged:
        try:
            read_checkpoint(write_checkpoint(tmp_path / "d.pt", content, storages))
        except SeglabError:
            failed += 1
    assert 200 < failed < 500


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


def test_an_archive_that_would_grow_beyond_reason_is_not_unpacked(tmp_path):
    """Two megabytes of zeros, compressed, that become two gigabytes: PyTorch compresses nothing."""
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", pickle.dumps({}))
        with archive.open("w/data/0", "w", force_zip64=True) as entry:
            for _ in range(64):
                entry.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(SeglabError, match="like a zip bomb"):
        read_checkpoint(path)
    assert not reader.is_own(path)


def test_a_pickle_of_many_megabytes_is_not_read(tmp_path):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/data.pkl", bytes(reader.MAX_PICKLE_BYTES + 1))
    with pytest.raises(SeglabError, match=r"its data\.pkl has"):
        read_checkpoint(path)


def test_tensors_that_share_numbers_cannot_fill_the_memory(tmp_path):
    shared = torch.zeros(1 << 20)
    torch.save({"model": {f"w{number}": shared for number in range(100)}}, tmp_path / "bomb.pt")
    with pytest.raises(SeglabError, match="many times as large as the file"):
        read_checkpoint(tmp_path / "bomb.pt")


def tower() -> bytes:
    """Pickled: a tuple of two, each the same tuple of two, and so on for 60 levels."""
    return b"K\x01" + b"".join(b"\x94h" + bytes([level]) + b"\x86" for level in range(60))


ENDINGS = {
    "a key": (b"}", b"K\x02s."),
    "keys": (b"}(", b"K\x02u."),
    "a set": (b"\x8f(", b"\x90."),
    "a frozen set": (b"(", b"\x91."),
    "a dict": (b"(", b"K\x02d."),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_a_key_that_takes_for_ever_to_hash_is_refused(ending, tmp_path):
    before, after = ending
    data = b"\x80\x04" + before + tower() + after
    began = time.process_time()
    with pytest.raises(SeglabError, match="nested tuples as keys"):
        read_checkpoint(write_checkpoint(tmp_path / "bomb.pt", data))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("make", [int, float, lambda number: (number, 1)], ids=["ints", "floats", "tuples"])
def test_keys_that_all_have_one_hash_are_refused(make, tmp_path):
    """Each is compared with all before it: sixty thousand took ten seconds, and a million would take an hour."""
    keys = [make(number * sys.hash_info.modulus) for number in range(9)]
    path = write_checkpoint(tmp_path / "bomb.pt", pickle.dumps({"model": {}, "names": dict.fromkeys(keys, "a")}))
    with pytest.raises(SeglabError, match="keys that are huge numbers"):
        read_checkpoint(path)


def test_no_room_is_made_for_bytes_that_are_not_there(tmp_path):
    announced = b"\x96" + (1 << 60).to_bytes(8, "little")  # BYTEARRAY8
    with pytest.raises(SeglabError, match="EOFError"):
        read_checkpoint(write_checkpoint(tmp_path / "bomb.pt", b"\x80\x05" + announced + b"."))
