"""Optional packages: imported when a format needs them, never installed."""

from __future__ import annotations

import importlib
from types import ModuleType

from seglab.errors import SeglabError


def require(package: str, pip: str) -> ModuleType:
    """Import an optional package.

    package: the name it is imported by; pip: what `pip install` takes.
    Errors: SeglabError with the line that installs it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing and missing != package.partition(".")[0]:
            raise  # the package is there, and one that it needs is not
        raise SeglabError(f"this format needs the package {package}: pip install {pip}") from None
