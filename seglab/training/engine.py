"""One epoch of training: for every batch the loss and its gradients, and a step once enough of them are accumulated."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from seglab.data.collate import IGNORE_CELL
from seglab.device import batch_to_device
from seglab.model.yolo11 import YOLO11Seg
from seglab.sizes import STRIDE
from seglab.training.keep import Teacher
from seglab.training.loss import LossGains, segmentation_loss
from seglab.training.optim import (
    MAX_GRADIENT_NORM,
    Plan,
    apply_settings,
    average_decay,
    settings_at,
    total_steps,
    update_ema,
)


@dataclass
class Learner:
    """What an epoch changes, and what it needs for that."""

    network: YOLO11Seg  # the weights that learn
    average: YOLO11Seg  # their running average, which users get
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler  # keeps small gradients alive in fp16, and does nothing in other number formats
    gains: LossGains
    dtype: torch.dtype | None = None  # the network's number format; None is float32
    teacher: Teacher | None = None  # keeps known classes, with loss terms of its own
    resting: list[nn.Module] = field(default_factory=list)  # layers whose statistics do not move
    parallel: DistributedDataParallel | None = None  # the network, among several processes
    tell: Callable[[str], None] = lambda event: None  # what is to be called at an event (see seglab.events)
    terms: dict[str, Tensor] = field(default_factory=dict)  # of the last batch, by name
    sums: dict[str, Tensor] = field(default_factory=dict)  # of the batches of this epoch
    batches: int = 0  # of this epoch so far
    multi_scale: float = 0.0  # batches are smaller or larger by at most this, see `rescaled`
    seed: int = 0  # of their sizes

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None)


def train_one_epoch(
    learner: Learner, batches: Iterable[dict], plan: Plan, epoch: int, updates: int
) -> tuple[dict[str, Tensor], int]:
    """One pass over `batches` -> means of this process's loss terms by name, and optimizer steps so far.

    epoch: counted from 0; updates: optimizer steps of earlier epochs. An epoch ends with a step, whatever has been
    accumulated by then, so nothing lives from epoch to epoch but weights, average and optimizer. Nothing but the loss
    waits for the device before the epoch ends.
    """
    first = epoch * plan.iterations  # batches of earlier epochs
    set_training_mode(learner)
    learner.sums = {}
    learner.batches = 0
    zero = torch.zeros((), device=learner.device)
    accumulated = 0  # batches since the last step
    index = 0
    for index, (batch, old_images) in enumerate(zip(batches, rehearsal_of(learner, first))):
        settings = settings_at(plan, first + index)
        apply_settings(learner.optimizer, settings)
        learner.tell("on_train_batch_start")
        accumulated += 1
        is_last = index + 1 == plan.iterations
        ends_in_step = is_last or accumulated >= settings.accumulate

        with gradients_exchanged(learner, ends_in_step):
            total, terms = compute_loss(learner, batch, old_images, first + index + 1)
            learner.scaler.scale(total).backward()
        learner.terms = terms
        learner.batches += 1
        for name, value in terms.items():
            learner.sums[name] = learner.sums.get(name, zero) + value

        if ends_in_step:
            updates = end_step(learner, plan, updates)
            accumulated = 0
            learner.tell("on_params_update")
        learner.tell("on_train_batch_end")
    if accumulated:  # the batches ended early
        updates = end_step(learner, plan, updates)
    return {name: value / (index + 1) for name, value in learner.sums.items()}, updates


def end_step(learner: Learner, plan: Plan, updates: int) -> int:
    """Take a step and average its weights; gives the number of steps so far."""
    take_step(learner)
    updates += 1
    update_ema(learner.average, learner.network, average_decay(plan.average, updates, total_steps(plan)))
    return updates


def set_training_mode(learner: Learner) -> None:
    """Training mode for all layers but those that rest."""
    network = learner.parallel or learner.network
    network.train()
    for layer in learner.resting:
        layer.eval()


def rehearsal_of(learner: Learner, first: int) -> Iterator[Tensor | None]:
    """The old images that come to each batch from the one number `first` on; None where nothing is rehearsed."""
    if learner.teacher is None:
        return itertools.repeat(None)
    return learner.teacher.rehearsal.batches(first)


def gradients_exchanged(learner: Learner, exchanged: bool) -> contextlib.AbstractContextManager:
    """Whether backward passes within average the gradients over processes, which only the one before a step must."""
    if learner.parallel is None or exchanged:
        return contextlib.nullcontext()
    return learner.parallel.no_sync()


def compute_loss(
    learner: Learner, batch: dict, old_images: Tensor | None, number: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch -> total, the scalar to backpropagate, and the terms by name, detached.

    old_images: (b, 3, H, W) that the teacher answers for; None without a teacher. number: of the batch, from 1 on,
    over all epochs.
    """
    network = learner.parallel or learner.network
    images, targets = batch_to_device(batch, learner.device)
    if learner.multi_scale:
        images, targets = rescaled(images, targets, learner.multi_scale, (learner.seed, number))
    if learner.teacher is None or old_images is None:
        with learner.autocast():
            raw = network(images)
        return segmentation_loss(raw, targets, learner.gains)

    # Old images pass the network together with the new ones. The teacher is asked about them, and at times about both.
    new = len(images)
    images = torch.cat((images, old_images))
    with learner.autocast():
        raw = network(images)
        told = learner.teacher.ask(images if learner.teacher.looks_at_new(number) else images[new:])
    return learner.teacher.loss(raw, told, targets, learner.gains, new)


