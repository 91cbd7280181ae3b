"""A real browser, where one is installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
).split()
KEPT = Path(__file__).resolve().parents[2] / "runs" / "browser"  # screenshots, to be looked at


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="browsers are driven by playwright, of [test]")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with playwright.sync_playwright() as driver:
        program = program or driver.chromium.executable_path  # Playwright's own
        if not Path(program).exists():
            pytest.skip("no Chromium is installed, and `make test` could not install one")
        running = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def keep() -> Callable[[str], Path]:
    """Where a screenshot of this name is kept."""
    KEPT.mkdir(parents=True, exist_ok=True)
    return lambda name: KEPT / name
