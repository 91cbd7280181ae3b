"""A package that is missing is named with the line that installs it."""

from __future__ import annotations

import pytest

from seglab.errors import SeglabError
from seglab.export.packages import require


def test_a_missing_package_names_its_pip_line():
    with pytest.raises(SeglabError, match="pip install no-such-thing==1"):
        require("no_such_package", "no-such-thing==1")


def test_a_package_that_lacks_another_says_which(tmp_path, monkeypatch):
    """Installing the package once more would not help: its own error must be seen."""
    (tmp_path / "half_installed.py").write_text("import a_package_that_it_needs\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_package_that_it_needs"):
        require("half_installed", "half-installed")
    assert require("json", "json").loads("1") == 1
