"""A progress bar, for work that takes long enough to need one.

tqdm is imported with the first bar: making a lock for its bars takes it some milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from math import inf
from typing import TypeVar

Item = TypeVar("Item")
MIN_ITEMS = 200  # from which a bar is shown: fewer are done before it could be read
LARGE_FILE = 1 << 24  # bytes, likewise


def with_progress(items: Iterable[Item], what: str, unit: str = "image", count: float | None = None) -> Iterable[Item]:
    """`items` under a bar named `what`, where there are at least MIN_ITEMS of them; in notebooks it is a widget.

    count: how many there are, for items without a length; infinity where nobody knows.
    """
    if count is None:
        count = len(items) if isinstance(items, Sized) else inf
    if count < MIN_ITEMS:
        return items
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, unit=unit, total=count)


@contextmanager
def byte_progress(what: str, size: int) -> Iterator[Callable[[int], object]]:
    """A function to call with the number of bytes read since the last call; a bar is shown for a LARGE_FILE."""
    if size < LARGE_FILE:
        yield lambda count: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=size, desc=what, unit="B", unit_scale=True) as bar:
        yield bar.update
