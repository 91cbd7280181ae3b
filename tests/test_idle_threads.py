"""Threads that wait let others use their core, as far as that can still be chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import seglab
from seglab.idle_threads import POLICY, SPINS


@pytest.mark.parametrize(
    ("first", "given", "expected"),
    [
        ("", {}, "10000"),
        ("", {SPINS: "5"}, "5"),  # the user's own choice
        ("", {POLICY: "ACTIVE"}, "unset"),
        ("import torch", {}, "unset"),  # too late: a variable that says otherwise would be a lie
    ],
)
def test_waiting_threads_sleep_where_it_can_still_be_chosen(first, given, expected):
    script = f"{first}\nimport os, seglab; print(os.environ.get('{SPINS}', 'unset'))"
    environment = {name: value for name, value in os.environ.items() if name not in (POLICY, SPINS)}
    environment["PYTHONPATH"] = str(Path(seglab.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment | given
    )
    assert done.stdout.strip() == expected
