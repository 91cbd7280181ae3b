"""Nothing phones home: no name is looked up, nothing leaves the machine, and no process is started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import seglab
from seglab.telemetry import SWITCHES, switch_off_telemetry

# Every library that is installed and may run a network or write files for one; the verbs that use them.
SCRIPT = """
import sys
from seglab import YOLO

model = YOLO("toybox-n")
for format in sys.argv[1:]:
    exported = model.export(format=format, imgsz=64, out="exported")
    YOLO(exported).predict("toybox8-seg", imgsz=64, save=True)
model.train(data="toybox8-seg", epochs=1, imgsz=64, batch=4, workers=0)
model.val(imgsz=64)
"""
# What strace prints of a socket that is meant for another machine, and of a new program.
ELSEWHERE = re.compile(r"\b(connect|sendto|sendmsg)\(.*sa_family=AF_INET6?,(?!.*(127\.0\.0\.\d+|\"::1\"))")
PROGRAM = re.compile(r"\bexecve\(.*\) = 0")


def without_switches() -> dict[str, str]:
    """This process's environment for another one that imports the same seglab, before anything is switched off."""
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    return environment | {"PYTHONPATH": str(Path(seglab.__file__).parents[1])}


def test_switches_are_set_on_import_and_leave_what_the_user_says():
    script = "import os, seglab; print({name: os.environ[name] for name in seglab.telemetry.SWITCHES})"
    own = {"MLFLOW_DISABLE_TELEMETRY": "false"}
    environment = without_switches() | own
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == str(SWITCHES | own)


def test_switching_off_twice_is_the_same(monkeypatch):
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    switch_off_telemetry()
    switch_off_telemetry()
    assert os.environ["DO_NOT_TRACK"] == SWITCHES["DO_NOT_TRACK"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace, which shows system calls, is not installed")
def test_no_system_call_leaves_the_machine_or_starts_a_program(tmp_path):
    packages = {"onnx": "onnxruntime", "openvino": "openvino"}
    formats = [name for name, package in packages.items() if find_spec(package)]
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,execve", "-s", "200", "-o", trace]
    environment = without_switches()
    environment["SEGLAB_CACHE"] = str(tmp_path / "cache")
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        [*strace, sys.executable, "-c", SCRIPT, *formats],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        env=environment,
    )
    if "ptrace" in done.stderr and not trace.read_text():
        pytest.skip("strace may not watch processes here")
    assert done.returncode == 0, done.stderr[-3000:]
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    assert [line for line in lines if ELSEWHERE.search(line)] == []
    # The first is Python itself, and PyTorch asks ldconfig for the system's libraries while it is imported.
    started = [line for line in lines if PROGRAM.search(line) and "/ldconfig" not in line]
    assert started[1:] == []
