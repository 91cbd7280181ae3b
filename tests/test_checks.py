"""`seglab checks`: what it tells is true, complete, quick, quiet and without the user's name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import torch
from packaging.requirements import Requirement

import seglab
from seglab import checks
from seglab.checks import collect_checks, format_checks, free_disk, instruction_sets, print_checks, without_home
from seglab.export.registry import FORMATS

tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

XEON = "processor\t: 0\nflags\t\t: fpu sse2 avx avx2 fma avx512f avx512_bf16 amx_tile amx_bf16 amx_int8\n"
GRAVITON = "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp sve bf16 i8mm\nCPU implementer\t: 0x41\n"

# Loads what seglab.checks loads, since torch starts programs of its own while it loads, and then watches.
QUIET = """
import sys
import cv2, torch
import seglab.checks
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request",
             "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "webbrowser.open")
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)) if event in FORBIDDEN else None)
seglab.checks.print_checks()
assert not seen, seen
"""


def names(requirements: list[str]) -> set[str]:
    return {Requirement(text).name for text in requirements} - {"seglab"}


def test_every_core_dependency_is_told_with_its_version():
    told = collect_checks()
    assert told["seglab"] == seglab.__version__
    assert sys.version.split()[0].rstrip("+") in told["Python"]
    assert told["torch"] == torch.__version__
    assert set(checks.CORE_PACKAGES) == names(PROJECT["dependencies"])
    for package in set(checks.CORE_PACKAGES) - {"torch", "opencv-python"}:
        assert told[package] == metadata.version(package)
    assert told["opencv-python"].startswith(cv2.__version__)


def test_every_export_formats_package_is_told():
    extras = PROJECT["optional-dependencies"]
    modules = {module.__name__.rpartition(".")[2] for module in FORMATS.values()}
    of_formats = [extra for extra in extras if extra in {*FORMATS, *modules, "export"}]
    assert len(of_formats) >= 8
    for extra in of_formats:
        assert names(extras[extra]) <= set(checks.optional_packages()), extra


def test_every_package_that_the_library_asks_for_is_told():
    """Where a package is missing, an error gives a line for pip; the packages of these lines are optional ones."""
    asked = names([requirement for its in FORMATS.values() for requirement in its.needs().values()])
    assert len(asked) >= 6
    assert asked <= collect_checks().keys()


def test_the_packages_of_a_new_export_format_are_told(monkeypatch):
    added = SimpleNamespace(needs=lambda: {"foo": "foo-runtime>=2", "onnxruntime": "onnxruntime"})
    monkeypatch.setitem(FORMATS, "foo", added)
    told = checks.optional_packages()
    assert told == {**checks.OPTIONAL_PACKAGES, "foo-runtime": "format=foo"}


def test_a_missing_package_says_what_it_would_be_for(monkeypatch):
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    told = collect_checks()
    assert told["openvino"] == 'not installed (format=openvino, engine="auto")'
    assert told["numpy"] == "not installed, although seglab needs it"


def test_a_package_under_another_name_counts(monkeypatch):
    def only_headless(name: str) -> str:
        if name == "opencv-python-headless":
            return "4.10.0"
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", only_headless)
    assert checks.installed_version("opencv-python") == "4.10.0 (opencv-python-headless)"
    assert checks.installed_version("onnxruntime") is None


def test_threads_and_cores_are_those_of_this_process():
    torch_before, opencv_before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        torch.set_num_threads(3)
        cv2.setNumThreads(2)
        told = collect_checks()
    finally:
        torch.set_num_threads(torch_before)
        cv2.setNumThreads(opencv_before)
    assert told["threads, torch"].startswith("3 within an operation")
    assert told["threads, OpenCV"] == "2"
    if hasattr(os, "sched_getaffinity"):
        assert told["cores"].startswith(f"{len(os.sched_getaffinity(0))} of ")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds a process to cores")
def test_cores_follow_the_affinity():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert checks.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_blas_threads_follow_their_variable():
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    script = 'from seglab.checks import collect_checks; print(collect_checks()["threads, numpy\'s BLAS"])'
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert re.match(r"(1|unknown) \(", done.stdout), done.stdout + done.stderr


def test_thread_variables_are_told(monkeypatch):
    for name in checks.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert collect_checks()["thread settings"] == "none"
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert collect_checks()["thread settings"] == "OMP_NUM_THREADS=7"


def test_instruction_sets_by_their_usual_names():
    assert instruction_sets(XEON) == [
        "AVX", "AVX2", "FMA", "AVX-512", "AVX-512 bf16", "AMX", "AMX int8", "AMX bf16",
    ]  # fmt: skip
    assert instruction_sets(GRAVITON) == [
        "NEON", "NEON fp16", "NEON dot product", "bf16", "int8 matrix products", "SVE",
    ]  # fmt: skip


def test_without_a_cpuinfo_pytorch_is_asked():
    capability = torch.backends.cpu.get_cpu_capability()
    assert instruction_sets("") == ([] if capability == "DEFAULT" else [capability])


def test_instruction_sets_agree_with_pytorch():
    """PyTorch takes AVX-512 or AVX2 kernels only where the CPU has them."""
    found = instruction_sets()
    capability = torch.backends.cpu.get_cpu_capability()
    if capability in ("AVX2", "AVX512") and "ATEN_CPU_CAPABILITY" not in os.environ:
        assert {"AVX2": "AVX2", "AVX512": "AVX-512"}[capability] in found or capability in found


def test_gpus_are_listed_one_by_one(monkeypatch):
    gpus = [
        SimpleNamespace(name="NVIDIA H200", total_memory=150_000_000_000, major=9, minor=0),
        SimpleNamespace(name="Tesla T4", total_memory=15_600_000_000, major=7, minor=5),
    ]
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
    monkeypatch.setattr(torch.cuda, "get_device_properties", gpus.__getitem__)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    told = checks.cuda_gpus()
    assert told.startswith(
        "0: NVIDIA H200, 150.0 GB, compute capability 9.0; 1: Tesla T4, 15.6 GB, compute capability 7.5;"
    )
    assert "CUDA 13.0" in told


def test_why_there_is_no_gpu(monkeypatch):
    def too_old_a_driver() -> bool:
        warnings.warn("CUDA initialization: the NVIDIA driver is too old", stacklevel=1)
        return False

    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", too_old_a_driver)
    assert "the NVIDIA driver is too old" in checks.cuda_gpus()
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    assert "built without CUDA" in checks.cuda_gpus()


def test_an_apple_gpu(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert checks.apple_gpu().startswith("available")


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "allowed"), ("", "allowed"), ("0", "allowed"), ("1", "not allowed"), ("yes", "not allowed")],
)
def test_whether_the_network_is_allowed(monkeypatch, value, said):
    monkeypatch.delenv("SEGLAB_OFFLINE", raising=False)
    if value is not None:
        monkeypatch.setenv("SEGLAB_OFFLINE", value)
    assert collect_checks()["network"].startswith(f"{said} (SEGLAB_OFFLINE")


def test_the_users_home_is_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache" / "not made yet"))
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path / "data"))
    told = collect_checks()
    assert str(tmp_path) not in format_checks(told)
    assert told["cache folder"] == str(Path("~/cache/not made yet"))
    assert told["SEGLAB_DATASETS"] == str(Path("~/data")) + " (no such folder)"
    (tmp_path / "data").mkdir()
    assert collect_checks()["SEGLAB_DATASETS"] == str(Path("~/data"))


@pytest.mark.skipif(os.name != "posix", reason="HOME is the home folder on POSIX systems only")
def test_a_home_at_the_root_hides_nothing(monkeypatch):
    monkeypatch.setenv("HOME", "/")
    assert without_home(Path("/srv/data")) == "/srv/data"


def test_free_space_of_a_folder_that_is_not_made_yet(tmp_path):
    free, total = map(float, re.fullmatch(r"([\d.]+) of ([\d.]+) GB free", free_disk(tmp_path / "a/b/c")).groups())
    assert 0 <= free <= total


def test_memory_is_within_what_the_machine_has():
    numbers = [float(number) for number in re.findall(r"[\d.]+(?= (?:of|GB))", collect_checks()["memory"])]
    assert numbers and numbers == sorted(numbers[:2]) + numbers[2:] and numbers[-1] > 0


def test_it_takes_less_than_two_seconds():
    begin = time.process_time()
    collect_checks()
    assert time.process_time() - begin < 2


def test_it_starts_no_program_and_opens_no_connection():
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_table_has_a_line_for_each_check(capsys):
    print_checks()
    lines = capsys.readouterr().out.splitlines()
    told = collect_checks()
    assert len(lines) == len(told)
    column = max(map(len, told)) + 2
    for line, name in zip(lines, told):
        assert line[:column].strip() == name and line[column] != " "
    assert all(line.isascii() for line in lines if not line.startswith(("cache", "SEGLAB_DATASETS")))


@pytest.mark.parametrize("arguments", [["version"], ["--version"], ["help", "val"], ["trian"]])
def test_python_m_seglab_is_seglab(arguments, capsys):
    from seglab.cli import main

    status = main(arguments)
    expected = capsys.readouterr()
    # Warnings of other packages while they are imported are nobody's answer.
    command = [sys.executable, "-W", "ignore", "-m", "seglab", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == status
    assert (done.stdout, done.stderr) == (expected.out, expected.err)
