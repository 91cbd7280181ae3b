"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def datasets_folder() -> Path:
    """The folder of real photographs; tests that need it are skipped where it is not there."""
    folder = os.environ.get("SEGLAB_DATASETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set SEGLAB_DATASETS to the folder that holds coco8-seg and coco38 to run the real-photo tests")
    return Path(folder)
