"""The one exception class of seglab's own, and the check of argument names that every front door shares."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SeglabError(ValueError):
    """A problem the user can solve; its message is one sentence that says what, where and what to do."""


def refuse_unknown(given: Iterable[str], valid: Iterable[str], where: str) -> None:
    """Raise SeglabError for the first argument that does not exist, naming the nearest one that does."""
    valid = sorted(valid)
    for name in given:
        if name not in valid:
            nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
            advice = f"did you mean '{nearest[0]}'?" if nearest else f"it takes {', '.join(valid)}"
            raise SeglabError(f"{where} has no argument '{name}': {advice}")
