"""What a bug report needs to say about the machine: versions, devices, threads, free space and settings.

`seglab checks` prints it. Nothing is sent anywhere, no other program is started, and paths show the home folder as "~".
"""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
import re
import shutil
import sys
import types
import warnings
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import torch

from seglab.datasets.downloads import is_offline
from seglab.export.registry import FORMATS
from seglab.files import cache_dir
from seglab.memory import CONTAINER_LIMIT, memory, read_text
from seglab.version import __version__

CORE_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "opencv-python",
    "pycocotools",
    "matplotlib",
    "ipywidgets",
    "pyyaml",
    "safetensors",
    "tqdm",
    "platformdirs",
    "onnx",
)

# What each optional package is for. A package of an export format that is not here is told by the format's name.
OPTIONAL_PACKAGES = {
    "onnxruntime": 'format=onnx, format=openvino, engine="auto"',
    "onnxscript": "format=onnx with newer PyTorch versions",
    "openvino": 'format=openvino, engine="auto"',
    "pnnx": "format=ncnn, to write",
    "ncnn": "format=ncnn, to run",
    "executorch": "format=executorch",
    "coremltools": "format=coreml",
    "litert-torch": "format=litert, to write",
    "ai-edge-litert": "format=litert, to run",
    "tensorflow": "format=saved_model, format=pb",
    "onnx2tf": "format=saved_model and format=pb, to write",
    "rknn-toolkit2": "format=rknn, to write",
    "tensorrt": "format=engine",
    "tensorboard": "loggers=tensorboard",
    "wandb": "loggers=wandb",
    "mlflow": "loggers=mlflow",
    "comet-ml": "loggers=comet",
    "clearml": "loggers=clearml",
    "dvclive": "loggers=dvclive",
    "optuna": "tune",
    "supervision": "Results as supervision.Detections",
    "mss": "source=screen",
    "pandas": "Results as a DataFrame",
    "jupyterlab": "the lessons",
    "ultralytics": "comparisons in tests and benchmarks",
}

# Other distributions that bring the same module.
SUBSTITUTES = {
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
}

# Flags of /proc/cpuinfo that decide how fast a network runs (x86 first, then ARM), and their usual names.
INSTRUCTION_SETS = {
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "F16C",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 bf16",
    "avx512_fp16": "AVX-512 fp16",
    "amx_tile": "AMX",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "amx_fp16": "AMX fp16",
    "asimd": "NEON",
    "asimdhp": "NEON fp16",
    "asimddp": "NEON dot product",
    "bf16": "bf16",
    "i8mm": "int8 matrix products",
    "sve": "SVE",
    "sve2": "SVE2",
}

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

# OpenBLAS is built under several prefixes; numpy's wheels have used the first two.
OPENBLAS_COUNTERS = ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads64_", "openblas_get_num_threads")

GIGABYTE = 10**9


def collect_checks() -> dict[str, str]:
    """Name of a check -> what was found, in the order in which they are printed; every value is one line of text."""
    found = {
        "seglab": __version__,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": system_name(),
    }
    # Every package that seglab can use, there or not: a bug may lie in a version.
    for package in CORE_PACKAGES:
        found[package] = installed_version(package) or "not installed, although seglab needs it"
    found["torch"] = torch.__version__  # says which build it is, such as +cpu, where the package's version does not
    for package, purpose in optional_packages().items():
        found[package] = installed_version(package) or f"not installed ({purpose})"

    # What decides how fast it is, and which kernels compute it.
    found["CPU"] = cpu_name()
    found["instruction sets"] = ", ".join(instruction_sets()) or "unknown"
    found["PyTorch's kernels"] = torch.backends.cpu.get_cpu_capability()
    found["CUDA"] = cuda_gpus()
    found["MPS"] = apple_gpu()

    found["cores"] = f"{usable_cores()} of {os.cpu_count()} usable by this process"
    found["threads, torch"] = (
        f"{torch.get_num_threads()} within an operation, {torch.get_num_interop_threads()} for parallel operations"
    )
    found["threads, OpenCV"] = str(cv2.getNumThreads())
    found["threads, numpy's BLAS"] = blas_threads()
    settings = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    found["thread settings"] = ", ".join(settings) or "none"

    # What is there to use, and where seglab may look and write.
    cache = cache_dir()
    found["memory"] = free_memory()
    found["cache folder"] = without_home(cache)
    found["disk of the cache"] = free_disk(cache)
    found["network"] = network_setting()
    found["SEGLAB_DATASETS"] = datasets_setting()
    # Some systems put line breaks and runs of spaces into their names.
    return {name: " ".join(value.split()) for name, value in found.items()}


