"""Networks compiled by torch.compile, where that works."""

from __future__ import annotations

import functools

import torch
from torch import nn

from seglab.errors import SeglabError

MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


def compile_network(network: nn.Module, how: bool | str) -> bool:
    """Let a network run compiled from its next call on; its weights and their names stay what they are.

    how: True, or one of MODES. Gives whether it will be: where torch.compile finds no compiler, which is said, the
    network runs as it is. Errors: SeglabError for another mode.
    """
    mode = "default" if how is True else str(how)
    if mode not in MODES:
        raise SeglabError(f"compile={how!r} must be True, False or one of {', '.join(MODES)}")
    reason = why_not()
    if reason:
        print(f"compile={how}: torch.compile does not work here ({reason}), so the network runs uncompiled")
        return False
    network.compile(mode=mode)
    return True


@functools.cache
def why_not() -> str:
    """Why nothing can be compiled here, "" where it can: a small function is tried once."""
    try:
        torch.compile(_half)(torch.ones(2))
    except Exception as error:  # the compiler's stages have no common base
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return ""


def _half(x: torch.Tensor) -> torch.Tensor:
    return x / 2
