"""Where a run happens: on which device, and in which folder."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import torch

from seglab.errors import SeglabError


def choose_device(device: Any = None) -> torch.device:
    """A device as users name it: "cpu", "cuda:1", 1, "1", "mps", a torch.device; None or "" is the first accelerator.

    Errors: SeglabError for several devices (torchrun starts one process each) and for one this machine lacks.
    """
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
        "cuda": (index or "0").isdigit() and int(index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(kind):
        raise SeglabError(
            f"device={device}: there is no such device here; use {' or '.join(k for k in there if there[k])}"
        )
    return torch.device(name)


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