def user_settings() -> dict[str, str]:
    """The folders and environment variables that decide where seglab looks and writes, and what each is for."""
    return {
        "datasets (SEGLAB_DATASETS)": datasets_setting(),
        "cache (SEGLAB_CACHE)": without_home(cache_dir()),
        "network (SEGLAB_OFFLINE)": network_setting(),
        "runs": "runs/segment in the working directory; project= and name= choose another folder",
        "tracking and telemetry": "none: nothing is ever sent",
    }


def optional_packages() -> dict[str, str]:
    """Package -> what it is for: OPTIONAL_PACKAGES, then what other packages the export formats need."""
    purposes = dict(OPTIONAL_PACKAGES)
    for name, its in FORMATS.items():
        for requirement in its.needs().values():
            package = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]  # without a version
            purposes.setdefault(package, f"format={name}")
    return purposes


def format_checks(checks: dict[str, str]) -> str:
    """The checks as a table of two columns, one line each."""
    width = max(len(name) for name in checks)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in checks.items())


def print_checks() -> None:
    """Print the table that `seglab checks` shows and that a bug report asks for."""
    print(format_checks(collect_checks()))


def installed_version(package: str) -> str | None:
    """The version of a distribution, or of one that takes its place, read without importing it; None without one."""
    for name in (package, *SUBSTITUTES.get(package, ())):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return version if name == package else f"{version} ({name})"
    return None


def system_name() -> str:
    """The operating system, its version and the machine's architecture.

    `platform.platform` would start `uname`.
    """
    if sys.platform == "darwin":
        parts = [f"macOS {platform.mac_ver()[0]}"]
    elif sys.platform == "win32":
        parts = [f"Windows {platform.release()} {platform.version()}"]
    else:
        try:
            distribution = platform.freedesktop_os_release()["PRETTY_NAME"]
        except OSError:
            distribution = "unknown distribution"
        parts = [distribution, f"{platform.system()} {platform.release()}", " ".join(platform.libc_ver())]
    return ", ".join(part for part in (*parts, platform.machine()) if part.strip())


def cpu_name() -> str:
    """The CPU's model name as its maker gives it, or else its architecture.

    `platform.processor` would start `uname`, so each system is asked in its own way.
    """
    if sys.platform == "win32":
        name = os.environ.get("PROCESSOR_IDENTIFIER", "")
    elif sys.platform == "darwin":
        name = _sysctl("machdep.cpu.brand_string")
    else:
        # ARM kernels give numbers of maker and part instead of a name.
        match = re.search(r"^model name\s*:\s*(.+)$", read_text("/proc/cpuinfo"), re.MULTILINE)
        name = match[1] if match else ""
    return f"{name} ({platform.machine()})" if name else platform.machine()


def instruction_sets(cpuinfo: str | None = None) -> list[str]:
    """The vector and matrix extensions of this CPU, or of the one that a text of /proc/cpuinfo describes.

    Where the system keeps no such file, PyTorch's own answer stands for it.
    """
    text = read_text("/proc/cpuinfo") if cpuinfo is None else cpuinfo
    line = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    if line:
        flags = set(line[1].split())
        return [name for flag, name in INSTRUCTION_SETS.items() if flag in flags]
    capability = torch.backends.cpu.get_cpu_capability()
    return [] if capability == "DEFAULT" else [capability]


def cuda_gpus() -> str:
    """The CUDA GPUs (or AMD's, through the same interface) that PyTorch sees, or why it sees none."""
    version = torch.version.cuda
    platform_name = f"CUDA {version}" if version else f"ROCm {torch.version.hip}"
    if not torch.backends.cuda.is_built():
        return "no GPU: this PyTorch is built without CUDA"
    # A driver that does not fit is reported as a warning.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if not available:
        reasons = "".join(f"; {warning.message}" for warning in caught)
        return f"no GPU found (PyTorch is built for {platform_name}){reasons}"
    gpus = []
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        gpus.append(
            f"{index}: {gpu.name}, {gpu.total_memory / GIGABYTE:.1f} GB, compute capability {gpu.major}.{gpu.minor}"
        )
    return f"{'; '.join(gpus)}; {platform_name}, cuDNN {torch.backends.cudnn.version()}"


