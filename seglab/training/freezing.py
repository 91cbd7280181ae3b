"""What is not trained: frozen layers, and batch normalizations that keep their statistics."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from seglab.errors import SeglabError
from seglab.model.yolo11 import YOLO11Seg


def freeze(network: YOLO11Seg, layers: int | list | None) -> list[nn.Module]:
    """Stop the weights of layers from learning, and return the layers, whose statistics should rest as well.

    layers: as `freeze` names them: 10 for layers 0 to 9, or a list of numbers.
    Errors: SeglabError for a layer that the model does not have, and when all would be frozen.
    """
    count = len(network.model)
    numbers = set(range(layers)) if isinstance(layers, int) else set(layers or ())
    if not numbers <= set(range(count)) or len(numbers) == count:
        raise SeglabError(
            f"freeze={layers}: the model has layers 0 to {count - 1}, and at least one of them must stay trainable"
        )
    frozen = [network.model[index] for index in sorted(numbers)]
    for layer in frozen:
        layer.requires_grad_(False)
    return frozen


def batch_norms(network: nn.Module) -> list[nn.Module]:
    """The batch normalizations of a network, whose statistics `freeze_bn` keeps as they are."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]
