"""How weights are updated: the plan of a run, the learning rate at any step, parameter groups, the averaged weights.

Everything that changes over time is a pure function of the iteration (the number of batches seen), so a resumed run
needs to know only where it stopped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seglab.config import TrainConfig
from seglab.training.musgd import MuSGD
from seglab.wording import pluralize

AUTO_STEPS = 10_000  # "auto" takes AdamW for runs of at most so many steps, SGD for longer ones
MAX_GRADIENT_NORM = 10.0  # a single odd batch can cause longer ones
LATE_POWER = 8  # about the last ninth of the steps
GROUPS = ("weights", "norms", "biases")
FUSED = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}
ADAM_LIKE = {"Adamax": torch.optim.Adamax, "NAdam": torch.optim.NAdam, "RAdam": torch.optim.RAdam}


@dataclass(frozen=True)
class Plan:
    """Every number of an optimization; what it means over time is `settings_at`."""

    optimizer: str  # one of OPTIMIZERS
    lr: float  # highest learning rate
    lrf: float  # last learning rate / lr
    momentum: float  # of SGD, RMSProp and MuSGD; first beta of Adam and its kin
    weight_decay: float  # already scaled to the batches one step accumulates
    cosine: bool
    epochs: int
    iterations: int  # an epoch
    warmup: int  # iterations
    warmup_momentum: float
    warmup_bias_lr: float
    accumulate: float  # batches a step after the warm-up, before rounding
    average: str = "ema"  # see `average_decay`


class Settings(NamedTuple):
    """What holds at one iteration."""

    lr: float
    bias_lr: float
    momentum: float
    accumulate: int  # batches whose gradients one optimizer step sums


def make_plan(config: TrainConfig, images: int, iterations: int, classes: int) -> Plan:
    """The plan for a training set of `images` images in `iterations` batches an epoch.

    optimizer="auto" takes AdamW with lr = round(0.002 * 5 / (4 + classes), 6) and beta 0.9 for runs of at most 10,000
    nominal batches, SGD with lr 0.01 and momentum 0.9 for longer ones, and no higher start for the biases. An lr0,
    momentum or warmup_bias_lr given in `config` is kept.
    """
    # The usual values, and what optimizer="auto" chooses instead.
    optimizer = config.optimizer
    lr = 0.01
    momentum = 0.937
    warmup_bias_lr = 0.1
    if config.optimizer == "auto":
        steps = math.ceil(images / max(config.batch, config.nbs)) * config.epochs
        optimizer = "AdamW" if steps <= AUTO_STEPS else "SGD"
        lr = round(0.002 * 5 / (4 + classes), 6) if optimizer == "AdamW" else 0.01
        momentum = 0.9
        warmup_bias_lr = 0.0

    # What the user gives wins.
    if config.lr0 is not None:
        lr = config.lr0
    if config.momentum is not None:
        momentum = config.momentum
    if config.warmup_bias_lr is not None:
        warmup_bias_lr = config.warmup_bias_lr

    # Weight decay is meant for a step of nbs images; smaller batches are accumulated to about that many.
    accumulated = max(round(config.nbs / config.batch), 1)
    weight_decay = config.weight_decay * config.batch * accumulated / config.nbs
    total = iterations * config.epochs
    return Plan(
        optimizer=optimizer,
        lr=lr,
        lrf=config.lrf,
        momentum=momentum,
        weight_decay=weight_decay,
        cosine=config.cos_lr,
        epochs=config.epochs,
        iterations=iterations,
        warmup=min(round(config.warmup_epochs * iterations), total - 1),
        warmup_momentum=config.warmup_momentum,
        warmup_bias_lr=warmup_bias_lr,
        accumulate=config.nbs / config.batch,
        average=config.average,
    )


def batches_per_step(plan: Plan) -> int:
    """Batches whose gradients one optimizer step sums, after the warm-up."""
    return max(round(plan.accumulate), 1)


def total_steps(plan: Plan) -> int:
    """Optimizer steps of the whole run; a warm-up that accumulates less takes more."""
    return plan.epochs * math.ceil(plan.iterations / batches_per_step(plan))


def describe(plan: Plan, config: TrainConfig) -> str:
    """One line for the user: what the optimizer will do and whose choice it was."""
    choice = "as given"
    if config.optimizer == "auto":
        given = [f"{name} as given" for name in ("lr0", "momentum") if getattr(config, name) is not None]
        choice = ", ".join(["chosen by optimizer=auto", *given])
    decay = "cosine" if plan.cosine else "linear"
    return (
        f"optimizer: {plan.optimizer} lr={plan.lr:g} momentum={plan.momentum:g} weight_decay={plan.weight_decay:g} "
        f"({choice}), {decay} decay to lr={plan.lr * plan.lrf:g}, "
        f"warm-up of {plan.warmup} of {pluralize(plan.iterations * plan.epochs, 'iteration')}, "
        f"{pluralize(batches_per_step(plan), 'batch')} per step"
    )


def settings_at(plan: Plan, iteration: int) -> Settings:
    """Learning rates, momentum and accumulation at an iteration counted from 0 over the whole run."""
    decay = lr_factor(iteration // plan.iterations, plan.epochs, plan.lrf, plan.cosine)
    lr = plan.lr * decay
    if iteration >= plan.warmup:
        return Settings(lr, lr, plan.momentum, batches_per_step(plan))

    # The warm-up: everything goes from its first value to its last in a straight line.
    fraction = iteration / plan.warmup
    return Settings(
        lr=fraction * lr,
        bias_lr=plan.warmup_bias_lr + fraction * (lr - plan.warmup_bias_lr),
        momentum=plan.warmup_momentum + fraction * (plan.momentum - plan.warmup_momentum),
        accumulate=max(round(1 + fraction * (plan.accumulate - 1)), 1),
    )


def lr_factor(epoch: int, epochs: int, last: float, cosine: bool) -> float:
    """What multiplies the highest learning rate in `epoch`: from 1 in epoch 0 down to `last` in epoch `epochs`."""
    fraction = epoch / epochs
    falling = (1 + math.cos(math.pi * fraction)) / 2 if cosine else 1 - fraction  # from 1 to 0
    return last + (1 - last) * falling


def make_optimizer(model: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """The plan's optimizer over three groups (see GROUPS): only convolution weights decay."""
    groups: dict[str, list[nn.Parameter]] = {name: [] for name in GROUPS}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.endswith("bias"):
            groups["biases"].append(parameter)
        elif parameter.ndim == 1:
            groups["norms"].append(parameter)
        else:
            groups["weights"].append(parameter)
    decays = {"weights": plan.weight_decay, "norms": 0.0, "biases": 0.0}
    parameters = [{"params": groups[name], "weight_decay": decays[name]} for name in GROUPS]
    if plan.optimizer == "SGD":
        return torch.optim.SGD(parameters, lr=plan.lr, momentum=plan.momentum, nesterov=True, fused=True)
    if plan.optimizer == "MuSGD":
        return MuSGD(parameters, lr=plan.lr, momentum=plan.momentum)
    if plan.optimizer == "RMSProp":
        return torch.optim.RMSprop(parameters, lr=plan.lr, momentum=plan.momentum)
    betas = (plan.momentum, 0.999)
    if plan.optimizer in FUSED:
        return FUSED[plan.optimizer](parameters, lr=plan.lr, betas=betas, fused=True)
    return ADAM_LIKE[plan.optimizer](parameters, lr=plan.lr, betas=betas)


