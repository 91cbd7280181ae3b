"""Screenshots of what the tests see in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

KEPT = Path(__file__).resolve().parents[2] / "runs" / "browser"  # screenshots, to be looked at


@pytest.fixture
def keep() -> Callable[[str], Path]:
    """Where a screenshot of this name is kept."""
    KEPT.mkdir(parents=True, exist_ok=True)
    return lambda name: KEPT / name
