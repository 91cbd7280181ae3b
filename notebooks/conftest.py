"""What the bare `pytest --nbval FOLDER` needs, from wherever it is started; `seglab course` copies it too."""

from __future__ import annotations

import os
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent


def pytest_configure(config) -> None:
    """Run lessons with this Python on one CPU thread, and compare outputs by the lessons' own rules."""
    if getattr(config.option, "nbval", False):
        config.option.nbval_current_env = True
        config.option.nbval_sanitize_with = str(NOTEBOOKS / "sanitize.cfg")
        os.environ |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}  # stored outputs are a CPU's
