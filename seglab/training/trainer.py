"""The training loop: epochs of optimiser steps, a validation after each, the best weights kept."""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from seglab.data.catalogue import DatasetSpec
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import write_image
from seglab.data.loader import build_loader, start_epoch
from seglab.data.problems import write_rest
from seglab.drawing.plots import batch_mosaic, contact_sheet, training_curves
from seglab.errors import SeglabError
from seglab.evaluation.metrics import Metrics
from seglab.evaluation.validate import ValidateConfig, validate, write_plots
from seglab.inference.decode import decode
from seglab.inference.predictor import PredictConfig, predict
from seglab.model.weights import load_weights
from seglab.model.yolo11 import YOLO11Seg, fuse
from seglab.runs import choose_device, layout, new_folder, place
from seglab.training.checkpoint import Progress, capture, read_state, restore
from seglab.training.config import TrainConfig, flatten, run_folder, write_arguments
from seglab.training.distributed import Process, agree, join, mean, same_start, share_batch_statistics
from seglab.training.keep import TERMS as KEEP_TERMS
from seglab.training.keep import Knowledge, Teacher, old_images, read_teacher, write_teacher
from seglab.training.loss import LossGains, segmentation_loss
from seglab.training.optim import (
    MAX_GRADIENT_NORM,
    Plan,
    apply_settings,
    average_decay,
    describe,
    make_optimizer,
    make_plan,
    settings_at,
    total_steps,
    update_average,
)
from seglab.training.recipes import SCRATCH, Start
from seglab.training.record import TERMS, Record, describe_gain, follow, make_row

MAX_REWINDS = 3

Validate = Callable[[YOLO11Seg], tuple[Metrics, dict[str, float]]]  # network -> figures, and rows for results.csv


class TrainResult(NamedTuple):
    """What is left of a run. Processes other than the first have no metrics and an empty history."""

    folder: Path
    best: Path  # weights of the epoch of best fitness
    last: Path  # weights of the last epoch; not written with save=False
    metrics: Metrics | None  # of the best weights
    history: list[dict[str, float]]  # the rows of results.csv
    mask_targets: str = "soft"  # soft or hard, what the best weights learned from


def train(
    model: YOLO11Seg,
    spec: DatasetSpec,
    config: TrainConfig,
    validation: Validate | None = None,
    licence: str = "unknown",
    start: Start = SCRATCH,
    knowledge: Knowledge | None = None,
) -> TrainResult:
    """Train `model`, which holds the best averaged weights in the end, on the dataset's `train` split.

    After every epoch the averaged weights are validated on `val` (`validation` replaces how). Under torchrun every
    process calls this with the same arguments. licence: of the weights it starts from, which what is learnt inherits;
    start: what these know of the data. Weights that know something are validated before the first epoch too, and are
    the best ones until an epoch is better; knowledge: which classes these know, of a run that is to keep them
    (`keep=True`).
    Errors: SeglabError for a model of another number of classes, a run that cannot be resumed, numbers that stay
    non-finite.
    """
    if model.classes != len(spec.names):
        raise SeglabError(
            f"the model has {model.classes} classes and the data {len(spec.names)}: build it with as many"
        )
    for split in ("train",) if validation else ("train", "val"):
        spec.images(split)  # there are some, before anything is made or looked through
    with deterministic(config.deterministic):
        place = join(choose_device(config.device))
        return _train(model, spec, config, place, validation, licence, start, knowledge)


