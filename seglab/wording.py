"""Nouns with numbers: "1 image", "2 images"."""

from __future__ import annotations


def pluralize(number: int, thing: str) -> str:
    """ "1 bus", "2 buses", "0 cups"; a name in a single s, such as scissors or skis, is a plural already."""
    if number == 1 or (thing.endswith("s") and not thing.endswith(("ss", "us"))):
        return f"{number} {thing}"
    return f"{number} {thing}{'es' if thing.endswith(('s', 'x', 'ch', 'sh')) else 's'}"
