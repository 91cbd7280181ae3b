"""The device that a verb runs on, its memory layout and number format, and deterministic algorithms."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError


def choose_device(device: Any = None) -> torch.device:
    """A device as users name it: "cpu", "cuda:1", 1, "1", "mps", a torch.device; None or "" is the first CUDA GPU, or
    the CPU where there is none. Apple's GPUs ("mps") are used on request only (docs/decisions/0013).

    Errors: SeglabError for several devices (torchrun starts one process per device) and for one this machine lacks.
    """
    name = "" if device is None else str(device).strip("[]() ").replace(" ", "").lower()
    if "," in name:
        raise SeglabError(
            f"device={device}: one process uses one device, so start several with torchrun, as in "
            f"`torchrun --nproc-per-node {name.count(',') + 1} -m seglab.cli train ...`"
        )
    if not name:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.isdigit():
        name = f"cuda:{name}"

    if not _is_available(name):
        available = " or ".join(each for each in ("cpu", "cuda", "mps") if _is_available(each))
        raise SeglabError(f"device={device}: this machine has no such device; use {available}")
    return torch.device(name)


def device_of_process(device: Any = None) -> Any:
    """The device of one of torchrun's processes: `device` where it is given, else the CUDA GPU of its number on this
    machine, where there are any."""
    if device is None and torch.cuda.is_available():
        return f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    return device


def _is_available(name: str) -> bool:
    """Whether this machine has a device, such as "cuda:1". GPUs are looked for only then: it takes a driver's time."""
    device_type, _, index = name.partition(":")
    if device_type == "cuda":
        return (index or "0").isdigit() and int(index or 0) < torch.cuda.device_count()
    if device_type == "mps":
        return torch.backends.mps.is_available()
    return device_type == "cpu"


def memory_format(device: str | torch.device) -> torch.memory_format:
    """In what order networks and images keep their numbers on a device: channels last, which convolutions read fastest.

    Apple's GPUs keep torch's default order: with channels last, backward passes took thirty times as long, and
    convolutions of channel slices, of which this network is full, came out wrong (pytorch issues 193349 and 180984,
    both of 2026).
    """
    if torch.device(device).type == "mps":
        return torch.contiguous_format
    return torch.channels_last


def to_device(images: Tensor, device: str | torch.device) -> Tensor:
    """Images (B, 3, H, W) on a device, in its memory format.

    The copy of pinned memory to a CUDA GPU is not waited for: the GPU's own queue keeps the order. On other devices a
    copy that nobody waits for may read memory that has been freed (pytorch issue 189690).
    """
    is_cuda = torch.device(device).type == "cuda"
    return images.to(device, memory_format=memory_format(device), non_blocking=is_cuda)


def images_to_float(images: Tensor, device: str | torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images (B, 3, H, W) uint8 -> (B, 3, H, W) of `dtype` in 0..1, on the device and in its memory format."""
    return to_device(images, device).to(dtype).div_(255)


def targets_to_device(batch: dict, device: torch.device) -> dict[str, Tensor]:
    """The targets of a batch as `collate` makes it, on the device: all its tensors but the images."""
    pinned = device.type == "cuda"  # copies of pinned memory need not be waited for
    targets = {name: value for name, value in batch.items() if isinstance(value, Tensor) and name != "images"}
    return {name: value.to(device, non_blocking=pinned) for name, value in targets.items()}


def batch_to_device(batch: dict, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
    """A batch as `collate` makes it -> images (B, 3, H, W) float32 in 0..1, and the targets, both on the device."""
    return images_to_float(batch["images"], device), targets_to_device(batch, device)


def autocast_dtype(amp: bool | str, device: torch.device) -> torch.dtype | None:
    """The number format of `amp` on a device; None is float32, as always on a CPU without bf16 units."""
    if not amp:
        return None
    if device.type == "cpu":
        return torch.bfloat16 if has_bf16_units() else None
    if amp == "bf16":
        return torch.bfloat16
    if device.type != "cuda":
        return None
    # Before compute capability 8, bf16 exists but is emulated.
    return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16


def has_bf16_units() -> bool:
    """Whether this CPU computes in bf16 itself.

    PyTorch also says yes where oneDNN emulates it with AVX-512, in twice the time of float32, and where it has no
    backward pass (AVX2: pytorch issue 148861). On other CPUs than x86 its answer is all there is.
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    has_avx512_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # older PyTorch lacks it
    return has_avx512_bf16 is not None and has_avx512_bf16()


@contextlib.contextmanager
def deterministic(on: bool) -> Iterator[None]:
    """Ask torch for algorithms that repeat bit for bit, where it has one; afterward the former setting is restored."""
    memory: Any = torch.utils.deterministic  # a module that makes its attribute when it is imported
    mode = torch.get_deterministic_debug_mode()
    fills_memory = memory.fill_uninitialized_memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Like use_deterministic_algorithms(on, warn_only=True), which imports torch's compiler: seconds on the CPU.
    torch.set_deterministic_debug_mode("warn" if on else "default")
    memory.fill_uninitialized_memory = False  # nothing reads what it has not written
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        memory.fill_uninitialized_memory = fills_memory


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread for many small operations: a second one costs more than it brings, and much more when other
    programs use its core. The number of threads is afterward what it was before.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
