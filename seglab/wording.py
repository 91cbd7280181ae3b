"""Nouns with numbers ("1 image", "2 images"), and texts of others within a message."""

from __future__ import annotations

import re


def pluralize(number: int, noun: str) -> str:
    """ "1 bus", "2 buses", "0 cups"; a name in a single s, such as scissors or skis, is a plural already."""
    if number == 1 or (noun.endswith("s") and not noun.endswith(("ss", "us"))):
        return f"{number} {noun}"
    return f"{number} {noun}{'es' if noun.endswith(('s', 'x', 'ch', 'sh')) else 's'}"


MAX_QUOTED = 120  # characters of what somebody else wrote


def shortened(text: str, length: int = MAX_QUOTED) -> str:
    """A text on one line, cut where it is longer: what a file says may be of any length."""
    plain = one_line(text[: 2 * length])
    return plain if len(plain) <= length else plain[: length - 3] + "..."


# Controls of terminals and lines, marks and orders of writing direction, invisible spaces, halves of characters.
MOVING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def one_line(text: str) -> str:
    """A text without line breaks and other characters that move the cursor: a name may hold any of them."""
    return MOVING.sub(" ", text)
