"""The device that a verb runs on, and how its tensors lie there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError


def choose_device(device: Any = None) -> torch.device:
    """A device as users name it: "cpu", "cuda:1", 1, "1", "mps", a torch.device; None or "" is the first CUDA GPU, or
    where there is none the CPU: Apple's GPUs ("mps") work on request only (docs/decisions/0013).

    Errors: SeglabError for several devices (torchrun starts one process each) and for one this machine lacks.
    """
    name = "" if device is None else str(device).strip("[]() ").replace(" ", "").lower()
    if "," in name:
        raise SeglabError(
            f"device={device}: one process drives one device, so start several with torchrun, as in "
            f"`torchrun --nproc-per-node {name.count(',') + 1} -m seglab.cli train ...`"
        )
    if not name:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    name = f"cuda:{name}" if name.isdigit() else name
    kind, _, index = name.partition(":")
    there = {
        "cpu": True,
        "cuda": (index or "0").isdigit() and int(index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(kind):
        raise SeglabError(
            f"device={device}: there is no such device here; use {' or '.join(k for k in there if there[k])}"
        )
    return torch.device(name)


def memory_format(device: str | torch.device) -> torch.memory_format:
    """In what order networks and images keep their numbers on a device: channels last, which convolutions read fastest.

    Not on Apple's GPUs, where backward passes took thirty times as long so, and convolutions of channel slices, of
    which this network is full, came out wrong (pytorch issues 193349 and 180984, both of 2026).
    """
    return torch.contiguous_format if torch.device(device).type == "mps" else torch.channels_last


def to_device(images: Tensor, device: str | torch.device) -> Tensor:
    """Images (B, 3, H, W) on a device, in its memory format.

    The copy of pinned memory to a CUDA GPU is not waited for: the GPU's own queue keeps the order. Elsewhere a copy
    that nobody waits for may read memory that has been freed (pytorch issue 189690).
    """
    return images.to(device, memory_format=memory_format(device), non_blocking=torch.device(device).type == "cuda")


def images_to_float(images: Tensor, device: str | torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images (B, 3, H, W) uint8 -> (B, 3, H, W) of `dtype` in 0..1, on the device and in its memory format."""
    return to_device(images, device).to(dtype).div_(255)