def apple_gpu() -> str:
    """Whether PyTorch can use an Apple GPU."""
    if torch.backends.mps.is_available():
        return "available (used with device=mps)"
    if torch.backends.mps.is_built():
        return "built in, but no usable GPU"
    return "no GPU: this PyTorch is built without MPS"


def usable_cores() -> int:
    """How many cores the scheduler lets this process use; `taskset` and containers may allow fewer than there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blas_threads() -> str:
    """How many threads numpy's linear algebra uses, and through which library."""
    dependencies = np.show_config(mode="dicts").get("Build Dependencies", {})
    library = dependencies.get("blas", {}).get("name", "unknown library")
    # A module linked to OpenBLAS leads to its functions, wherever the library itself lies.
    try:
        linked = ctypes.CDLL(importlib.import_module("numpy.linalg._umath_linalg").__file__)
    except (ImportError, OSError):
        return f"unknown ({library})"
    for name in OPENBLAS_COUNTERS:
        counter = getattr(linked, name, None)
        if counter is not None:
            return f"{counter()} ({library})"
    return f"unknown ({library})"


def free_memory() -> str:
    """Memory that is available and installed, and what a container limits it to."""
    free, total = memory()
    if not total:
        return "unknown"
    text = (
        f"{free / GIGABYTE:.1f} of {total / GIGABYTE:.1f} GB free" if free else f"{total / GIGABYTE:.1f} GB installed"
    )
    limit = read_text(CONTAINER_LIMIT).strip()
    if limit.isdecimal() and int(limit) < total:
        text += f"; at most {int(limit) / GIGABYTE:.1f} GB for this container"
    return text


def free_disk(folder: Path) -> str:
    """Free space on the disk where a folder is, or is to be made."""
    there = next((parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir()), None)
    if there is None:
        return "unknown"
    usage = shutil.disk_usage(there)
    return f"{usage.free / GIGABYTE:.1f} of {usage.total / GIGABYTE:.1f} GB free"


def network_setting() -> str:
    """Whether downloads are allowed; nothing is tried out."""
    setting = os.environ.get("SEGLAB_OFFLINE", "")
    if is_offline():
        return f"not allowed (SEGLAB_OFFLINE={setting})"
    return f"allowed (SEGLAB_OFFLINE={setting})" if setting else "allowed (SEGLAB_OFFLINE is not set)"


def datasets_setting() -> str:
    """The folder of the user's own datasets, and whether it is there."""
    folder = os.environ.get("SEGLAB_DATASETS", "")
    if not folder:
        return "not set"
    return without_home(Path(folder)) + ("" if Path(folder).is_dir() else " (no such folder)")


def without_home(path: Path) -> str:
    """A path with the user's home folder as "~", since that usually is a person's name."""
    home = Path(os.path.expanduser("~"))
    for folder in _once((home, Path(os.path.realpath(home)))):
        # Without a home of its own a process may get "/" or "~" for an answer.
        if folder.is_absolute() and folder != Path(folder.anchor) and path.is_relative_to(folder):
            return str(Path("~") / path.relative_to(folder))
    return str(path)


def _once(folders: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(folders))


def _sysctl(name: str) -> str:
    """A text from the macOS kernel, "" where it has none of that name."""
    library = ctypes.CDLL(None)
    size = ctypes.c_size_t(256)
    text = ctypes.create_string_buffer(size.value)
    failed = library.sysctlbyname(name.encode(), text, ctypes.byref(size), None, ctypes.c_size_t(0))
    return "" if failed else text.value.decode(errors="replace")


class _CallableModule(types.ModuleType):
    """`from seglab import checks` is this module, and `checks()` prints, as scripts expect."""

    def __call__(self) -> None:
        print_checks()


sys.modules[__name__].__class__ = _CallableModule
