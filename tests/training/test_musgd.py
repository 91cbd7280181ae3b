"""MuSGD against its definition, written out."""

from __future__ import annotations

import torch

from seglab.training.musgd import MuSGD, orthogonal


def test_an_update_becomes_one_of_equal_singular_values():
    torch.manual_seed(0)
    for shape in ((8, 3, 3, 3), (16, 4, 1, 1), (4, 64)):
        update = torch.randn(shape, dtype=torch.float64)
        made = orthogonal(update)
        assert made.shape == update.shape
        scale = max(1.0, shape[0] / update[0].numel()) ** 0.5
        values = torch.linalg.svdvals(made.flatten(1)) / scale
        assert values.min() > 0.6 and values.max() < 1.3
        # It points where the nearest orthogonal matrix does.
        u, _, v = torch.linalg.svd(update.flatten(1), full_matrices=False)
        cosine = (made.flatten(1) * (u @ v)).sum() / (made.norm() * (u @ v).norm())
        assert cosine > 0.97


def test_a_vector_takes_sgd_alone_and_a_weight_half_of_each():
    torch.manual_seed(1)
    for shape in ((5,), (6, 4)):
        start = torch.randn(shape, dtype=torch.float64)
        ours = torch.nn.Parameter(start.clone())
        theirs = torch.nn.Parameter(start.clone())
        mine = MuSGD([ours], lr=0.1, momentum=0.9, weight_decay=0.01)
        sgd = torch.optim.SGD([theirs], lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
        gradient = torch.randn(shape, dtype=torch.float64)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        sgd.step()
        if len(shape) == 1:
            assert torch.allclose(ours, theirs)
            continue
        by_sgd = start - theirs.detach()
        by_muon = 0.1 * orthogonal(by_sgd)  # which does not depend on the length
        assert torch.allclose(start - ours.detach(), 0.5 * by_sgd + 0.5 * by_muon, atol=1e-9)


def test_it_learns_a_linear_map():
    torch.manual_seed(2)
    layer = torch.nn.Linear(6, 6)
    goal = torch.randn(6, 6)
    optimizer = MuSGD(layer.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / 200)
        inputs = torch.randn(32, 6)
        loss = ((layer(inputs) - inputs @ goal.T) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]
