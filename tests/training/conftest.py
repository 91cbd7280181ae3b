"""The module that trains small networks, for tests and for the processes they start."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def worker() -> ModuleType:
    path = Path(__file__).with_name("worker.py")
    specification = importlib.util.spec_from_file_location("training_worker", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
