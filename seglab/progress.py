"""A progress bar for work that is worth waiting for.

The library of bars is imported with the first one: making a lock for them takes it some milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
LARGE = 200  # items from which a bar is shown: fewer are done before it could be read
LARGE_FILE = 1 << 24  # bytes, likewise


def with_progress(items: Iterable[Item], what: str, unit: str = "image", count: float | None = None) -> Iterable[Item]:
    """`items` under a bar named `what`, where there are enough of them to wait for; in notebooks it is a widget.

    count: how many there are, for items that cannot tell themselves; infinity where nobody can.
    """
    count = len(items) if count is None else count
    if count < LARGE:
        return items
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, unit=unit, total=count)


@contextmanager
def byte_progress(what: str, size: int) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of bytes that have been read; there is a bar if `size` is worth one."""
    if size < LARGE_FILE:
        yield lambda count: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=size, desc=what, unit="B", unit_scale=True) as bar:
        yield bar.update
