"""Several datasets as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from seglab.class_names import equal_classes, join_names
from seglab.datasets.spec import DatasetSpec, numbered_names
from seglab.errors import SeglabError
from seglab.files import SPLITS
from seglab.sample import Sample, with_class_ids


def join_datasets(specs: Sequence[DatasetSpec], known: Mapping[int, str] | None = None) -> DatasetSpec:
    """Several datasets as one: the images of all of them, their classes renumbered by name.

    Names are joined in order of appearance and equal ones (as `equal_classes` compares them) share an id; class ids are
    mapped when labels are read. known: class id -> name of classes that come first and keep their ids. A split holds
    the images of those that have it; an image in several datasets is listed once and has the labels of all.
    Errors: SeglabError for datasets that cannot be joined: without class names, or drawn anew in every epoch.
    """
    flat = [part for spec in specs for part in (spec.parts or (spec,))]
    by_source = {str(part.source): part for part in flat}  # one that is named twice is joined once
    parts = tuple(by_source.values())
    if len(parts) > 1:
        _refuse_unjoinable(parts)

    names = join_names(*([known] if known else []), *(part.names for part in parts))
    splits: dict[str, tuple[Path, ...]] = {}
    for split in SPLITS:
        images = [image for part in parts for image in part.splits.get(split, ())]
        if images:
            splits[split] = tuple(dict.fromkeys(images))
    faults = {split: fault for part in parts for split, fault in part.faults.items()}
    first = parts[0]
    draw = partial(_draw_renumbered, first.draw, equal_classes(first.names, names)) if first.draw else None
    title = " + ".join(part.name for part in parts)
    return DatasetSpec(title, first.root, splits, names, faults=faults, draw=draw, parts=parts)


def _refuse_unjoinable(parts: Sequence[DatasetSpec]) -> None:
    for part in parts:
        if part.draw:
            raise SeglabError(
                f"{part.source} has new images in every epoch and cannot be joined: use toybox-seg with others instead"
            )
        if part.names == numbered_names(len(part.names)):
            raise SeglabError(
                f"{part.source} has no class names, needed to join datasets: write them as 'names' in its YAML"
            )


def _draw_renumbered(draw: Callable[[int, int], Sample], ids: Mapping[int, int], epoch: int, number: int) -> Sample:
    """What `draw` draws, with class ids of the joined dataset."""
    sample = draw(epoch, number)
    return replace(sample, instances=with_class_ids(sample.instances, ids))
