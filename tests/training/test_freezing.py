"""Layers and statistics that do not learn."""

from __future__ import annotations

import pytest
from torch import nn

from seglab.errors import SeglabError
from seglab.training.freezing import batch_norms, freeze


@pytest.mark.parametrize("layers", [24, 99, [24], [-1], ["a"]])
def test_layers_that_cannot_be_frozen_are_refused(worker, layers):
    with pytest.raises(SeglabError, match="layers 0 to 23"):
        freeze(worker.new_model(), layers)


@pytest.mark.parametrize("layers, expected", [(None, []), (2, [0, 1]), ([0, 23], [0, 23])])
def test_frozen_layers_take_no_gradient(worker, layers, expected):
    network = worker.new_model()
    frozen = freeze(network, layers)
    assert frozen == [network.model[number] for number in expected]
    for number, layer in enumerate(network.model):
        learns = [parameter.requires_grad for name, parameter in layer.named_parameters() if not name.startswith("dfl")]
        assert all(learns) if number not in expected else not any(learns)


def test_batch_norms_are_found_in_every_layer(worker):
    network = worker.new_model()
    found = batch_norms(network)
    assert all(isinstance(layer, nn.BatchNorm2d) for layer in found)
    assert len(found) == sum(name.endswith("running_mean") for name in network.state_dict())
