"""MuSGD: an optimizer that takes half of each step with Muon and half with SGD.

Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024) replaces the momentum of a weight
matrix by the nearest matrix whose singular values are all about one, so that no direction of a layer learns much faster
than another. MuSGD adds ordinary SGD to it; vectors, such as biases, have no singular values and take SGD alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor

# The polynomial of one Newton-Schulz step, which drives every singular value in (0, 1] to about 1 in five of them.
LINEAR = 3.4445
CUBIC = -4.7750
QUINTIC = 2.0315
STEPS = 5
MUON = 0.5  # what it contributes to a step
SGD = 0.5


class MuSGD(torch.optim.Optimizer):
    """Parameter groups with momentum and weight decay as `torch.optim.SGD` has them; Nesterov momentum for both."""

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.9, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step along the gradients, which stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Move one parameter."""
        gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        update = gradient.add(momentum, alpha=group["momentum"])  # Nesterov
        if parameter.ndim < 2:
            parameter.add_(update, alpha=-group["lr"])
            return
        parameter.add_(update, alpha=-SGD * group["lr"])
        parameter.add_(orthogonal(update), alpha=-MUON * group["lr"])


def orthogonal(update: Tensor) -> Tensor:
    """A weight's update (out, ...) -> one of the same shape whose singular values, as (out, rest), are all about one.

    Scaled by sqrt(out / rest) where there are more outputs than inputs, as Muon does.
    """
    matrix = update.flatten(1)  # (out, rest)
    outputs, inputs = matrix.shape
    is_tall = outputs > inputs
    x = matrix.T if is_tall else matrix  # the smaller side first, which makes the products small
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        gram = x @ x.T
        x = LINEAR * x + (CUBIC * gram + QUINTIC * gram @ gram) @ x
    x = x.T if is_tall else x
    return x.reshape(update.shape) * max(1.0, outputs / inputs) ** 0.5
