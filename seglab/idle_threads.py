"""How the threads of PyTorch wait for work, set before PyTorch is imported.

Between two operations OpenMP's threads spin, so that the next one starts at once. On a machine that also does something
else, a thread that spins takes the core from the one that all wait for: with one busy program beside it, a prediction
then takes ten times as long. Threads that sleep are woken in microseconds.
"""

from __future__ import annotations

import os
import sys

POLICY = "OMP_WAIT_POLICY"


def let_idle_threads_sleep() -> None:
    """Ask OpenMP to let waiting threads sleep, unless the user has said how they wait or PyTorch is loaded already."""
    if "torch" not in sys.modules:
        os.environ.setdefault(POLICY, "PASSIVE")
