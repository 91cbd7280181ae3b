"""On what machine and with which packages figures were measured, as the programs read them."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "ultralytics", "onnxruntime", "openvino", "pycocotools", "faster-coco-eval", "hotcoco")


def describe_machine() -> str:
    """Processor, instruction sets, cores, load and versions, in two lines."""
    import torch

    from seglab.device import has_bf16_units

    capability = torch.backends.cpu.get_cpu_capability()
    units = "with bf16 units" if has_bf16_units() else "without bf16 units"
    if "amx_bf16" in _cpu_fields("flags").split():
        units += ", AMX among them"
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    machine = (
        f"{_cpu_fields('model name') or platform.processor()}, {capability}, {units}, {os.cpu_count()} cores{load}"
    )
    found = ", ".join(f"{package} {_version(package)}" for package in PACKAGES if _version(package))
    return f"machine: {machine}\npackages: Python {platform.python_version()}, {found}"


def _cpu_fields(name: str) -> str:
    """What Linux says of the first processor; "" elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
