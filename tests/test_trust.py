"""The proof in `trust/` itself: its lists agree, its page is what was measured, its disks fail where they should."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys

import pytest

from seglab.datasets import downloads
from seglab.training import checkpoint
from seglab.training.trainer import LOCK
from trust import __main__ as proof
from trust import conditions, load, report, verbs
from trust.disk import BACK, BROKEN, FORWARD, FULL, KILL, Fault, build_disk_layer, spread

DEAD = "1-1"  # a process that began with the machine's first tick, as none that lives did
needs_disk_layer = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"
)


def test_the_command_knows_every_item():
    assert proof.VERBS == tuple(verbs.VERBS)
    assert proof.CONDITIONS == tuple(conditions.CONDITIONS)
    assert proof.LOADS == tuple(load.LOADS)
    assert set(report.TEXTS) == set(report.ROWS) == set(proof.PARTS)
    assert proof.wanted(["kills:export", "load"]) == [("kills", "export"), *(("load", name) for name in load.LOADS)]
    with pytest.raises(SystemExit, match="no part of the proof"):
        proof.wanted(["kills:exports"])


def test_findings_are_kept_without_places_of_this_machine():
    kept = report.RESULTS.read_text(encoding="utf-8")
    assert "/dev/shm" not in kept and "/home/" not in kept and "/tmp/" not in kept and str(proof.ROOT) not in kept
    text = f"no space: '/dev/shm/trust-a/work/b' in {proof.ROOT}/trust"
    assert proof.without_places(text, "/dev/shm/trust-a") == "no space: '.../work/b' in .../trust"


def test_the_page_is_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(report, "CURVES", tmp_path / "curves")
    report.write_page(report.read_results())
    committed = report.ROOT / "docs/reliability.md"
    assert (tmp_path / "page.md").read_text() == committed.read_text(), "run python -m trust.report"
    for curve in (tmp_path / "curves").iterdir():
        assert curve.read_text() == (report.ROOT / "docs/images/reliability" / curve.name).read_text()


@pytest.mark.parametrize("name", ("train", "convert", "download", "generate", "track", "check, split, explore"))
def test_the_verbs_still_run(name, tmp_path, monkeypatch):
    """What is killed and failed by the hour runs whole first (the other verbs are called as users do)."""
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_SAVES", 0.0)
    for variable in ("SEGLAB_CACHE", "SEGLAB_OFFLINE"):
        monkeypatch.setenv(variable, str(tmp_path / "out/cache") if variable == "SEGLAB_CACHE" else "0")
    monkeypatch.setitem(downloads.ASSETS, "made.zip", None)
    verb = verbs.VERBS[name]
    verb.prepare(tmp_path)
    (tmp_path / "out").mkdir()
    verb.start(tmp_path)
    made = verbs.products(tmp_path)
    assert made and not verbs.unreadable_files(tmp_path) and not verbs.leftovers(tmp_path)
    verb.start(tmp_path)
    assert verbs.products(tmp_path) == made


def test_what_a_killed_run_left_is_no_product_but_a_leftover(tmp_path):
    """Where all was done, the next run writes nothing, so it cannot remove what lies beside (`trust.kills` says so)."""
    name = f"results.csv.part.{socket.gethostname()}.{DEAD}"
    (tmp_path / "out").mkdir()
    for path in ("results.csv", name, LOCK):
        (tmp_path / "out" / path).write_text("epoch\n1\n")
    assert list(verbs.products(tmp_path)) == ["out/results.csv"]
    assert verbs.leftovers(tmp_path) == [f"out/{name}"]


def test_cases_are_spread_over_a_run():
    assert list(spread(3, 20)) == [1, 2, 3]
    assert list(spread(100, 5)) == [1, 26, 50, 75, 100]


# --- the library that makes file operations fail ---

WRITES = """
import os, sys
from pathlib import Path
from trust.disk import Fault, arm, counted

folder, kind, at, error, onwards = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
arm(folder, Fault((kind,), at, error, bool(onwards)))
for number in range(3):
    try:
        with open(folder / f"{number}.part", "wb", buffering=0) as file:
            file.write(b"x")
            os.fsync(file.fileno())
        os.rename(folder / f"{number}.part", folder / str(number))
    except OSError as failure:
        print(number, failure.errno)
Path(folder.parent / "elsewhere").write_bytes(b"x")  # is not counted
print(counted()["write"])
"""


CLOCK = """
import sys, time
from pathlib import Path
from trust.disk import Fault, arm

folder = Path(sys.argv[1])
arm(folder, Fault(("open",), 2, int(sys.argv[2])))
began, waited = time.time(), time.monotonic()
for name in "ab":
    Path(folder, name).write_text("")
    print(round((time.time() - began) / 86400), end=" ")
print(time.monotonic() - waited < 60)
"""


@needs_disk_layer
@pytest.mark.parametrize("jump", [FORWARD, BACK])
def test_the_clock_jumps_and_what_measures_waits_does_not(tmp_path, jump):
    environment = {"LD_PRELOAD": str(build_disk_layer()), "PYTHONPATH": str(report.ROOT)}
    command = [sys.executable, "-c", CLOCK, str(tmp_path), str(jump)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["0", str(jump // 86400), "True"], done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@needs_disk_layer
@pytest.mark.parametrize(
    ("fault", "said", "left"),
    [
        (Fault(("write",), 2, BROKEN), ["1 5", "3"], ["0", "1.part", "2"]),
        (Fault(("write",), 2, FULL, onwards=True), ["1 28", "2 28", "3"], ["0", "1.part", "2.part"]),
        (Fault(("fsync",), 1, BROKEN), ["0 5", "3"], ["0.part", "1", "2"]),
        (Fault(("rename",), 3, BROKEN), ["2 5", "3"], ["0", "1", "2.part"]),
        (Fault(("open",), 3, BROKEN), ["2 5", "2"], ["0", "1"]),
        (Fault(("rename",), 2, KILL), [], ["0", "1.part"]),
    ],
    ids=str,
)
def test_one_operation_fails_and_no_other(tmp_path, fault, said, left):
    folder = tmp_path / "folder"
    folder.mkdir()
    numbers = [str(fault.at), str(int(fault.error)), str(int(fault.onwards))]
    environment = {"LD_PRELOAD": str(build_disk_layer()), "PYTHONPATH": str(report.ROOT)}
    command = [sys.executable, "-c", WRITES, str(folder), fault.kinds[0], *numbers]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == said, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == left
    assert done.returncode == (-signal.SIGKILL if fault.error == KILL else 0)