def _train(
    model: YOLO11Seg,
    spec: DatasetSpec,
    config: TrainConfig,
    process: Process,
    validation: Validate | None,
    licence: str,
    start: Start,
    knowledge: Knowledge | None,
) -> TrainResult:
    leads = process.rank == 0  # the first process alone validates, writes and talks
    dataset = _dataset(spec, "train", config, augment=config.augment, seed=config.seed)
    problems, gains = dataset.problems, LossGains(config.box, config.cls, config.dfl)
    if leads and validation is None:
        held_back = _dataset(spec, "val", config, rect=ValidateConfig.rect)
        problems = list(dict.fromkeys(problems + held_back.problems))  # both may be one folder
        validation = validate_start = make_validate(held_back, config, gains, process.device)
        if start.mask_targets != config.mask_targets:  # their masks are read in another way
            as_before = replace(config, mask_targets=start.mask_targets)
            validate_start = make_validate(held_back, as_before, gains, process.device)
    else:
        validate_start = validation
    folder = agree(process, _folder(config) if leads else None)  # all data have been looked through by now
    best, last = folder / "weights/best.safetensors", folder / "weights/last.safetensors"
    loader = build_loader(
        dataset, config.batch, config.workers, True, config.seed, process.rank, process.world,
        pin_memory=process.device.type == "cuda",
    )  # fmt: skip
    plan = make_plan(config, len(dataset), len(loader), model.classes)
    dtype = autocast_dtype(config.amp, process.device)

    average = model.to(process.device, memory_format=layout(process.device)).eval()  # training happens in a copy
    same_start(average, process)
    network = copy.deepcopy(average)
    teacher = None
    if config.keep:
        first = copy.deepcopy(average)
        if config.resume:
            knowledge = read_teacher(folder, first)
        elif knowledge is None:
            raise SeglabError("keep=True must be told what the model knows: train with YOLO(...).train(keep=True)")
        teacher = Teacher(first, knowledge, spec, old_images(knowledge, config, process))
        if leads and not config.resume:
            write_teacher(folder, first, knowledge)
    frozen = freeze(network, config.freeze)
    optimizer = make_optimizer(network, plan)
    scaler = torch.amp.GradScaler(process.device.type, enabled=dtype == torch.float16)
    progress = Progress(scaler=scaler.state_dict())
    if config.resume:
        tensors, progress = read_state(folder)
        restore(tensors, network, average, optimizer)
        if progress.scaler:  # empty where the run began without one: on a processor, or a card that has bf16
            scaler.load_state_dict(progress.scaler)
    good = capture(network, average, optimizer)
    wrapped: nn.Module = network
    if process.world > 1:
        wrapped = DistributedDataParallel(share_batch_statistics(network, process))
    began = time.monotonic() - (progress.history[-1]["time"] if progress.history else 0)
    if leads:
        arguments = {**flatten(config), "data": spec.source}
        metadata = {"names": spec.names, "scale": model.scale, "train_args": arguments}
        metadata["license"] = licence
        if teacher:
            arguments["old_data"] = list(knowledge.data)
        write_arguments(folder, config, spec.source)
        if listing := write_rest(problems, folder / "problems.csv"):
            print(f"  all findings: {listing}")
        print(f"{describe(plan, config)}\n{len(dataset)} training images, results in {folder}")
        record = Record(folder, metadata, config.epochs, config.save, config.save_period)
        if config.val and not (start.scratch or config.resume):
            metrics, figures = validate_start(average)
            progress.best_fitness = metrics.fitness
            progress.history.append({"epoch": 0, "time": round(time.monotonic() - began, 3), **figures})
        record.begin(good, progress, start.mask_targets)
        if config.plots and progress.epoch == 0:
            draw_batches(loader, folder)

    stop = False
    while progress.epoch < config.epochs and not stop:
        epoch = progress.epoch
        torch.manual_seed(config.seed + epoch)  # whatever may draw from it draws the same after a resume
        start_epoch(loader, epoch)
        dataset.mosaic = epoch < config.epochs - config.close_mosaic
        wrapped.train()
        for layer in frozen + (norms(wrapped) if config.freeze_bn or teacher else []):
            layer.eval()
        losses, updates = train_one_epoch(
            wrapped,
            average,
            follow(loader, f"epoch {epoch + 1}/{config.epochs}") if leads else loader,
            optimizer,
            scaler,
            replace(plan, lr=plan.lr / 2**progress.rewinds),
            epoch * plan.iterations,
            progress.updates,
            gains,
            dtype,
            teacher,
        )
        losses = mean(process, losses)
        if not (losses.isfinite().all() and is_finite(network)):
            if progress.rewinds == MAX_REWINDS:
                raise SeglabError(
                    f"the loss of epoch {epoch + 1} is not finite even at 1/{2**MAX_REWINDS} of the learning rate: "
                    "give a lower lr0 or amp=False, and look at pictures and labels"
                )
            progress.rewinds += 1
            restore(good, network, average, optimizer)
            if leads:
                print(f"epoch {epoch + 1} was not finite: again from its start, at half the learning rate")
            continue

        progress.epoch, progress.updates, progress.scaler = epoch + 1, updates, scaler.state_dict()
        good = capture(network, average, optimizer)
        if leads:
            figures: dict[str, float] = {}
            better = not config.val
            if config.val:
                metrics, figures = validation(average)
                better = metrics.fitness > progress.best_fitness or metrics.fitness == 0  # 0: nothing learnt yet
                progress.best_fitness = max(progress.best_fitness, metrics.fitness)
            if better:
                progress.best_epoch = epoch
            rates = [group["lr"] for group in optimizer.param_groups]
            progress.history.append(make_row(epoch + 1, time.monotonic() - began, losses.tolist(), figures, rates))
            record.add(good, progress, better)
            stop = 0 < config.patience <= epoch - progress.best_epoch
        stop = agree(process, stop)

    metrics, history, learned_from = None, [], config.mask_targets
    if leads:
        record.end(good, progress)
        best_epoch = progress.best_epoch + 1 or "the start"
        if stop:
            print(f"no better epoch than {best_epoch} in {config.patience}: stopping (patience)")
        kept = load_weights(best)
        model.load_state_dict(kept.state)
        learned_from = kept.metadata["train_args"]["mask_targets"]
        metrics, _ = (validation if learned_from == config.mask_targets else validate_start)(model)
        metrics.save_dir = str(folder)
        print(f"best epoch: {best_epoch}, weights in {best}\n{metrics.table()}")
        if told := describe_gain(progress.history, progress.best_epoch + 1, config, plan.lr):
            print(told)
        if config.plots:
            write_plots(metrics, folder)
            draw_predictions(model, spec, config.imgsz, learned_from, folder)
            write_image(folder / "results.png", training_curves(folder / "results.csv"))
        history = progress.history
    agree(process, None)  # the others wait for the files
    return TrainResult(folder, best, last, metrics, history, learned_from)


