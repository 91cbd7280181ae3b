"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# Property tests draw the same examples in every run, so that a run can be repeated and a failure is a change's fault.
# To search at random instead, now and then and with more examples:
#     pytest tests/geometry tests/data/test_convert.py --hypothesis-profile=search
# What a search finds becomes an @example of its test. A test's own max_examples count in both profiles.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def datasets_folder() -> Path:
    """The folder of real photographs; tests that need it are skipped where it is not there."""
    folder = os.environ.get("SEGLAB_DATASETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set SEGLAB_DATASETS to the folder that holds coco8-seg and coco38 to run the real-photo tests")
    return Path(folder)


@pytest.fixture
def one_thread():
    """Small networks train faster on one thread, and alike on every machine's number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
