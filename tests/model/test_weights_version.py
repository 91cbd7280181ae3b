"""A version is equal as long as no weight has changed, and another after any change."""

from __future__ import annotations

import torch

from seglab.model.transfer import init_network
from seglab.model.weights_version import version_of


def test_every_change_of_a_weight_is_another_version():
    network = init_network("n", 2, seed=0)
    first = version_of(network)
    network.eval()(torch.zeros(1, 3, 32, 32))
    assert version_of(network) == first
    with torch.no_grad():
        list(network.parameters())[-1].mul_(1)
    changed = version_of(network)
    assert changed != first
    next(network.buffers()).add_(0)
    assert version_of(network) != changed


def test_another_network_of_the_same_values_is_another_version():
    network = init_network("n", 2, seed=0)
    assert version_of(network) != version_of(init_network("n", 2, seed=0))
