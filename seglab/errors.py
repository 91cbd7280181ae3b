"""The one exception class of seglab's own."""

from __future__ import annotations


class SeglabError(ValueError):
    """A problem the user can solve; its message is one sentence that says what, where and what to do."""
