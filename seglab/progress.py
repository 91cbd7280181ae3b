"""A progress bar for work that is worth waiting for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")
LARGE = 200  # items from which a bar is shown: fewer are done before it could be read


def with_progress(items: Iterable[Item], what: str, unit: str = "image", count: int | None = None) -> Iterable[Item]:
    """`items` under a bar named `what`, where there are enough of them to wait for; in notebooks it is a widget.

    count: how many there are, for items that cannot tell themselves.
    """
    count = len(items) if count is None else count
    if count < LARGE:
        return items
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, unit=unit, total=count)
