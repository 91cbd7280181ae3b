"""Names of classes: COCO's, and which classes of two sets are the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seglab.errors import SeglabError

MAX_CLASSES = 100_000  # ImageNet has 21,841; every class costs memory in the network, and a file may say any number
MAX_NAME = 1000  # characters

# The 80 classes of COCO in the order of class ids, as the official weights have them.
COCO_NAMES = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, "
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, "
    "mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, "
    "teddy bear, hair drier, toothbrush"
).split(", ")


def numbered(names: object, source: str, count: int | None = None) -> dict[int, str]:
    """Class id -> name, from what a file says: a list, or a mapping from 0, 1, 2, ... whose keys may be text.

    count: how many there must be; None: any number from 1 on. source: named in errors.
    Errors: SeglabError for anything else, for more than MAX_CLASSES and for names that are longer than MAX_NAME.
    """
    items: list[tuple[object, object]] = []
    if isinstance(names, Mapping):
        items = list(names.items())
    elif isinstance(names, Sequence) and not isinstance(names, (str, bytes)):
        items = list(enumerate(names))
    wanted = "" if count is None else f"{count} "
    fault = SeglabError(
        f"{source}: its class names must be {wanted}names for the ids 0, 1, 2, ..., not a {type(names).__name__} of "
        f"{len(items):,} entries: get a new copy"
    )
    if not 0 < len(items) <= MAX_CLASSES or count not in (None, len(items)):
        raise fault
    found: dict[int, str] = {}
    for key, name in items:
        is_number = isinstance(key, int) or (isinstance(key, str) and key.isascii() and key.isdecimal())
        if not is_number or not isinstance(name, (str, int, float)) or len(str(name)) > MAX_NAME:
            raise fault
        found[int(key)] = str(name)  # type: ignore[call-overload]
    if sorted(found) != list(range(len(items))):
        raise fault
    return dict(sorted(found.items()))


def equal_classes(names: Mapping[int, str], known: Mapping[int, str]) -> dict[int, int]:
    """Class id in `names` -> class id in `known`, of the classes of one name; case, spaces, - and _ do not count.

    Weights that say no names know their classes by number: as many classes are then taken for the same ones.
    """
    if len(names) == len(known) and all(name == str(number) for number, name in known.items()):
        return {number: number for number in names}
    ids: dict[str, int] = {}
    for number, name in known.items():
        ids.setdefault(_bare(name), number)
    return {number: ids[_bare(name)] for number, name in names.items() if _bare(name) in ids}


def same_classes(names: Mapping[int, str], known: Mapping[int, str]) -> bool:
    """Whether two networks know the same classes in the same order, as `equal_classes` compares them."""
    return len(names) == len(known) and equal_classes(names, known) == {number: number for number in names}


def join_names(first: Mapping[int, str], *others: Mapping[int, str]) -> dict[int, str]:
    """One numbering for several sets of classes, in order of appearance; equal names share an id, the first's.

    The classes of the first set keep their ids. The others find theirs in the result with `equal_classes`.
    """
    joined = dict(first)
    for names in others:
        shared = equal_classes(names, joined)
        seen = {_bare(name) for name in joined.values()}
        for number, name in names.items():
            if number not in shared and _bare(name) not in seen:
                joined[len(joined)] = name
                seen.add(_bare(name))
    return joined


def _bare(name: str) -> str:
    return "".join(name.casefold().replace("-", " ").replace("_", " ").split())
