"""How much memory there is, and how much of it is left."""

from __future__ import annotations

import seglab.memory as module
from seglab.memory import available_memory, memory


def test_less_is_left_than_there_is():
    free, installed = memory()
    assert 0 <= free <= installed
    assert 0 < available_memory() <= installed


def test_a_container_may_have_less(monkeypatch):
    texts = {module.CONTAINER_LIMIT: "3000\n", module.CONTAINER_USE: "1000\n"}
    monkeypatch.setattr(module, "read_text", lambda path: texts.get(path, "MemTotal: 90 kB\nMemAvailable: 80 kB\n"))
    assert memory() == (80 * 1024, 90 * 1024)
    assert available_memory() == 2000
    texts[module.CONTAINER_LIMIT] = "max\n"  # no limit
    assert available_memory() == 80 * 1024


def test_a_file_that_is_not_there_has_no_text(tmp_path):
    assert module.read_text(str(tmp_path / "none")) == ""
