"""What was read of a split, in one line; and the refusal to go on with nothing."""

from __future__ import annotations

import os
from pathlib import Path

from seglab.data.annotations import KEPT
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.labels_nearby import labels_nearby
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir
from seglab.wording import pluralize

MAX_NAMES = 6  # class names in the line


def announce_split(dataset: SegmentationDataset, allow_empty: bool = False, verbose: bool = True) -> None:
    """Print what was recognized and read of a split, once and not once per process of a training run.

    Errors: SeglabError for a split without a single instance, unless `allow_empty`.
    """
    if not allow_empty and is_empty(dataset):
        raise SeglabError(_nothing_in(dataset))
    if verbose and int(os.environ.get("RANK", 0)) == 0:
        print(describe(dataset))


def is_empty(dataset: SegmentationDataset) -> bool:
    """Whether no image of a split has an instance, crowd regions aside."""
    if dataset.spec.draw:
        return False
    return not any(not found.crowd for index in range(len(dataset)) for found in dataset.instances(index))


def describe(dataset: SegmentationDataset) -> str:
    """One line: where the images come from, what that was recognized as, how many images and instances there are."""
    spec = dataset.spec
    names = list(spec.names.values())
    listed = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    sources = [spec.source] if isinstance(spec.source, str) else spec.source
    source = ", ".join(map(_shown, sources))
    about = f" ({spec.about})" if spec.about else ""
    counted = pluralize(len(dataset), "image")
    if not spec.draw and len(dataset) <= KEPT:  # they are at hand; of more images the labels would be read once more
        counted += f", {pluralize(_count(dataset), 'instance')}"
    return f"{dataset.split}: {counted} of {pluralize(len(names), 'class')} ({listed}) from {source}{about}"


def _shown(source: str) -> str:
    """A dataset that comes with seglab by its name, which is the same on every machine; others by their path."""
    if Path(source).is_relative_to(bundled_data_dir()):
        return Path(source).stem
    return source


def _count(dataset: SegmentationDataset) -> int:
    return sum(not found.crowd for index in range(len(dataset)) for found in dataset.instances(index))


def _nothing_in(dataset: SegmentationDataset) -> str:
    spec = dataset.spec
    crowds = sum(found.crowd for index in range(len(dataset)) for found in dataset.instances(index))
    kinds = sorted({issue.message.split(":")[0] for issue in dataset.issues})
    why = f" (issues found: {', '.join(kinds[:3])})" if kinds else ""
    nearby = labels_nearby(spec)
    advice = f"{nearby}, or" if nearby else f"run `seglab check data={spec.source}` to see why, or"
    aside = f", apart from {pluralize(crowds, 'crowd region')}," if crowds else ""
    return (
        f"{spec.source} has no instance on the {pluralize(len(dataset), 'image')} of {dataset.split}{aside}{why}: "
        f"{advice} pass allow_empty=True if this is intended"
    )
