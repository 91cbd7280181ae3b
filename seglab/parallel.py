"""Processes that share the work of making data: how many, and how they are started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import cv2

MOST = 60  # processes: Windows cannot wait for more
PORTIONS = 50  # in which each gets its share, so that a bar moves


def cores() -> int:
    """How many CPUs this process may use."""
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


def workers_for(count: int, worth: int) -> int:
    """How many processes `count` items should be shared out among: none for fewer than are `worth` starting any."""
    mine = cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # under torchrun every process asks
    return min(mine, MOST) if mine > 1 and count >= worth else 0


def parallel_map(do: Callable, items: Sequence, workers: int, *common: Any) -> Iterator:
    """do(item, *common) of every item, in order, by `workers` processes; by this one if that is 0.

    What items have in common is handed over once. Close the iterator to end early.
    """
    if not workers:
        yield from (do(item, *common) for item in items)
        return
    portion = max(1, len(items) // (workers * PORTIONS))
    with starting_processes(), ProcessPoolExecutor(workers, initializer=_learn, initargs=(do, common)) as pool:
        yield from pool.map(_do, items, chunksize=portion)


def _learn(do: Callable, common: tuple) -> None:
    global _job
    _job = do, common
    cv2.setNumThreads(1)  # the processes are the parallelism


def _do(item: Any) -> Any:
    do, common = _job
    return do(item, *common)
