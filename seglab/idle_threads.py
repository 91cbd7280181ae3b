"""How long the threads of PyTorch spin while they wait for work, set before PyTorch is imported.

Between two operations OpenMP's threads spin, so that the next one starts at once. On a machine that also does something
else, a thread that spins takes the core from the one that all wait for: with busy programs beside it, a prediction then
takes ten times as long. Threads that soon go to sleep lose nothing on a quiet machine: most operations follow one
another within a few microseconds.
"""

from __future__ import annotations

import os
import sys

SPINS = "GOMP_SPINCOUNT"  # of GNU's OpenMP, which PyTorch uses on Linux
POLICY = "OMP_WAIT_POLICY"  # the standard's coarser word: spin for long, or not at all


def let_idle_threads_sleep() -> None:
    """Ask OpenMP to let waiting threads sleep soon, unless the user has said how they wait or PyTorch is loaded."""
    if "torch" not in sys.modules and POLICY not in os.environ:
        os.environ.setdefault(SPINS, "10000")
