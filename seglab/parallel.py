"""Work shared by several processes: how many, and how they are started."""

from __future__ import annotations

import functools
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, TypeVar

import cv2

from seglab.errors import SeglabError

Result = TypeVar("Result")
MAX_PROCESSES = 60  # Windows cannot wait for more
SOCKET_PATH = 103 if sys.platform == "darwin" else 107  # bytes that the path of a socket may have
CHUNKS_PER_PROCESS = 50  # the items of each process come in so many chunks: a progress bar moves with every chunk

_job: tuple[Callable, tuple]  # of a worker process: the function it calls, and the arguments all items have in common


def cores() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def starting_processes() -> Iterator[None]:
    """Start processes within: they neither wait for OpenCV's threads nor run the user's script again.

    On Linux a forked process would wait for threads that it does not have. On Windows and macOS a new process runs the
    main script, whose model.train(...) would start processes in turn, unless it stands under `if __name__ ==
    "__main__":`; ours need nothing of that script.
    """
    threads = cv2.getNumThreads()
    main = sys.modules["__main__"]
    cv2.setNumThreads(1)
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        cv2.setNumThreads(threads)


def place_among_processes() -> tuple[int, int]:
    """(number of this process, from 0, number of processes), as torchrun tells each that it starts; (0, 1) alone."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def can_pass_tensors() -> bool:
    """Whether processes can pass tensors on: through sockets in the temporary folder, whose path must not be long.

    Where it is too long, PyTorch's workers would drop what they have made, and whoever waits for it would wait forever.
    """
    return os.name == "nt" or _fits_a_socket(tempfile.gettempdir())


@functools.cache  # told once
def _fits_a_socket(folder: str) -> bool:
    fits = len(os.fsencode(os.path.join(folder, "pymp-01234567", "listener-01234567"))) <= SOCKET_PATH
    if not fits:
        print(
            f"the path of the temporary folder, {folder}, is too long for the sockets of worker processes, so images "
            "are loaded in this process: set TMPDIR to a shorter one, such as /tmp, to use workers"
        )
    return fits


def workers_for(count: int, min_count: int) -> int:
    """How many processes should share `count` items: 0, for none besides this one, below `min_count` of them."""
    own_cores = cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # under torchrun every process asks
    return min(own_cores, MAX_PROCESSES) if own_cores > 1 and count >= min_count else 0


def parallel_map(
    do: Callable[..., Result], items: Sequence, workers: int, *common: Any
) -> Generator[Result, None, None]:
    """do(item, *common) of every item, in order, by `workers` processes; by this one if that is 0.

    What items have in common is sent to each process once. Close the generator to end early. Errors: those of `do`;
    SeglabError where a process was ended from outside.
    """
    if not workers:
        yield from (do(item, *common) for item in items)
        return
    chunk = max(1, len(items) // (workers * CHUNKS_PER_PROCESS))
    with starting_processes(), ProcessPoolExecutor(workers, initializer=_receive_job, initargs=(do, common)) as pool:
        try:
            yield from pool.map(_do_item, items, chunksize=chunk)
        except BrokenProcessPool as error:
            raise SeglabError(
                f"one of {workers} processes that share the work was ended by the system, most likely for want of "
                "memory: close other programs, and run it again"
            ) from error


def end_with_parent() -> None:
    """Called in a process that another one has started: it ends when that one does, whatever it is doing.

    Whoever is killed tells nobody. Its workers would wait for ever for work from a pipe whose other end they hold too.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_for_the_end_of, args=(parent,), daemon=True).start()


def _wait_for_the_end_of(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _receive_job(do: Callable, common: tuple) -> None:
    global _job
    _job = do, common
    end_with_parent()
    cv2.setNumThreads(1)  # the processes are the parallelism


def _do_item(item: Any) -> Any:
    do, common = _job
    return do(item, *common)