def _dataset(spec: DatasetSpec, split: str, config: TrainConfig, **options: Any) -> SegmentationDataset:
    """A split as the run wants it, whether to learn from or to compare with."""
    return SegmentationDataset(
        spec,
        split,
        config.imgsz,
        mask_targets=config.mask_targets,
        overlap=config.overlap_mask,
        mask_ratio=config.mask_ratio,
        strict=config.strict,
        cache=config.cache,
        **options,
    )


def make_validate(
    dataset: SegmentationDataset, config: TrainConfig, gains: LossGains, device: torch.device
) -> Validate:
    """The usual validation: a network there -> its figures on `dataset`, and a row with them and the mean losses."""
    figures_config = ValidateConfig(imgsz=config.imgsz, batch=config.batch, mask_targets=config.mask_targets)
    workers = min(config.workers, len(dataset) // 100)
    loader = build_loader(dataset, config.batch, workers, pin_memory=device.type == "cuda")

    def run(network: YOLO11Seg) -> tuple[Metrics, dict[str, float]]:
        network = fuse(network)
        terms: list[Tensor] = []  # (4,) of every run of the network
        coming: dict[str, Tensor] = {}  # targets of the batch's images that the network has not seen yet

        def batches() -> Iterator[dict]:
            for batch in loader:
                targets = {name: value for name, value in batch.items() if isinstance(value, Tensor)}
                coming.update({name: value.to(device) for name, value in targets.items() if name != "images"})
                yield batch

        def forward(images: Tensor) -> tuple[Tensor, Tensor]:
            raw = network(images)
            here = coming["image_index"] < len(images)  # a batch may come in several pieces
            terms.append(segmentation_loss(raw, {name: value[here] for name, value in coming.items()}, gains)[1])
            coming.update({name: value[~here] for name, value in coming.items()})
            coming["image_index"] -= len(images)
            return decode(raw, *images.shape[2:]), raw.prototypes

        metrics = validate(forward, batches(), dataset, dataset.names, figures_config, device)
        losses = {f"val/{term}_loss": loss for term, loss in zip(TERMS, torch.stack(terms).mean(dim=0).tolist())}
        return metrics, {**dict(zip(metrics.keys, metrics.mean_results())), **losses}

    return run


def train_one_epoch(
    network: nn.Module,
    average: nn.Module,
    batches: Iterable[dict],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    plan: Plan,
    iteration: int,
    updates: int,
    gains: LossGains,
    dtype: torch.dtype | None,
    teacher: Teacher | None = None,
) -> tuple[Tensor, int]:
    """One pass over `batches` -> mean loss terms of this process's batches, and optimiser steps so far.

    iteration: batches of earlier epochs; updates: optimiser steps of earlier epochs; dtype: for autocast, None is
    float32; teacher: what keeps known classes, with three terms more. An epoch ends with a step, whatever has been
    accumulated by then, so nothing lives from epoch to epoch but weights, average and optimiser. Nothing but the loss
    waits for the device before the epoch ends.
    """
    bare = network.module if isinstance(network, DistributedDataParallel) else network
    device = next(bare.parameters()).device
    total, waiting = torch.zeros(len(TERMS) + (len(KEEP_TERMS) if teacher else 0), device=device), 0
    rehearsed = teacher.rehearsal.batches(iteration) if teacher else None
    for index, batch in enumerate(batches, start=1):
        settings = settings_at(plan, iteration + index - 1)
        apply_settings(optimizer, settings)
        waiting += 1
        step = waiting >= settings.accumulate or index == plan.iterations
        images, targets = to_device(batch, device)
        new = len(images)
        if teacher:
            images = torch.cat((images, next(rehearsed)))
        alone = contextlib.nullcontext() if step or network is bare else network.no_sync()
        with alone:
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                raw = network(images)
                if teacher:
                    told = teacher.ask(images if teacher.looks_at_new(iteration + index) else images[new:])
            if teacher:
                loss, terms = teacher.loss(raw, told, targets, gains, new)
            else:
                loss, terms = segmentation_loss(raw, targets, gains)
            scaler.scale(loss).backward()
        total += terms
        if step:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(bare.parameters(), MAX_GRADIENT_NORM)
            with teacher.quiet_step(bare) if teacher else contextlib.nullcontext():
                scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            updates, waiting = updates + 1, 0
            update_average(average, bare, average_decay(plan.average, updates, total_steps(plan)))
    return total / plan.iterations, updates


def to_device(batch: dict, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
    """A batch of the loader -> images (B, 3, H, W) float in 0..1, and the targets, on the device."""
    targets = {name: value for name, value in batch.items() if isinstance(value, Tensor) and name != "images"}
    pinned = device.type == "cuda"
    moved = {name: value.to(device, non_blocking=pinned) for name, value in targets.items()}
    return place(batch["images"], device).float() / 255, moved


def autocast_dtype(amp: bool | str, device: torch.device) -> torch.dtype | None:
    """The number format of `amp` on a device; None is float32, also for "bf16" on a processor without such units."""
    if amp == "bf16":
        return torch.bfloat16 if device.type != "cpu" or has_bf16_units() else None
    if not amp or device.type != "cuda":
        return None
    # Before compute capability 8, bf16 exists but is emulated.
    return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16


def has_bf16_units() -> bool:
    """Whether this processor computes in bf16 itself.

    PyTorch also says yes where oneDNN emulates it with AVX-512, in twice the time of float32, and where it knows no
    backward pass (AVX2: pytorch issue 148861). On other processors than x86 its answer is all there is.
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # older PyTorch does not tell
    return asked is not None and asked()


def freeze(network: YOLO11Seg, layers: int | list | None) -> list[nn.Module]:
    """Stop the weights of layers from learning, and return the layers, whose statistics should rest as well."""
    numbers, count = set(range(layers) if isinstance(layers, int) else layers or ()), len(network.model)
    if not numbers <= set(range(count)) or len(numbers) == count:
        raise SeglabError(
            f"freeze={layers}: the model has layers 0 to {count - 1}, of which some must be left to learn"
        )
    chosen = [network.model[index] for index in sorted(numbers)]
    for layer in chosen:
        layer.requires_grad_(False)
    return chosen


def norms(network: nn.Module) -> list[nn.Module]:
    """The batch normalizations of a network, whose statistics `freeze_bn` keeps as they are."""
    return [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def is_finite(network: nn.Module) -> bool:
    """Whether all weights and statistics are finite numbers; the device is asked once."""
    tensors = [t for t in network.state_dict().values() if t.is_floating_point()]
    return bool(torch.stack(torch._foreach_norm(tensors)).isfinite().all())


@contextlib.contextmanager
def deterministic(on: bool) -> Iterator[None]:
    """Ask torch for algorithms that repeat bit for bit, where it has one; afterwards things are as before."""
    before = torch.get_deterministic_debug_mode(), torch.utils.deterministic.fill_uninitialized_memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Like use_deterministic_algorithms(on, warn_only=True), which imports torch's compiler: seconds on the CPU.
    torch.set_deterministic_debug_mode("warn" if on else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing reads what it has not written
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        torch.utils.deterministic.fill_uninitialized_memory = before[1]


def draw_batches(loader: Iterable[dict], folder: Path) -> None:
    """Write train_batch0.jpg to train_batch2.jpg: what the network is shown."""
    for index, batch in enumerate(itertools.islice(loader, 3)):
        write_image(folder / f"train_batch{index}.jpg", batch_mosaic(batch, loader.dataset.names))


def draw_predictions(model: YOLO11Seg, spec: DatasetSpec, imgsz: int, mask_targets: str, folder: Path) -> None:
    """Write val_pred.jpg: what the model finds on the first 16 validation pictures."""

    def forward(images: Tensor) -> tuple[Tensor, Tensor]:
        raw = model(images)
        return decode(raw, *images.shape[2:]), raw.prototypes

    device = next(model.parameters()).device
    config = PredictConfig(imgsz=imgsz, mask_targets=mask_targets, device=device)
    found = predict(forward, list(spec.images("val")[:16]), config, spec.names)
    write_image(folder / "val_pred.jpg", contact_sheet([result.plot()[..., ::-1] for result in found]))


def _folder(config: TrainConfig) -> Path:
    if config.resume:
        return run_folder(config.resume)
    return new_folder("train", config.project, config.name, config.exist_ok)
