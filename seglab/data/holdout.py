"""Holding images out from training: a split at random, in which neither near copies nor rare classes are torn apart.

Images that show the same thing go to the same side: files with equal pixels, copies that one source was turned into
(street_jpg.rf.0a1b.jpg of Roboflow), tiles of one image (field_0_512.png) and neighboring frames of one video
(drive_000123.jpg). The rest is stratified, the rarest class first, so that every class that can be on both sides is.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np

from seglab.data.annotations import open_annotations
from seglab.data.image import image_size
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.split_file import NAME, Split, apply_split, read_split, split_file_of, spread, write_split
from seglab.errors import SeglabError, raise_if_away
from seglab.progress import with_progress
from seglab.wording import pluralize

# What names of images that belong together look like; the first group is what they share.
COPIES = re.compile(r"(.+?)(?:_(?:jpe?g|png|bmp|webp|tiff?))?\.rf\.[0-9a-z]+$", re.IGNORECASE)
TILES = re.compile(r"(.+?)[_-](?:tile[_-]?|[rxy])?\d+[_-][cxy]?\d+$", re.IGNORECASE)
FRAMES = re.compile(r"(.*?)(\d+)$")
MIN_BLOCKS = 10  # a video that is most of the dataset is cut into at least so many pieces, each of neighbors


def hold_out(spec: DatasetSpec, holdout: float, test: float = 0.0, seed: int = 0) -> DatasetSpec:
    """The dataset with fractions of its images held out as the splits val and test; the same for the same seed.

    Errors: SeglabError where it has both train and val already, or too few images to hold any out.
    """
    return apply_split(spec, draw_split(spec, holdout, test, seed), split_file_of(spec))


def hold_out_once(
    spec: DatasetSpec, holdout: float, test: float = 0.0, seed: int = 0, out: Path | None = None
) -> tuple[DatasetSpec, Path]:
    """`hold_out`, kept as a file that `load_dataset` finds: the next run has the same split -> (dataset, the file).

    Where the file is there already and was made with the same fractions, it holds. out: another file, to be named as
    the dataset from then on. Errors: SeglabError where it was made with others, or cannot be written.
    """
    path = out or split_file_of(spec)
    if out is None and not path.is_file() and (spec.root / NAME).is_file():
        path = spec.root / NAME  # kept before a YAML was written into the folder
    if path.is_file():
        kept = read_split(path, spec)
        if (kept.holdout, kept.test) == (holdout, test):
            return apply_split(spec, kept, path), path
        raise SeglabError(
            f"{path} already holds out {kept.holdout:g} for val and {kept.test:g} for test: leave out holdout= "
            "and test= to use this split, or delete the file to draw a new one"
        )
    split = draw_split(spec, holdout, test, seed)
    write_split(path, spec, split)
    return apply_split(spec, split, path), path


def draw_split(spec: DatasetSpec, holdout: float, test: float, seed: int) -> Split:
    """Which images of a dataset to hold out. Errors: as of `hold_out`."""
    _refuse_unsplittable(spec, holdout, test)
    images = list(dict.fromkeys(image for name in ("train", "val") for image in spec.splits.get(name, ())))
    images = images or list(dict.fromkeys(image for files in spec.splits.values() for image in files))
    if not images:
        spec.images("train")  # raises what is wrong with it
    classes = _classes_of(spec, images)
    groups = group_images(images, max(holdout, test))
    if len(groups) < 2 + bool(test):
        raise SeglabError(
            f"{spec.source} has {pluralize(len(images), 'image')} in {pluralize(len(groups), 'group')} of copies, "
            f"tiles or frames of the same image, and a split needs {2 + bool(test)} groups: add images, or train with "
            "holdout=0, which validates on the training images"
        )
    shares = {"train": 1 - holdout - test, "val": holdout, "test": test}
    side = assign_groups(groups, classes, shares, seed)
    chosen: dict[str, list[Path]] = defaultdict(list)
    for group, split in zip(groups, side):
        chosen[split] += group
    return Split(holdout, test, seed, frozenset(chosen["val"]), frozenset(chosen["test"]))


def _refuse_unsplittable(spec: DatasetSpec, holdout: float, test: float) -> None:
    train, val = spec.splits.get("train", ()), spec.splits.get("val", ())
    if spec.parts or spec.draw:
        raise SeglabError(
            f"{spec.name} is not a single dataset of files: split each part, then pass all of them as a list"
        )
    if not 0 <= holdout + test < 1:
        raise SeglabError(f"holdout={holdout} and test={test} leave nothing to train on: their sum must be below 1")
    if train and val and set(train) != set(val):
        raise SeglabError(f"{spec.source} already has a val split of {len(val)} images: leave out holdout=")
    if test and spec.splits.get("test"):
        raise SeglabError(f"{spec.source} already has a test split: leave out test=")


def _classes_of(spec: DatasetSpec, images: Sequence[Path]) -> dict[Path, set[int]]:
    """Image -> the classes on it."""
    classes: dict[Path, set[int]] = {image: set() for image in images}
    for split in spec.splits:
        annotations = open_annotations(spec, split)
        for image in with_progress(annotations.images, "split", count=len(annotations.images)):
            if image in classes:
                try:
                    found, _ = annotations.read(image, image_size(image))
                except (SeglabError, FileNotFoundError) as error:
                    raise_if_away(image, error)  # a split that is kept is not drawn from half the labels
                    continue  # unreadable: told when the split is read
                classes[image] |= {instance.class_id for instance in found if not instance.crowd}
    return classes


# What belongs together


def group_images(images: Sequence[Path], fraction: float) -> list[list[Path]]:
    """The images in groups that must not be torn apart, in the order of their first ones.

    fraction: of the images that is to be held out; a video that is longer is cut into pieces of neighboring frames.
    """
    leader: dict[Path, Path] = {image: image for image in images}

    def find(image: Path) -> Path:
        while leader[image] != image:
            leader[image] = leader[leader[image]]
            image = leader[image]
        return image

    for together in (*_by_bytes(images), *_by_name(images, fraction)):
        for other in together[1:]:
            leader[find(other)] = find(together[0])
    groups: dict[Path, list[Path]] = defaultdict(list)
    for image in images:
        groups[find(image)].append(image)
    return list(groups.values())


def _by_bytes(images: Sequence[Path]) -> Iterable[list[Path]]:
    """Files with the same content."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for image in images:
        if image.is_file():
            by_size[image.stat().st_size].append(image)
    by_digest: dict[bytes, list[Path]] = defaultdict(list)
    for alike in by_size.values():
        for image in alike if len(alike) > 1 else ():
            by_digest[hashlib.blake2b(image.read_bytes(), digest_size=16).digest()].append(image)
    return by_digest.values()


