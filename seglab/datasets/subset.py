"""Part of a dataset: some of its classes, all of them as one, or some of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seglab.datasets.spec import DatasetSpec, Selection
from seglab.errors import SeglabError
from seglab.files import SPLITS

ONE_CLASS = {0: "item"}  # what all classes together are called


def subset(
    spec: DatasetSpec,
    classes: Sequence[int] | int | None = None,
    single_cls: bool = False,
    fractions: dict[str, float] | None = None,
) -> DatasetSpec:
    """The dataset with instances of `classes` alone (None: all), all of them as one class, and part of its images.

    fractions: split -> a fraction up to 1, or a number of images, as `split_fractions` gives them; other splits stay
    whole. Class ids stay what they are, unless there is one class only.
    Errors: SeglabError for a class id that the dataset does not have.
    """
    wanted = (classes,) if isinstance(classes, int) else classes
    unknown = [class_id for class_id in wanted or () if class_id not in spec.names]
    if unknown:
        raise SeglabError(
            f"classes={classes}: {spec.name} has no class {unknown[0]}, its classes are 0 to {len(spec.names) - 1}"
        )
    splits = dict(spec.splits)
    for split, fraction in (fractions or {}).items():
        if split in splits:
            splits[split] = evenly(splits[split], fraction)
    if splits != spec.splits:
        spec = replace(spec, splits=splits)
    if wanted is None and not single_cls:
        return spec
    selection = Selection(spec, None if wanted is None else frozenset(wanted), single_cls)
    return replace(spec, names=dict(ONE_CLASS) if single_cls else spec.names, selection=selection)


def evenly(images: Sequence, fraction: float) -> tuple:
    """Part of a sequence, spread evenly over it: a fraction up to 1, or a number from 2 on."""
    wanted = round(len(images) * fraction) if fraction <= 1 else int(fraction)
    wanted = min(max(wanted, 1), len(images))
    places = np.linspace(0, len(images), wanted, endpoint=False).astype(int)
    return tuple(images[place] for place in places)


def split_fractions(fraction: float | list | tuple, of: Sequence[str]) -> dict[str, float]:
    """What `fraction` means for each split: a number for the splits of `of`, or a list for train, val and test.

    Errors: SeglabError for what is neither a fraction in 0..1 nor a number of images.
    """
    values = list(fraction) if isinstance(fraction, (list, tuple)) else [fraction] * len(of)
    splits = SPLITS if isinstance(fraction, (list, tuple)) else of
    if len(values) > len(splits):
        raise SeglabError(f"fraction={fraction} has more entries than the splits {', '.join(SPLITS)}")
    for value in values:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (is_number and 0 < value and (value <= 1 or value == int(value))):
            raise SeglabError(f"fraction={fraction} must be above 0 and up to 1, or a number of images, 2 or more")
    return {split: value for split, value in zip(splits, values) if value != 1}
