"""The device that a verb runs on, and how its tensors lie there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError


def choose_device(device: Any = None) -> torch.device:
    """A device as users name it: "cpu", "cuda:1", 1, "1", "mps", a torch.device; None or "" is the first CUDA GPU, or
    the CPU where there is none. Apple's GPUs ("mps") are used on request only (docs/decisions/0013).

    Errors: SeglabError for several devices (torchrun starts one process per device) and for one this machine lacks.
    """
    name = "" if device is None else str(device).strip("[]() ").replace(" ", "").lower()
    if "," in name:
        raise SeglabError(
            f"device={device}: one process uses one device, so start several with torchrun, as in "
            f"`torchrun --nproc-per-node {name.count(',') + 1} -m seglab.cli train ...`"
        )
    if not name:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.isdigit():
        name = f"cuda:{name}"

    device_type, _, index = name.partition(":")
    is_available = {
        "cpu": True,
        "cuda": (index or "0").isdigit() and int(index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not is_available.get(device_type):
        available = " or ".join(each for each in is_available if is_available[each])
        raise SeglabError(f"device={device}: this machine has no such device; use {available}")
    return torch.device(name)


def memory_format(device: str | torch.device) -> torch.memory_format:
    """In what order networks and images keep their numbers on a device: channels last, which convolutions read fastest.

    Apple's GPUs keep torch's default order: with channels last, backward passes took thirty times as long, and
    convolutions of channel slices, of which this network is full, came out wrong (pytorch issues 193349 and 180984,
    both of 2026).
    """
    if torch.device(device).type == "mps":
        return torch.contiguous_format
    return torch.channels_last


def to_device(images: Tensor, device: str | torch.device) -> Tensor:
    """Images (B, 3, H, W) on a device, in its memory format.

    The copy of pinned memory to a CUDA GPU is not waited for: the GPU's own queue keeps the order. On other devices a
    copy that nobody waits for may read memory that has been freed (pytorch issue 189690).
    """
    is_cuda = torch.device(device).type == "cuda"
    return images.to(device, memory_format=memory_format(device), non_blocking=is_cuda)


def images_to_float(images: Tensor, device: str | torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images (B, 3, H, W) uint8 -> (B, 3, H, W) of `dtype` in 0..1, on the device and in its memory format."""
    return to_device(images, device).to(dtype).div_(255)