def _by_name(images: Sequence[Path], fraction: float) -> Iterable[list[Path]]:
    """Copies and tiles of one image; frames of one video where there are several, else pieces of neighbors."""
    copies: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    frames: dict[tuple[Path, str], list[tuple[int, Path]]] = defaultdict(list)
    for image in images:
        match = COPIES.match(image.stem) or TILES.match(image.stem)
        frame = FRAMES.match(image.stem)
        if match:
            copies[image.parent, match[1]].append(image)
        elif frame and frame[1]:
            frames[image.parent, frame[1]].append((int(frame[2]), image))
    yield from copies.values()
    longest = max(1, int(len(images) * fraction))
    for video in frames.values():
        numbered = sorted(video)
        if len(frames) == 1 and not _is_video(numbered):
            continue
        length = len(numbered) if len(numbered) <= longest else max(1, ceil(len(numbered) / MIN_BLOCKS))
        for start in range(0, len(numbered), length):
            yield [image for _, image in numbered[start : start + length]]


def _is_video(numbered: Sequence[tuple[int, Path]]) -> bool:
    """Whether numbered images are frames: most follow each other in even steps, as photos of a camera seldom do."""
    numbers = [number for number, _ in numbered]
    steps = Counter(np.diff(numbers).tolist())
    return bool(steps) and steps.most_common(1)[0][1] >= 0.9 * (len(numbered) - 1)


# Which group goes where


@dataclass
class _Side:
    """A split while groups are assigned: how many images it still wants, of all and of each class."""

    images: float
    classes: dict[int, float]


def assign_groups(
    groups: Sequence[Sequence[Path]], classes: dict[Path, set[int]], shares: dict[str, float], seed: int
) -> list[str]:
    """The split of every group, so that each split has its share of the images and, as far as possible, of each class.

    Iterative stratification: the rarest class first, every group of it goes where that class is missed most (Sechidis
    et al., On the stratification of multi-label data, 2011). A class in two groups or more is in train and in val.
    """
    rng = np.random.default_rng(seed)
    in_group = [Counter(class_id for image in group for class_id in classes[image]) for group in groups]
    groups_with = Counter(class_id for counts in in_group for class_id in counts)
    total = Counter[int]()
    for counts in in_group:
        total.update(counts)
    image_count = sum(map(len, groups))
    sides = {split: _Side(share * image_count, {}) for split, share in shares.items() if share > 0}
    for split, side in sides.items():
        for class_id, count in total.items():
            wanted = shares[split] * count
            if groups_with[class_id] > 1 and split in ("train", "val"):
                wanted = max(wanted, 1.0)
            side.classes[class_id] = wanted

    chosen = [""] * len(groups)
    order = rng.permutation(len(groups)).tolist()
    for class_id, _ in sorted(groups_with.items(), key=lambda item: (item[1], item[0])):
        for number in order:
            if not chosen[number] and class_id in in_group[number]:
                chosen[number] = _neediest(sides, class_id)
                _take(sides[chosen[number]], len(groups[number]), in_group[number])
    for number in order:
        if not chosen[number]:
            chosen[number] = max(sides, key=lambda split: sides[split].images)
            _take(sides[chosen[number]], len(groups[number]), in_group[number])
    _fill_empty(chosen, list(sides), groups, order)
    _move_surplus(chosen, {split: shares[split] * image_count for split in sides}, groups, in_group, order)
    return chosen


