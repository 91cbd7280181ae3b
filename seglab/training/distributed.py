"""Several processes that train as one: joining torchrun's group, and batch statistics over all processes' images."""

from __future__ import annotations

import atexit
import datetime
import gc
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist
import torch.distributed.nn  # before there is a group, which its functions would hold to the end, as a default
from torch import Tensor, nn

from seglab.errors import SeglabError

Loaded = TypeVar("Loaded")
Value = TypeVar("Value")
TORCHRUN = "TORCHELASTIC_RUN_ID"  # a variable that torchrun sets; others may start processes and leave them to it
LAUNCHER_SECONDS = 1.0  # between two looks for whether torchrun lives


class Process(NamedTuple):
    """This process among all of them."""

    rank: int
    world: int  # how many there are
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and prints: the first."""
        return self.rank == 0


ALONE = Process(0, 1, torch.device("cpu"))


def join(device: torch.device) -> Process:
    """Join the group that torchrun describes in the environment; alone where there is none.

    On CUDA each process takes the GPU of its local rank (NCCL); elsewhere processes communicate through gloo. A process
    joins once and stays until it ends or calls `leave`: members of a second group may find each other's addresses of
    the first one, where nobody listens any more.
    Errors: SeglabError for more processes than GPUs.
    """
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        return Process(0, 1, device)
    if device.type == "cuda":
        local_rank = int(os.environ["LOCAL_RANK"])
        gpus = torch.cuda.device_count()
        if local_rank >= gpus:
            raise SeglabError(
                f"there are more processes than GPUs on this machine ({gpus}): use torchrun --nproc-per-node {gpus}"
            )
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    process = Process(int(os.environ["RANK"]), world, device)
    if not dist.is_initialized():
        timeout = datetime.timedelta(hours=3)  # the others wait while one process reads or writes
        nccl = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if nccl else "gloo", timeout=timeout)
        atexit.register(leave, process)
        if TORCHRUN in os.environ:
            threading.Thread(target=_end_with_launcher, args=(os.getppid(),), daemon=True).start()
    return process


def _end_with_launcher(launcher: int) -> None:
    """End this process when torchrun is no longer its parent: one that is killed cannot tell those it has started."""
    while os.getppid() == launcher:
        time.sleep(LAUNCHER_SECONDS)
    os._exit(1)


def leave(process: Process) -> None:
    """Leave the group that `join` joined, if it has not been left yet.

    The group's threads end with the last object that holds it, and a process that ends before they do is aborted.
    """
    if process.world > 1 and dist.is_initialized():
        dist.destroy_process_group()
        gc.collect()  # a parallel network stands in a circle of references


def is_main() -> bool:
    """Whether this is the first of torchrun's processes, or the only one. Works before they have joined."""
    return int(os.environ.get("RANK", 0)) == 0


def rank_zero_first(load: Callable[[], Loaded]) -> Loaded:
    """`load()` in the first process of each machine, then in its others, which find what the first one downloaded."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return load()
    join(torch.device("cpu"))
    for turn in ("first", "others"):
        if (os.environ["LOCAL_RANK"] == "0") == (turn == "first"):
            loaded = load()
        dist.barrier()
    return loaded


def broadcast_object(process: Process, value: Any) -> Any:
    """The first process's `value`, on all processes."""
    if process.world == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, 0)
    return values[0]


def gather(process: Process, value: Value) -> list[Value]:
    """Every process's `value`, by rank, in the first process; in the others their own alone."""
    if process.world == 1:
        return [value]
    values: list[Any] | None = [None] * process.world if process.is_main else None
    dist.gather_object(value, values)
    return values or [value]


def mean(process: Process, tensor: Tensor) -> Tensor:
    """The mean of `tensor` over processes."""
    if process.world > 1:
        dist.all_reduce(tensor)
    return tensor / process.world


def broadcast_weights(model: nn.Module, process: Process) -> None:
    """Give all processes the first one's weights: each may have drawn its own."""
    if process.world > 1:
        for tensor in model.state_dict().values():
            dist.broadcast(tensor, 0)


def share_batch_statistics(model: nn.Module, process: Process) -> nn.Module:
    """Make batch normalization see the images of all processes, so that more processes change no result.

    torch's own SyncBatchNorm needs CUDA; elsewhere modules become `SharedBatchNorm`. State dicts keep their names.
    """
    if process.device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm
    return model


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalization whose mean and variance are those of the batches of all processes together."""

    # The class of normalizations with weights, running statistics and a fixed momentum: all that the network has.
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, input: Tensor) -> Tensor:  # (B, C, H, W)
        if not self.training:
            return super().forward(input)
        dims = (0, 2, 3)

        # One exchange for the sums and how many values they are of, so that processes may have unlike batches.
        count = torch.full((1,), input.numel() / input.shape[1], device=input.device)  # (1,) values of a channel
        sums = _Sum.apply(torch.cat((input.float().sum(dims), count)))  # (C + 1,)
        count = sums[-1].detach()
        mean = sums[:-1] / count  # (C,)

        # Another for the variance about the common mean.
        centered = input - mean.to(input.dtype)[:, None, None]  # (B, C, H, W)
        variance = _Sum.apply(centered.float().square().sum(dims)) / count  # (C,)

        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)  # the unbiased estimate
        scale = self.weight * torch.rsqrt(variance + self.eps)  # (C,)
        return centered * scale.to(input.dtype)[:, None, None] + self.bias.to(input.dtype)[:, None, None]


class _Sum(torch.autograd.Function):
    """The sum over processes; a gradient that reaches the sum in any process belongs to every summand."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total
