"""The exception that seglab raises; a few more specific ones derive from it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seglab.wording import one_line

MAX_REASON = 200  # characters of what a parser says: it may quote the whole file

# What values of a file may raise that are not what they should be: absent, of another type, numbers beyond all bounds.
UNREADABLE = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


# What reading a file raises where its disk fails, or the drive in the network went away.
AWAY = {errno.EIO, errno.ETIMEDOUT, getattr(errno, "ESTALE", errno.EIO)}


class SeglabError(ValueError):
    """A problem that the user can solve; its message is one sentence that says what, where and what to do.

    What it quotes of a file may hold anything, so that characters which would move a terminal's cursor become spaces.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


@contextmanager
def reading(path: str | Path, what: str, remedy: str = "get a new copy") -> Iterator[None]:
    """Within, whatever a parser raises about a file becomes one SeglabError that names it.

    Files come from anywhere, and what a parser raises on one that is damaged or made to harm is listed nowhere.
    what: what the file should be, with its article; remedy: what to do. A missing file stays a FileNotFoundError.
    """
    try:
        yield
    except (SeglabError, FileNotFoundError):
        raise
    except OSError as error:
        raise SeglabError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error
    except MemoryError as error:
        raise SeglabError(f"{path} needs more memory than there is: {remedy}") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:MAX_REASON]
        kind = type(error).__name__
        raise SeglabError(
            f"{path} is not {what}, or is damaged ({kind}{': ' if reason else ''}{reason}): {remedy}"
        ) from error


def raise_if_away(path: str | Path, error: BaseException) -> None:
    """Errors: SeglabError where an exception comes from the disk and not from what the file holds.

    Nobody knows then what is in the file, so nothing may be decided about it: an image without its labels would be
    background, and a split drawn, or an issue kept, for good.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in AWAY:
            raise SeglabError(
                f"{path} cannot be read now ({cause.strerror}): check the disk or the connection to it, and try again"
            ) from error
        cause = cause.__cause__
