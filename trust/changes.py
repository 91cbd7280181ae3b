"""A valid JSON document with something else in every place: what no fuzzer of bytes gets to in a minute."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

# What may stand where a number, a text, a list or a mapping should: each JSON can say it, and Python's reads it.
WRONG_VALUES = (
    *(None, True, "", "word", [], [[]], [1], {}, {"a": 1}, -1, 0, 2.5, 1e308, float("inf"), float("nan"), 2**63),
    *(10**400, "9" * 5000, "\0", "../../x", "\x1b[31mred\n", "NaN", [float("nan")] * 6, [[[[[[1]]]]]]),
)
MAX_ITEMS = 3  # of a list that are changed: the others are like them

Place = tuple[str | int, ...]


def wrong_documents(document: Any, step: int = 1) -> Iterator[tuple[str, bytes]]:
    """(what was done, the document as JSON) with every place replaced or taken away; step: every so many alone."""
    number = 0
    for place in places_in(document):
        for value in (*WRONG_VALUES, "away"):
            number += 1
            if number % step == 0 and (place or value != "away"):
                told = f"{'/'.join(map(str, place)) or 'all'}: {str(value)[:20]!r}"
                changed = without(document, place) if value == "away" else with_value(document, place, value)
                yield told, json.dumps(changed).encode()


def places_in(document: Any, place: Place = ()) -> Iterator[Place]:
    """Where values stand in a document, itself first."""
    yield place
    inside: list[tuple[str | int, Any]] = []
    if isinstance(document, dict):
        inside = list(document.items())
    elif isinstance(document, list):
        inside = list(enumerate(document[:MAX_ITEMS]))
    for key, value in inside:
        yield from places_in(value, (*place, key))


def with_value(document: Any, place: Place, value: Any) -> Any:
    """A copy of the document with another value in a place."""
    if not place:
        return value
    changed = copy.deepcopy(document)
    _holder_of(changed, place)[place[-1]] = value
    return changed


def without(document: Any, place: Place) -> Any:
    """A copy of the document that lacks what stands in a place."""
    changed = copy.deepcopy(document)
    del _holder_of(changed, place)[place[-1]]
    return changed


def _holder_of(document: Any, place: Place) -> Any:
    for key in place[:-1]:
        document = document[key]
    return document
