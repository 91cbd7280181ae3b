"""The registry of dataset names: modules further up register who finds a name, so nothing here imports them.

`import seglab` registers the names it comes with (see `seglab/dataset_names.py`). It should cost nothing, so nothing is
imported here but by a type checker, and Finder is a plain class: `typing` and `dataclasses` take 10 ms.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true whatever it says
if TYPE_CHECKING:
    from collections.abc import Callable

    from seglab.datasets.spec import DatasetSpec

    # (name, split or None for all splits) -> the dataset, downloaded or generated if need be
    Find = Callable[[str, str | None], DatasetSpec]


class Finder:
    """Who finds one name. generated: its images are made here, so the name may end in how many: "toybox-seg:2000"."""

    def __init__(self, find: Find, generated: bool = False):
        self.find = find
        self.generated = generated


_FINDERS: dict[str, Finder] = {}


def register_finder(name: str, find: Find, generated: bool = False) -> None:
    """Let `load_dataset` find `name` through `find`; a later registration of a name replaces the earlier one."""
    _FINDERS[name] = Finder(find, generated)


def registered_names() -> list[str]:
    """All names with a finder, in the order of their registration."""
    return list(_FINDERS)


def finder_of(name: str) -> Finder | None:
    """The finder of a name, or of a generated dataset's name with a count behind a colon; None for other names."""
    base, colon, _ = name.partition(":")
    finder = _FINDERS.get(base)
    if finder is None or (colon and not finder.generated):
        return None
    return finder