def apply_settings(optimizer: torch.optim.Optimizer, settings: Settings) -> None:
    """Set learning rates, and the momentum of SGD and its like (betas stay)."""
    for name, group in zip(GROUPS, optimizer.param_groups):
        group["lr"] = settings.bias_lr if name == "biases" else settings.lr
        if "momentum" in group:
            group["momentum"] = settings.momentum


def average_decay(how: str, updates: int, steps: int) -> float:
    """What the averaged weights keep of themselves at the `updates`-th optimizer step (from 1) of about `steps`.

    "ema": 0.9999 (1 - exp(-updates / 2000)), as ultralytics: early averages forget quickly, so that a run of some
    hundred steps hardly averages at all. "late": step t counts about as t**8 whatever the length of the run (Shamir and
    Zhang, "Stochastic gradient descent for non-smooth optimization", 2013). "anchored": all steps count alike, and the
    start as much as all of them together, which keeps what the start knew (the idea of Wortsman et al., "Robust
    fine-tuning of zero-shot models", 2022).
    """
    if how == "late":
        return 1 - (LATE_POWER + 1) / (updates + LATE_POWER)
    if how == "anchored":
        return 1 - 1 / (updates + steps)
    return 0.9999 * (1 - math.exp(-updates / 2000))


@torch.no_grad()
def update_ema(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move `average` in place so that it keeps `decay` of itself and takes the rest of `model`, statistics included."""
    averages = []
    values = []
    for kept, value in zip(_tensors(average), _tensors(model)):
        if kept.is_floating_point():
            averages.append(kept)
            values.append(value)
        else:  # counters
            kept.copy_(value)
    torch._foreach_lerp_(averages, values, 1 - decay)  # all tensors in one call


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
