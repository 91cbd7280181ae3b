"""Whether the weights of a network are still what they were, without a look at their values."""

from __future__ import annotations

from torch import nn

WeightsVersion = list[tuple[int, int]]  # see `version_of`


def version_of(network: nn.Module) -> WeightsVersion:
    """Which tensors a network has and how often each was written: equal as long as no weight has changed.

    Each module's own tables are read, since asking for parameters or modules by name takes longer than reading an
    image's header.
    """
    version = []
    modules: list[nn.Module] = [network]
    while modules:
        module = modules.pop()
        modules += [child for child in module._modules.values() if child is not None]
        for tensors in (module._parameters, module._buffers):
            version += [(id(tensor), tensor._version) for tensor in tensors.values() if tensor is not None]
    return version
