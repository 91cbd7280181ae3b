"""Where a run happens: on which device, and in which folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from seglab.errors import SeglabError


def choose_device(device: Any = None) -> torch.device:
    """A device as users name it: "cpu", "cuda:1", 1, "1", "mps", a torch.device; None or "" is the first accelerator.

    Errors: SeglabError for several devices (torchrun starts one process each) and for one this machine lacks.
    """
    if isinstance(device, torch.device):
        return device
    name = "" if device is None else str(device).strip("[]() ").replace(" ", "").lower()
    if "," in name:
        raise SeglabError(
            f"device={device}: one process drives one device, so start several with torchrun, as in "
            f"`torchrun --nproc-per-node {name.count(',') + 1} -m seglab.cli train ...`"
        )
    if not name:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    name = f"cuda:{name}" if name.isdigit() else name
    kind, _, index = name.partition(":")
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(kind):
        raise SeglabError(
            f"device={device}: there is no such device here; use {' or '.join(k for k in there if there[k])}"
        )
    return torch.device(name)


def new_folder(default: str, project: str | None = None, name: str | None = None, exist_ok: bool = False) -> Path:
    """Make and return `project`/`name`, by default runs/segment/`default`; name2, ... where it exists already."""
    parent, name = Path(project or "runs/segment"), name or default
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}{number}")
        try:
            folder.mkdir(exist_ok=exist_ok)
            return folder
        except FileExistsError:
            number += 1
