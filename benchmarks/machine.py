"""On what machine and with which packages figures were measured, as the programs read them."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Of what Linux lists, those that convolutions use.
INSTRUCTIONS = ("avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8")
PACKAGES = ("torch", "ultralytics", "onnxruntime", "openvino", "pycocotools", "faster-coco-eval", "hotcoco")


def describe_machine() -> str:
    """CPU, instruction sets, cores, load and versions, in one line."""
    import torch

    from seglab.device import has_bf16_units

    flags = _cpu_fields("flags").split()
    sets = [torch.backends.cpu.get_cpu_capability(), *(flag for flag in INSTRUCTIONS if flag in flags)]
    units = "" if has_bf16_units() else "; no bf16 units"
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    cpu = (_cpu_fields("model name") or platform.processor()).removesuffix(" Processor")  # the documents say CPU
    found = ", ".join(f"{package} {_version(package)}" for package in PACKAGES if _version(package))
    return (
        f"{cpu} ({', '.join(sets)}{units}), {os.cpu_count()} cores{load}; Python {platform.python_version()}, {found}."
    )


def with_bytecode() -> dict[str, str]:
    """The environment of a process that keeps the bytecode of what it imports, as installed packages have it.

    pip compiles what it installs. A checkout where PYTHONDONTWRITEBYTECODE is set is compiled at every import, which is
    as much work as the import itself. The first process writes the bytecode, and does not count.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "seglab-bytecode")}


def _cpu_fields(name: str) -> str:
    """What Linux says of the first CPU; "" elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
