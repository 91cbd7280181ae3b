"""Failures, kills and jumps of the clock at the n-th file operation below a folder, in forked processes.

`disk.c` is compiled and loaded in front of all other libraries, so that writes of C++ and Rust are met like those of
Python (`trust.__main__` starts processes so). A case runs in a fork of one that has imported everything, so that
thousands are affordable.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seglab.errors import SeglabError

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "build/trust/disk.so"
KINDS = ("open", "write", "fsync", "rename", "read")  # as in disk.c; open: files to write, and folders
KILL = -signal.SIGKILL  # signals in place of an error
TERMINATE = -signal.SIGTERM
INTERRUPT = -signal.SIGINT
FORWARD = 10 * 365 * 86400  # seconds that the clock jumps by, in place of an error
BACK = -FORWARD
FULL = errno.ENOSPC
BROKEN = errno.EIO
READ_ONLY = errno.EROFS
CASE_SECONDS = 300  # nothing here takes so long, on a busy machine either
ORPHAN_SECONDS = 20  # data-loading processes notice every five seconds that their parent is gone


def build_disk_layer() -> Path:
    """Compile the library -> its path, for LD_PRELOAD. Errors: CalledProcessError where there is no compiler."""
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    source = ROOT / "trust/disk.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", LIBRARY, source, "-ldl"], check=True)
    return LIBRARY


@cache
def library() -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(LIBRARY))
    loaded.disk_arm.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]
    loaded.disk_count.restype = ctypes.c_long
    return loaded


@dataclass(frozen=True)
class Fault:
    """The `at`-th operation of these kinds, from 1, ends in `error`, and with `onwards` all after it; 0: nothing does.

    error: an errno; or minus a signal, which is sent in front of the operation; or FORWARD or BACK, by which the clock
    jumps in front of it.
    """

    kinds: tuple[str, ...] = KINDS
    at: int = 0
    error: int = KILL
    onwards: bool = False

    def __str__(self) -> str:
        if self.error in (FORWARD, BACK):
            what = f"clock {'ahead' if self.error == FORWARD else 'back'}"
        else:
            what = signal.Signals(-self.error).name if self.error < 0 else errno.errorcode[self.error]
        return f"{what} at {'/'.join(self.kinds)} {self.at}{' and on' if self.onwards else ''}"


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    how: "done", "error" (a sentence for the user), "interrupted", "crash", "killed" or "hang".
    text: the sentence.
    """

    how: str
    text: str = ""


def arm(folder: Path, fault: Fault) -> None:
    """From now on the fault waits for its turn, in this process and those it starts."""
    bits = sum(1 << KINDS.index(kind) for kind in fault.kinds)
    library().disk_arm(os.fsencode(folder), bits, fault.at, fault.onwards, fault.error)


def take_the_signal() -> None:
    """From now on signals come to this process, one of several that train together, and not to the one that armed."""
    library().disk_victim()


def counted() -> dict[str, int]:
    """How many operations of each kind there have been since `arm`, in forked processes too."""
    return {kind: library().disk_count(number) for number, kind in enumerate(KINDS)}


def in_fork(function: Callable[[], object], folder: Path, fault: Fault = Fault()) -> Outcome:
    """Call a function in a process of its own, with a fault; what it starts ends with it."""
    arm(folder, Fault())  # so that this process's own reading does not count as the child's
    library().disk_disarm()
    log = folder.parent / f"{folder.name}.log"
    child = os.fork()
    if child == 0:
        os.setsid()
        descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os._exit(_report(function, folder, fault, log))
    return _wait(child, log)


STATUS = {"done": 0, "error": 10, "crash": 11, "interrupted": 12}
DEADLY = ("SIGKILL", "SIGTERM")


def _report(function: Callable[[], object], folder: Path, fault: Fault, log: Path) -> int:
    """In the child: call the function -> the exit status that tells how it ended."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what they start in the background ignore it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    arm(folder, fault)
    how, text = "done", ""
    try:
        function()
    except (SeglabError, OSError) as error:
        how, text = "error", f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        how = "interrupted"
    except BaseException:  # whatever it is, it is a finding
        how, text = "crash", traceback.format_exc()
    library().disk_disarm()
    log.with_suffix(".end").write_text(text)
    return STATUS[how]


def _wait(child: int, log: Path) -> Outcome:
    """In the parent: how the child ended; its own processes have to be gone soon after."""
    ended, status = _until(child, CASE_SECONDS)
    if not ended:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return Outcome("hang", log.read_text(errors="replace")[-2000:])
    deadline = time.monotonic() + ORPHAN_SECONDS
    while _group_lives(child):
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            return Outcome("crash", "processes went on without their parent")
        time.sleep(0.05)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return Outcome("killed" if name in DEADLY else "crash", name)
    end = log.with_suffix(".end")
    text = end.read_text() if end.exists() else log.read_text(errors="replace")[-2000:]
    how = next((how for how, number in STATUS.items() if number == os.WEXITSTATUS(status)), "crash")
    return Outcome(how, text)


def _until(child: int, seconds: float) -> tuple[bool, int]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return True, status
        time.sleep(0.01)
    return False, 0


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False


def spread(count: int, cases: int) -> Iterable[int]:
    """At most `cases` of the numbers from 1 to `count`, evenly."""
    if count <= cases:
        return range(1, count + 1)
    return sorted({round(1 + (count - 1) * number / (cases - 1)) for number in range(cases)})
