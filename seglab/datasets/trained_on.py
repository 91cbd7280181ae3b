"""The dataset that weights were trained on, found again on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seglab.class_names import COCO_NAMES

DEFAULT_DATA = "coco8-seg"  # what is trained and validated on where neither the user nor the weights name a dataset


def data_of_training(train_args: Mapping[str, Any], names: Mapping[int, str]) -> str | list[str] | None:
    """The `data` of the arguments that weights were trained with, as this machine has it; None where they name none.

    names: of the classes that the weights know.
    """
    data = train_args.get("data")
    if not data:
        return None
    if isinstance(data, (list, tuple)):
        return [find_again(str(one), names) for one in data]
    return find_again(str(data), names)


def find_again(trained_on: str, names: Mapping[int, str]) -> str:
    """The dataset of a training that may have been elsewhere: where its path is missing, the local one of its name.

    Where there is none, weights that know COCO's classes get the default dataset, since nobody asked for a download of
    all of COCO; anything else stays, so that the error says what is missing.
    """
    if Path(trained_on).exists():
        return trained_on
    from seglab.datasets.load import is_local  # with all formats of labels: what does not need it does not wait

    name = Path(trained_on).stem
    if is_local(name):
        return name
    return DEFAULT_DATA if knows_coco(names) else trained_on


def knows_coco(names: Mapping[int, str]) -> bool:
    """Whether these are COCO's classes, in COCO's order."""
    return list(names.values()) == COCO_NAMES
