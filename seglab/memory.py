"""How much memory this machine has, how much of it is free, and whether freed memory is kept for what comes next."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

CONTAINER_LIMIT = "/sys/fs/cgroup/memory.max"
CONTAINER_USE = "/sys/fs/cgroup/memory.current"
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # parameters of GNU's mallopt
LARGEST_KEPT = 1 << 30  # bytes


def available_memory() -> int:
    """Bytes that can still be used: what the system has left, or a container lets this process have."""
    free, installed = memory()
    left = free or installed // 2
    limit, used = read_text(CONTAINER_LIMIT).strip(), read_text(CONTAINER_USE).strip()
    if limit.isdecimal() and used.isdecimal():
        left = min(left, int(limit) - int(used))
    return left


def memory() -> tuple[int, int]:
    """(available, installed) bytes of memory; 0 for what the system does not say."""
    if sys.platform == "win32":
        return windows_memory()
    lines = dict(re.findall(r"^(\w+):\s+(\d+) kB$", read_text("/proc/meminfo"), re.MULTILINE))
    if "MemTotal" in lines:
        return int(lines.get("MemAvailable", 0)) * 1024, int(lines["MemTotal"]) * 1024
    try:
        return 0, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0, 0


def keep_freed_memory() -> bool:
    """Let this process keep memory that it frees, for what it asks for next; gives whether that could be arranged.

    GNU's C library hands large blocks back to the system at once. A training step on a CPU asks for the same hundreds
    of megabytes again and again, and the system clears every page of them each time: a twelfth of the step. From here
    on the process holds what it once needed until it ends. What the user has set in the environment stays.
    """
    chosen = [name for name in os.environ if name.startswith("MALLOC_") or name in ("LD_PRELOAD", "GLIBC_TUNABLES")]
    if not sys.platform.startswith("linux") or chosen:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries than GNU's have none
    if mallopt is None:
        return False
    kept = mallopt(MMAP_THRESHOLD, LARGEST_KEPT)  # larger ones still come from the system and go back to it
    return bool(kept and mallopt(TRIM_THRESHOLD, 2 * LARGEST_KEPT - 1))


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("available_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("available_virtual", ctypes.c_uint64),
        ("available_extended", ctypes.c_uint64),
    ]


def windows_memory() -> tuple[int, int]:
    """(available, installed) bytes of memory from the Windows API; zeros elsewhere."""
    if sys.platform == "win32":
        status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
        if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return status.available, status.total
    return 0, 0


def read_text(path: str) -> str:
    """The text of one of the kernel's files, "" where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
