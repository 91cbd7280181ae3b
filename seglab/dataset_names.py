"""The datasets that seglab knows by name, and who finds each of them.

Registered by `import seglab`, in every process: so each finder imports what it needs when its name is first loaded.
"""

from __future__ import annotations

from seglab.datasets.finders import register_finder

TYPE_CHECKING = False  # as in finders.py
if TYPE_CHECKING:
    from seglab.datasets.spec import DatasetSpec


def register_dataset_names() -> None:
    """Make the names known to `load_dataset`."""
    register_finder("coco8-seg", _archive)
    register_finder("coco128-seg", _archive)
    register_finder("coco", _coco)
    register_finder("toybox-seg", _toybox, generated=True)
    register_finder("toybox-fresh", _fresh_toybox, generated=True)


def _archive(name: str, split: str | None) -> DatasetSpec:
    from seglab.datasets.known import find_archive

    return find_archive(name, split)


def _coco(name: str, split: str | None) -> DatasetSpec:
    from seglab.convert.coco2017 import find_coco

    return find_coco(name, split)


def _toybox(name: str, split: str | None) -> DatasetSpec:
    from seglab.toybox.finder import find_toybox

    return find_toybox(name, split)


def _fresh_toybox(name: str, split: str | None) -> DatasetSpec:
    from seglab.toybox.finder import find_fresh_toybox

    return find_fresh_toybox(name, split)
