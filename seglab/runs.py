"""Where a run happens: on which device, and in which folder."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError


def choose_device(device: Any = None) -> torch.device:
    """A device as users name it: "cpu", "cuda:1", 1, "1", "mps", a torch.device; None or "" is the first CUDA GPU, or
    where there is none the processor: Apple's GPUs ("mps") work on request only (docs/decisions/0013).

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


def layout(device: str | torch.device) -> torch.memory_format:
    """In what order networks and images keep their numbers on a device: channels last, which convolutions read fastest.

    Not on Apple's GPUs, where backward passes took thirty times as long so, and convolutions of channel slices, of
    which this network is full, came out wrong (pytorch issues 193349 and 180984, both of 2026).
    """
    return torch.contiguous_format if torch.device(device).type == "mps" else torch.channels_last


def place(images: Tensor, device: str | torch.device) -> Tensor:
    """Images (B, 3, H, W) on a device, in its layout. Those from pinned memory are still on their way to a CUDA GPU,
    which knows; elsewhere a copy that nobody waits for may read what has been freed (pytorch issue 189690)."""
    return images.to(device, memory_format=layout(device), non_blocking=torch.device(device).type == "cuda")


def new_folder(default: str, project: str | None = None, name: str | None = None, exist_ok: bool = False) -> Path:
    """Make and return `project`/`name`, by default runs/segment/`default`; name2, ... where it exists already.

    Errors: SeglabError when the place cannot be written to.
    """
    first = Path(str(project or "runs/segment"), str(name or default))
    try:
        first.parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = first if number == 1 else first.with_name(f"{first.name}{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir(exist_ok=exist_ok)
                return folder
    except OSError as error:
        raise SeglabError(
            f"cannot make the folder {first} ({error.strerror}): give another place as project= and name="
        ) from error
