"""`python -m seglab` is the command `seglab`."""

from __future__ import annotations

import os
import subprocess
import sys

import seglab
from seglab.cli import main


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "seglab", *words], capture_output=True, text=True)


def test_it_says_and_returns_what_the_command_does(capsys):
    assert main(["version"]) == 0
    done = run("version")
    assert (done.returncode, done.stdout) == (0, capsys.readouterr().out) and seglab.__version__ in done.stdout
    assert main(["trian"]) == 2
    done = run("trian")
    assert (done.returncode, done.stderr) == (2, capsys.readouterr().err)


def test_a_reader_that_has_read_enough_ends_it_quietly():
    """As in `seglab help | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "seglab", "help"], stdout=writing, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
