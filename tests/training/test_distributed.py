"""One process alone is a group of one; what several do together is in test_trainer.py, which starts them."""

from __future__ import annotations

import os
import select
import time

import pytest
import torch
import torch.distributed as dist
from torch import nn

from seglab.training import distributed
from seglab.training.distributed import SharedBatchNorm, rank_zero_first, share_batch_statistics


@pytest.fixture
def alone(tmp_path):
    """A group of one process, over gloo."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield distributed.Process(0, 1, torch.device("cpu"))
    dist.destroy_process_group()


def test_shared_statistics_are_batch_normalization_when_there_is_one(alone):
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(5, momentum=0.03)
    nn.init.uniform_(plain.weight)
    nn.init.uniform_(plain.bias)
    shared = nn.BatchNorm2d(5, momentum=0.03)
    shared.load_state_dict(plain.state_dict())
    share_batch_statistics(nn.Sequential(shared), alone)
    assert type(shared) is SharedBatchNorm and shared.state_dict().keys() == plain.state_dict().keys()

    images = torch.randn(3, 5, 7, 9) * 2 + 1
    weights = torch.randn(3, 5, 7, 9)
    gradients = []
    for module in (plain, shared):
        batch = images.clone().requires_grad_()
        (module(batch) * weights).sum().backward()
        gradients.append(batch.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(shared.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shared.eval()(images), plain.eval()(images))


def test_alone_a_process_is_the_main_one_and_loads_for_itself():
    loads = []
    assert distributed.is_main()
    assert rank_zero_first(lambda: loads.append(1) or "loaded") == "loaded" and loads == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_ends_with_the_torchrun_that_has_started_it(monkeypatch):
    monkeypatch.setattr(distributed, "LAUNCHER_SECONDS", 0.05)
    here, there = os.pipe()
    launcher = os.fork()
    if launcher == 0:
        if os.fork() == 0:
            distributed._end_with_launcher(os.getppid())
        time.sleep(0.5)
        os._exit(0)
    os.close(there)
    assert not select.select([here], [], [], 0.2)[0], "it ends although its launcher lives"
    os.waitpid(launcher, 0)
    assert select.select([here], [], [], 20)[0] and os.read(here, 1) == b"", "it goes on without its launcher"
    os.close(here)
