from pathlib import Path

import pytest

from seglab.loggers.registry import TRACKERS
from seglab.loggers.tracker import About, Tracker


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_has_all_the_names(name):
    names = {each for each in vars(Tracker) if not each.startswith("_")} | set(Tracker.__annotations__)
    assert names == {"PACKAGE", "start", "identity", "log", "log_files", "close"}
    assert all(hasattr(TRACKERS[name], each) for each in names)


def test_a_new_run_resumes_none():
    assert About("train", None, Path("runs"), {}).resumes is None
