"""ExecuTorch folders hold one program beside their metadata; the parity of their outputs is in test_formats.py."""

from __future__ import annotations

import sys

import pytest

from seglab.errors import SeglabError
from seglab.export import executorch

from .written import written


def test_a_folder_holds_one_program(network, metadata, tmp_path):
    path = written("executorch", network, metadata, tmp_path)
    assert {file.name for file in path.iterdir()} == {executorch.PROGRAM, "metadata.yaml"}
    assert executorch.load(path).size == metadata.size


def test_a_damaged_program_is_one_clear_error(network, metadata, tmp_path):
    path = written("executorch", network, metadata, tmp_path)
    (path / executorch.PROGRAM).write_bytes(b"no program")
    with pytest.raises(SeglabError, match="export it again"):
        executorch.load(path)


def test_without_the_package_its_pip_line_is_named(network, metadata, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "executorch", None)  # which makes its import fail
    with pytest.raises(SeglabError, match="pip install executorch"):
        executorch.write(network, tmp_path / "model", metadata)
    assert not list(tmp_path.iterdir())
