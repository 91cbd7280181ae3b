"""Several images at once: one thread reads ahead, others compute, and the caller takes what is done.

Results come in the order of their images, an error comes where it arose, and only a few images are held at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2  # items in work for each thread that computes: the one it works on, and the one it finds ready
END: Any = object()  # stands behind the last item


def in_order(work: Callable[[Item], Result], items: Iterator[Item], workers: int) -> Iterator[Result]:
    """`work(item)` of every item, in order, by so many threads at once; 0: here and now, one after another.

    A thread of its own advances `items`, and closes them in the end. At most AHEAD * workers + 1 items are held.
    Meanwhile the threads that compute share PyTorch's threads among them.
    """
    if not workers:
        yield from map(work, items)
        return
    threads = torch.get_num_threads()
    reader = ThreadPoolExecutor(1, "seglab-read")
    pool = ThreadPoolExecutor(workers, "seglab-compute", torch.set_num_threads, (max(1, threads // workers),))
    pending: deque[Future] = deque()

    def step(read: Future) -> Any:
        item = read.result()
        return END if item is END else work(item)

    def submit() -> None:
        pending.append(pool.submit(step, reader.submit(next, items, END)))

    try:
        for _ in range(AHEAD * workers):
            submit()
        while (result := pending.popleft().result()) is not END:
            submit()
            yield result
    # Also when the caller wants no more: what has begun is finished, what has not is left.
    finally:
        for future in pending:
            future.cancel()
        reader.shutdown(cancel_futures=True)
        pool.shutdown()
        _close(items)
        torch.set_num_threads(threads)  # new threads would take on what the last one was told


def _close(items: Iterator) -> None:
    """Let an iterator that was not used up leave its files and cameras."""
    close = getattr(items, "close", None)
    if close is not None:
        close()