def _fill_empty(chosen: list[str], wanted: Sequence[str], groups: Sequence[Sequence[Path]], order: list[int]) -> None:
    """Give every split that got nothing, as happens among a few images, the smallest group of the fullest one."""
    for split in wanted:
        if split not in chosen:
            fullest = Counter(chosen).most_common(1)[0][0]
            smallest = min((number for number in order if chosen[number] == fullest), key=lambda n: len(groups[n]))
            chosen[smallest] = split


def _move_surplus(
    chosen: list[str],
    wanted: dict[str, float],
    groups: Sequence[Sequence[Path]],
    in_group: Sequence[Counter[int]],
    order: Sequence[int],
) -> None:
    """Move groups from the split with the most images beyond its share to the one that misses most.

    wanted: split -> its share, in images. Where many classes are rare, val grows beyond its share, as it gets an image
    of each. Of these, the groups may go whose classes val has in others, too; and any, where it has more than train.
    """
    images = dict.fromkeys(wanted, 0)
    holders: dict[str, Counter[int]] = {split: Counter() for split in wanted}  # class id -> groups that have it
    for number, split in enumerate(chosen):
        images[split] += len(groups[number])
        holders[split].update(in_group[number].keys())

    def surplus(split: str) -> float:
        return images[split] - wanted[split]

    for may_lose in (False, True):
        for number in order:
            source, target = max(wanted, key=surplus), min(wanted, key=surplus)
            size = len(groups[number])
            if chosen[number] != source or size >= min(surplus(source) - surplus(target), images[source]):
                continue  # they would only change places, or nothing would be left
            is_lost = any(holders[source][class_id] == 1 for class_id in in_group[number])
            outnumbers_train = images[source] > images["train"] and wanted[source] < wanted["train"]
            if is_lost and not (may_lose and outnumbers_train):
                continue
            chosen[number] = target
            images[source] -= size
            images[target] += size
            holders[source].subtract(in_group[number].keys())
            holders[target].update(in_group[number].keys())


def _neediest(sides: dict[str, _Side], class_id: int) -> str:
    """The split that misses a class most; of equals the one that misses images most."""
    return max(sides, key=lambda split: (sides[split].classes[class_id], sides[split].images))


def _take(side: _Side, images: int, counts: Counter[int]) -> None:
    side.images -= images
    for class_id, count in counts.items():
        side.classes[class_id] -= count


def with_holdout(spec: DatasetSpec, holdout: float | None, test: float | None, seed: int) -> DatasetSpec:
    """The dataset as a training asks for it: with images held out once and for all, or none at all.

    holdout=0 validates on the images that are trained on, which is said. None: as the dataset is.
    """
    if holdout is None and test is None:
        return spec
    if not holdout and not test:
        if spec.splits.get("val"):
            return spec
        print("holdout=0: no image is held out, so validation measures memorization")
        both = {"val": spec.images("train"), **spec.splits}
        return replace(spec, splits=both, annotations=spread(spec.annotations, both), crowds=spread(spec.crowds, both))
    split, path = hold_out_once(spec, holdout or 0.0, test or 0.0, seed)
    counts = ", ".join(f"{name} {pluralize(len(images), 'image')}" for name, images in split.splits.items())
    print(f"split: {counts}; saved to {path}")
    return split


def describe_split(spec: DatasetSpec) -> str:
    """A table: the images of every split, and how many have an instance of each class."""
    splits = list(spec.splits)
    lines = [f"{'':20}" + "".join(f"{name:>9}" for name in splits)]
    lines.append(f"{'images':20}" + "".join(f"{len(spec.splits[name]):9}" for name in splits))
    classes = {name: _classes_of(replace(spec, splits={name: spec.splits[name]}), spec.splits[name]) for name in splits}
    for class_id, title in spec.names.items():
        counts = [sum(class_id in found for found in classes[name].values()) for name in splits]
        if any(counts):
            lines.append(f"{'with ' + title:20}" + "".join(f"{count:9}" for count in counts))
    return "\n".join(lines)
