import copy

import pytest
import torch
from torch import nn

from seglab.errors import SeglabError
from seglab.training.arguments import make_config
from seglab.training.checkpoint import (
    Progress,
    capture,
    check_optimizer_state,
    ema_state,
    read_state,
    restore,
    write_state,
)
from seglab.training.optim import make_optimizer, make_plan, update_ema


def make_run(optimizer):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    plan = make_plan(make_config(optimizer=optimizer, lr0=0.01), 8, 4, 2)
    return network, copy.deepcopy(network), make_optimizer(network, plan)


def step(network, average, optimizer, seed):
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    network(images).square().mean().backward()
    optimizer.step()
    update_ema(average, network, 0.7)


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_a_restored_state_continues_bit_for_bit(optimizer, tmp_path):
    run = make_run(optimizer)
    for seed in range(3):
        step(*run, seed)
    progress = Progress(epoch=3, updates=3, history=[{"epoch": 3, "time": 0.1}], best_fitness=0.1 + 0.2)
    write_state(tmp_path, capture(*run), progress)
    for seed in range(3, 6):
        step(*run, seed)
    expected = capture(*run)

    tensors, read = read_state(tmp_path)
    assert read == progress
    for other in (make_run(optimizer), run):  # into a new process's objects, and back in the same one
        restore(tensors, *other)
        for seed in range(3, 6):
            step(*other, seed)
        found = capture(*other)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", ["SGD", "MuSGD", "RMSProp", "Adam", "AdamW", "Adamax", "NAdam", "RAdam"])
def test_a_state_is_told_from_that_of_another_optimizer(name):
    """As in the folder of a run whose arguments somebody has changed."""
    network, average, optimizer = make_run(name)
    check_optimizer_state(optimizer)  # nothing is kept yet
    step(network, average, optimizer, 0)
    check_optimizer_state(optimizer)
    other = make_run("SGD" if name.startswith(("A", "N", "R")) else "AdamW")
    restore(capture(network, average, optimizer), *other)
    with pytest.raises(ValueError, match=r"keeps \[.*\], not \["):
        check_optimizer_state(other[2])


def test_captured_tensors_do_not_change_with_the_run():
    run = make_run("AdamW")
    step(*run, 0)
    before = capture(*run)
    copies = {name: tensor.clone() for name, tensor in before.items()}
    step(*run, 1)
    assert all(torch.equal(before[name], copies[name]) for name in copies)
    assert set(ema_state(before)) == set(run[1].state_dict())


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(SeglabError, match="cannot resume"):
        read_state(tmp_path)
