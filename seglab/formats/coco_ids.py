"""The ids of images and categories in COCO files: those that seglab gives, and those that files of others have.

Files of others have ids as numbers or as text, or one here and the other there: 5 and "5" mean the same wherever a
file has but one of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Generic, TypeVar

from seglab.class_names import COCO_NAMES
from seglab.errors import SeglabError

MAX_DIGITS = 100  # of an id that is a number
LARGEST_ID = 2**53  # from here on, JSON readers that hold numbers as float64 confuse neighbors

_UNUSED_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # of 1 to 90: categories that COCO named and never published
COCO_IDS = dict(zip(COCO_NAMES, (number for number in range(1, 91) if number not in _UNUSED_IDS)))

Id = int | str  # of an image or a category
Value = TypeVar("Value")


# Given by seglab: the one rule for ids in every COCO file that it writes


def category_ids(names: Mapping[int, str]) -> list[int]:
    """The category id of every class of a dataset that has no COCO JSON to say it.

    COCO's own ids (1 to 90, with gaps) where every name is one of COCO's, each once; else class id + 1. So what is
    found with COCO's names can be scored against COCO's own files, and ids depend on nothing but the names.
    """
    in_order = [names[class_id] for class_id in sorted(names)]
    if len(set(in_order)) == len(in_order) and set(in_order) <= COCO_IDS.keys():
        return [COCO_IDS[name] for name in in_order]
    return list(range(1, len(in_order) + 1))


def image_ids(images: Sequence[Path], known: Mapping[Path, Id] | None = None) -> dict[Path, Id]:
    """The image id of every image of a split; `known` are those that a COCO JSON gives.

    Without any known id: the numbers in the file names, where every name is ASCII digits and no two are the same
    number (COCO's 000000000139.jpg is 139); else 1, 2, 3, ... in the order given. With known ids, the images that
    have none count on from the largest. All ids are distinct, and all numbers, or all text as the known ones are.
    """
    images = list(dict.fromkeys(images))  # one that is listed twice is one image
    if known:
        return dict(known) | dict(zip((image for image in images if image not in known), counted_on(known.values())))
    numbered = [_number_in(image.stem) for image in images]
    if None not in numbered and len(set(numbered)) == len(numbered):
        return {image: number for image, number in zip(images, numbered) if number is not None}
    return {image: number for number, image in enumerate(images, start=1)}


def counted_on(known: Iterable[Id]) -> Iterator[Id]:
    """Ids that a COCO JSON does not have yet: numbers from its largest on, as text if its ids are text."""
    taken = set(known)
    as_text = any(isinstance(number, str) for number in taken)
    largest = max((number for number in taken if isinstance(number, int)), default=0)
    for number in count(largest + 1):
        following = str(number) if as_text else number
        if following not in taken:
            yield following


def _number_in(stem: str) -> int | None:
    """The number that a file name is, if it is nothing else: ASCII digits alone, as other scripts' repeat them."""
    if not (stem.isascii() and stem.isdecimal() and len(stem) <= len(str(LARGEST_ID))):
        return None
    number = int(stem)
    return number if number < LARGEST_ID else None


def file_names(images: Sequence[Path]) -> dict[Path, str]:
    """What each image of a split is called in a COCO file: its path from the folder that all of them have in common."""
    if not images:
        return {}
    try:
        folder = os.path.commonpath([image.parent for image in images])
    except ValueError:  # on several drives, or some paths absolute and some not
        return {image: image.as_posix() for image in images}
    return {image: image.relative_to(folder).as_posix() for image in images}


# Read from files of others


def other_spelling(number: object) -> Id | None:
    """The same id as text where it is a number, and as a number where it is text of digits; None for others."""
    if isinstance(number, str):
        digits = number.strip()
        is_whole = digits.isascii() and digits.removeprefix("-").isdecimal() and len(digits) <= MAX_DIGITS
        return int(digits) if is_whole else None
    if isinstance(number, (int, float)) and number == number and number % 1 == 0:
        return str(int(number))
    return None


class ById(Generic[Value]):
    """Values by id: an id is found as it stands, else by its other spelling."""

    def __init__(self, values: Mapping[Id, Value]):
        self._values = values

    def get(self, number: object) -> Value | None:
        """The value of an id of any type that JSON has; None where there is none."""
        if isinstance(number, (dict, list)):
            return None
        if number in self._values:
            return self._values[number]  # type: ignore[index]  # 3.0 is found as 3, and null as null
        other = other_spelling(number)
        return None if other is None else self._values.get(other)


def in_order(ids: Iterable[Id]) -> list[Id]:
    """Ids sorted: numbers by size, then text by letters, then null."""
    return sorted(ids, key=lambda number: (number is None, isinstance(number, str), number))


def refuse_no_id(path: str | Path, what: str, number: object) -> None:
    """Errors: SeglabError for what cannot be an id. what: whose it is, as "images"."""
    if isinstance(number, (dict, list)):
        raise SeglabError(f"{path}: the id {number} among its {what} must be a number or text: give each its own")
