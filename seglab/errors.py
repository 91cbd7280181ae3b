"""The exception that seglab raises; a few more specific ones derive from it."""

from __future__ import annotations


class SeglabError(ValueError):
    """A problem that the user can solve; its message is one sentence that says what, where and what to do."""
