"""How much memory there is, and how much of it is left."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are counted by Linux")
def test_freed_memory_is_not_asked_for_again():
    count_faults = """
import resource, sys
import seglab.memory
kept = seglab.memory.keep_freed_memory() if sys.argv[1] == "keep" else None
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(2):
    bytearray(64 << 20)
before = faults()
for _ in range(4):
    bytearray(b"a") * (64 << 20)
print(kept, faults() - before)
"""
    unset = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "LD_PRELOAD"))}

    def answer(how, **environment):
        command = [sys.executable, "-c", count_faults, how]
        done = subprocess.run(command, env={**unset, **environment}, capture_output=True, text=True, check=True)
        kept, count = done.stdout.split()
        return kept, int(count)

    usual = answer("as usual")[1]
    kept, count = answer("keep")
    if kept == "True":  # GNU's C library
        assert count < usual / 4
    assert answer("keep", MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"  # the user's own choice
