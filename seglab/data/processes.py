"""Processes that share the work of making data: how many, and how they are started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import cv2


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def starting_processes() -> Iterator[None]:
    """Start processes within: they neither wait for OpenCV's threads nor read the user's script again.

    On Linux a forked process would wait for threads that it does not have. On Windows and macOS a fresh one reads the
    main script, whose model.train(...) would start processes in turn, unless it stands under `if __name__ ==
    "__main__":`; ours need nothing of that script.
    """
    threads, main = cv2.getNumThreads(), sys.modules["__main__"]
    cv2.setNumThreads(1)
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        cv2.setNumThreads(threads)
