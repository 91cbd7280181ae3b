"""Nothing phones home: no name is looked up, nothing leaves the machine, and no process is started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import seglab
from seglab.config import VERBS
from seglab.files import bundled_data_dir
from seglab.telemetry import SWITCHES, switch_off_telemetry

EVERY_VERB = Path(__file__).with_name("every_verb.py")
# What strace prints of a socket that is meant for another machine, of a new program, and of a new name of a file.
ELSEWHERE = re.compile(r"\b(connect|sendto|sendmsg)\(.*sa_family=AF_INET6?,(?!.*(127\.0\.0\.\d+|\"::1\"))")
PROGRAM = re.compile(r"\bexecve\(.*\) = 0")
NAMING = ("creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat")
CALL = re.compile(r"\b(open|openat|" + "|".join(NAMING) + r")\(")
TO_WRITE = re.compile(r"O_(CREAT|WRONLY|RDWR|TRUNC)")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
# PyTorch asks for the system's libraries while it is imported, and matplotlib for fonts when it first draws on a
# machine, whose list it keeps (SECURITY.md).
KNOWN_PROGRAMS = ("/ldconfig", "/fc-list")
FONTS = (".cache/matplotlib", ".config/matplotlib")


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


@pytest.fixture
def short_folder():
    with tempfile.TemporaryDirectory(prefix="seglab-") as folder:
        yield Path(folder)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace, which shows system calls, is not installed")
def test_no_verb_and_no_hostile_file_leaves_the_machine_starts_a_program_or_writes_elsewhere(tmp_path, short_folder):
    work, home, trace = tmp_path / "work", tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    shutil.copytree(bundled_data_dir() / "toybox8-seg", work / "data")
    strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "400", "-o", trace]
    calls = ",".join(("connect", "sendto", "sendmsg", "execve", "open", "openat", *NAMING))
    environment = without_switches() | {"HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    places = {"SEGLAB_CACHE": tmp_path / "cache", "TMPDIR": short_folder}  # short: the workers' sockets lie there
    environment |= {name: str(path) for name, path in places.items()}
    command = [*strace, "-e", f"trace={calls}", sys.executable, EVERY_VERB]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=600, env=environment)
    if "ptrace" in done.stderr and not trace.read_text():
        pytest.skip("strace may not watch processes here")
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]

    # The script's own files are the video and what it makes to harm.
    own = [work / name for name in ("out", "hostile", "video.mp4")]
    own += [*places.values(), *(home / name for name in FONTS), Path("/dev/shm"), Path("/dev/null")]
    parents = [home / name.partition("/")[0] for name in FONTS]
    found = {"elsewhere": [], "programs": [], "files": []}
    verb = "start"
    seen = set()
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if "/verb/" in line and "ENOENT" in line:
            verb = QUOTED.findall(line)[-1].removeprefix("/verb/")
            seen.add(verb)
        elif ELSEWHERE.search(line):
            found["elsewhere"].append((verb, line))
        elif PROGRAM.search(line) and not any(known in line for known in KNOWN_PROGRAMS):
            found["programs"].append((verb, line))
        elif (call := CALL.search(line)) and " = -1 " not in line and (call[1] in NAMING or TO_WRITE.search(line)):
            path = Path(os.path.normpath(work / QUOTED.findall(line)[-1]))
            if path not in parents and not any(path.is_relative_to(place) for place in own):
                found["files"].append((verb, line))
    assert found["programs"][1:] == found["elsewhere"] == found["files"] == []  # the first program is Python itself
    packages = {
        "export": "onnxruntime",
        "track": "trackers",
        "tune": "optuna",
        "verify": "onnxruntime",
        "benchmark": "onnxruntime",
    }
    assert seen >= {name for name in VERBS if find_spec(packages.get(name, "torch"))}
    assert not (work / "ran").exists() and not (work / "hostile/ran").exists()
