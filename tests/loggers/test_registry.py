import importlib.util
import sys
from pathlib import Path

import pytest

from seglab.config.train import TRACKERS as NAMES
from seglab.errors import SeglabError
from seglab.loggers.registry import TRACKERS, how_to_install, is_installed, require_installed

tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
ROOT = Path(__file__).resolve().parents[2]


def test_help_lists_them_all():
    assert tuple(TRACKERS) == NAMES


def test_every_tracker_has_an_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(TRACKERS) <= set(extras)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_named_with_the_line_that_installs_it(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    assert not is_installed(name) and "pip install" in how_to_install(name)
    with pytest.raises(SeglabError, match=f"loggers={name} needs the package .*: pip install .*leave out {name}"):
        require_installed(name)
