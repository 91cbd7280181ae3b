"""What is not trained: frozen layers, and batch normalizations that keep their statistics."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from seglab.errors import SeglabError
from seglab.model.yolo11 import YOLO11Seg


def freeze(network: YOLO11Seg, layers: int | str | list | tuple | None) -> list[nn.Module]:
    """Stop the weights of layers from learning, and return the layers, whose statistics should rest as well.

    layers: as `freeze` names them: 10 for layers 0 to 9, or a list of numbers, or of parts by name, such as "23.cv2".
    Errors: SeglabError for a layer that the model does not have, and when all would be frozen.
    """
    if layers is None:
        return []
    named = range(layers) if isinstance(layers, int) else layers
    parts = dict(network.model.named_modules())  # "23.cv2" -> that part of layer 23
    wanted = [str(name).removeprefix("model.").rstrip(".") for name in ([named] if isinstance(named, str) else named)]
    unknown = [name for name in wanted if name not in parts or not name]
    if unknown:
        last = len(network.model) - 1
        raise SeglabError(
            f"freeze={layers}: the model has no layer '{unknown[0]}'; it has layers 0 to {last}, and parts of them by "
            "name, e.g. 23.cv2"
        )
    frozen = [parts[name] for name in dict.fromkeys(wanted)]
    for part in frozen:
        part.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        last = len(network.model) - 1
        raise SeglabError(
            f"freeze={layers} leaves nothing to train: the model has layers 0 to {last}; leave out at least one of them"
        )
    return frozen


def batch_norms(network: nn.Module) -> list[nn.Module]:
    """The batch normalizations of a network, whose statistics `freeze_bn` keeps as they are."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]
