"""How much memory this machine has, and how much of it is free."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

CONTAINER_LIMIT = "/sys/fs/cgroup/memory.max"
CONTAINER_USE = "/sys/fs/cgroup/memory.current"


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