def rescaled(
    images: Tensor, targets: dict[str, Tensor], most: float, seed: tuple[int, int]
) -> tuple[Tensor, dict[str, Tensor]]:
    """A batch at another size: images (B, 3, H, W), boxes in pixels and masks smaller or larger by at most `most`.

    The long side becomes a multiple of the stride drawn evenly from (1 - most) to (1 + most) times what it was, the
    other keeps the shape as nearly as the stride lets it. seed: of the draw, which all processes share.
    """
    height, width = images.shape[2:]
    factor = np.random.default_rng(seed).uniform(1 - most, 1 + most)
    new_height = max(round(height * factor / STRIDE), 1) * STRIDE
    new_width = max(round(width * factor / STRIDE), 1) * STRIDE
    if (new_height, new_width) == (height, width):
        return images, targets
    scale = torch.tensor([new_width / width, new_height / height], device=images.device).repeat(2)  # (4,)
    masks = targets["masks"]  # (N, h, w)
    ratio = height // masks.shape[1]
    mask_size = (new_height // ratio, new_width // ratio)
    scaled = {**targets, "boxes": targets["boxes"] * scale}
    if len(masks):
        smooth = F.interpolate(masks.float()[:, None], mask_size, mode="bilinear", antialias=True)
        scaled["masks"] = smooth[:, 0].clamp(0, 1).to(masks.dtype)
    else:
        scaled["masks"] = masks.new_zeros((0, *mask_size))
    if "ignored" in targets:  # (B, H / IGNORE_CELL, W / IGNORE_CELL) bool
        cells = targets["ignored"].float()[:, None]
        cell_size = (new_height // IGNORE_CELL, new_width // IGNORE_CELL)
        scaled["ignored"] = F.interpolate(cells, cell_size, mode="nearest-exact")[:, 0] > 0.5
    images = F.interpolate(images, (new_height, new_width), mode="bilinear", antialias=True)
    return images.clamp(0, 1), scaled


def take_step(learner: Learner) -> None:
    """One step of the optimizer along the accumulated gradients, which a single odd batch must not make too long."""
    learner.scaler.unscale_(learner.optimizer)
    nn.utils.clip_grad_norm_(learner.network.parameters(), MAX_GRADIENT_NORM)
    with learner.teacher.quiet_step(learner.network) if learner.teacher else contextlib.nullcontext():
        learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    learner.tell("optimizer_step")
    learner.tell("on_before_zero_grad")
    learner.optimizer.zero_grad()


def is_finite(network: nn.Module) -> bool:
    """Whether all weights and statistics are finite numbers; the device is asked once."""
    tensors = [t for t in network.state_dict().values() if t.is_floating_point()]
    norms = torch.stack(torch._foreach_norm(tensors))
    return bool(norms.isfinite().all())
