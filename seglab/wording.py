"""Nouns with numbers: "1 image", "2 images"."""

from __future__ import annotations


def pluralize(number: int, noun: str) -> str:
    """ "1 bus", "2 buses", "0 cups"; a name in a single s, such as scissors or skis, is a plural already."""
    if number == 1 or (noun.endswith("s") and not noun.endswith(("ss", "us"))):
        return f"{number} {noun}"
    return f"{number} {noun}{'es' if noun.endswith(('s', 'x', 'ch', 'sh')) else 's'}"
