"""Devices as users name them, number formats, and settings that are put back."""

from __future__ import annotations

import pytest
import torch

from seglab import device
from seglab.errors import SeglabError


@pytest.mark.parametrize(
    ("machine", "told", "units", "expected"),
    [
        ("x86_64", True, lambda: True, torch.bfloat16),
        ("x86_64", True, lambda: False, None),  # emulated
        ("AMD64", True, None, None),  # a PyTorch that does not tell
        ("x86_64", False, lambda: True, None),
        ("arm64", True, lambda: False, torch.bfloat16),
        ("arm64", False, None, None),
    ],
)
def test_bf16_is_for_cpus_that_compute_in_it(monkeypatch, machine, told, units, expected):
    monkeypatch.setattr(device.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: told)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", units, raising=False)
    assert device.autocast_dtype("bf16", torch.device("cpu")) == expected
    assert device.autocast_dtype(True, torch.device("cpu")) == expected
    assert device.autocast_dtype(False, torch.device("cpu")) is None


def test_devices_are_named_as_users_do():
    assert device.choose_device("cpu") == device.choose_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(SeglabError, match="torchrun --nproc-per-node 2"):
        device.choose_device("0,1")
    for missing in ("cuda:99", "cuda:x", torch.device("cuda:99"), "meta", -1):
        with pytest.raises(SeglabError, match="no such device"):
            device.choose_device(missing)


def test_each_of_torchruns_processes_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    for there, given, expected in ((True, None, "cuda:3"), (True, "cpu", "cpu"), (False, None, None)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert device.device_of_process(given) == expected


def test_an_apple_gpu_waits_to_be_asked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.choose_device() == torch.device("cpu") and device.choose_device("mps") == torch.device("mps")


def test_a_batch_goes_to_the_device_as_numbers_and_targets():
    batch = {"images": torch.full((1, 3, 4, 4), 51, dtype=torch.uint8), "classes": torch.tensor([1]), "samples": [{}]}
    images, targets = device.batch_to_device(batch, torch.device("cpu"))
    assert images.dtype == torch.float32 and torch.allclose(images, torch.tensor(0.2))
    assert list(targets) == ["classes"]


@pytest.mark.parametrize("on", [True, False])
def test_determinism_is_put_back_as_it_was(on):
    before = torch.get_deterministic_debug_mode()
    with pytest.raises(KeyError), device.deterministic(on):
        assert torch.get_deterministic_debug_mode() == (1 if on else 0)  # 1: warn
        raise KeyError
    assert torch.get_deterministic_debug_mode() == before


def test_one_thread_ends_with_the_threads_that_were_there():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="stopped"), device.one_thread():
            assert torch.get_num_threads() == 1
            raise ValueError("stopped")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
