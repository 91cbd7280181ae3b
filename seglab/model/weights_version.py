"""Whether the weights of a network are still what they were, without a look at their values."""

from __future__ import annotations

from operator import attrgetter

from torch import nn

WeightsVersion = tuple[list[int], list[int]]  # see `version_of`
written = attrgetter("_version")


def version_of(network: nn.Module) -> WeightsVersion:
    """Which tensors a network has and how often each was written: equal as long as no weight has changed.

    Each module's own tables are read, since asking for parameters or modules by name takes longer than reading an
    image's header.
    """
    tensors: list = []
    modules: list = [network]
    for module in modules:  # which grows by those inside
        modules += [child for child in module._modules.values() if child is not None]
        tensors += module._parameters.values()
        tensors += module._buffers.values()
    tensors = [tensor for tensor in tensors if tensor is not None]
    return list(map(id, tensors)), list(map(written, tensors))
