"""A training run: set-up, the loop over epochs with a validation after each, and the finish with the best weights."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from seglab.config import TrainConfig, ValidateConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import BatchLoader, build_loader, start_epoch
from seglab.data.summary import announce_split
from seglab.datasets.spec import DatasetSpec
from seglab.device import autocast_dtype, choose_device, deterministic, memory_format
from seglab.errors import SeglabError, reading
from seglab.evaluation.metrics import Metrics
from seglab.events import SILENT, Events
from seglab.files import new_run_dir, sole_process
from seglab.formats.issues import Issue, write_rest
from seglab.memory import keep_freed_memory
from seglab.model.compiling import compile_network
from seglab.model.weights import load_weights
from seglab.model.yolo11 import YOLO11Seg
from seglab.training.arguments import flatten, run_folder, write_arguments
from seglab.training.batch_size import with_batch_that_fits
from seglab.training.checkpoint import (
    ANEW,
    BEST,
    LAST,
    RESUME,
    CheckpointWriter,
    Progress,
    capture,
    check_optimizer_state,
    ema_state,
    read_state,
    restore,
)
from seglab.training.distributed import (
    Process,
    broadcast_object,
    broadcast_weights,
    join,
    mean,
    share_batch_statistics,
)
from seglab.training.engine import Learner, is_finite, train_one_epoch
from seglab.training.freezing import batch_norms, freeze
from seglab.training.keep import STATE as TEACHER
from seglab.training.keep import Knowledge, Teacher, labeled_classes, old_images, read_teacher, write_teacher
from seglab.training.loss import LossGains
from seglab.training.optim import Plan, describe, make_optimizer, make_plan
from seglab.training.recipes import SCRATCH, Start
from seglab.training.report import describe_gain, describe_weights, draw_batches, draw_labels, draw_results
from seglab.training.rows import Row
from seglab.training.run_log import RunLogger, SilentLogger, epoch_line, make_row
from seglab.training.validation import Validate, make_validate

MAX_RESTARTS = 3
LOCK = ".lock"  # in a run folder, while a training writes to it
WORKER = "DataLoader worker"  # what PyTorch says of an error in a process that loads data
SECONDS_PER_HOUR = 3600
CLASS_LOSS = "val/cls_loss"  # a column of results.csv
CLEARLY_LOWER = 0.9  # on photos that weights know it is at least .97 of the start's, on drawings .65 (decision 0015)


class NonFiniteLoss(SeglabError):
    """A training that went wrong by its settings: those who compare settings go on with others."""


class TrainResult(NamedTuple):
    """What is left of a run. Processes other than the first have no metrics and an empty history."""

    folder: Path
    best: Path  # weights of the epoch of best fitness
    last: Path  # weights of the last epoch; not written with save=False
    metrics: Metrics | None  # of the best weights
    history: list[Row]  # the rows of results.csv
    config: TrainConfig  # as it was in the end: a trial may have changed it
    mask_targets: str = "soft"  # soft or hard, what the best weights learned from
    run: Run | None = None  # what it was made by


@dataclass
class Run:
    """A run while it goes on: what set-up makes, the epochs change and the finish reads."""

    config: TrainConfig
    process: Process
    folder: Path
    spec: DatasetSpec
    dataset: SegmentationDataset  # of the training images
    loader: BatchLoader
    plan: Plan
    learner: Learner
    progress: Progress
    good: dict[str, Tensor]  # all that training changes, as it was after the last epoch of finite numbers
    began: float  # when, by the clock of `time.monotonic`; of a resumed run as if it had never been cut
    logger: RunLogger
    checkpoints: CheckpointWriter
    validated: SegmentationDataset | None  # the validation images; None with another validation than the usual one
    validate_as: Callable[[str], Validate]  # soft or hard, what a network has learned from -> how it is validated
    best_metrics: Metrics | None = None  # of the best weights; None where a resumed run has not bettered them
    stopped: bool = False  # by patience
    events: Events = SILENT
    first_epoch: int = 0  # of this run, which may resume another; counted from 0
    epoch: int = -1  # that is under way, or was last; counted from 0
    metrics: Metrics | None = None  # of the last validation

    def tell(self, event: str) -> None:
        """Call what the user wants called at an event; in the first process only."""
        if self.process.is_main:
            self.events.tell(event, self)


def train(
    model: YOLO11Seg,
    spec: DatasetSpec,
    config: TrainConfig,
    validation: Validate | None = None,
    license: str = "unknown",
    start: Start = SCRATCH,
    knowledge: Knowledge | None = None,
    fallback: Mapping[str, Any] | None = None,
    events: Events = SILENT,
) -> TrainResult:
    """Train `model`, which holds the best averaged weights in the end, on the dataset's `train` split.

    After every epoch the averaged weights are validated on `val` (`validation` replaces how). Under torchrun every
    process calls this with the same arguments. license: of the weights it starts from, which what is learned inherits;
    start: what these know of the data. Weights that know something are validated before the first epoch too, and are
    the best ones until an epoch is better; knowledge: which classes these know, of a run that is to keep them
    (`keep=True`). fallback: settings of the optimizer by flat name that make the first epoch a trial: unless it is
    better than the validated start, the run goes back there and begins again with them; events: what to call on the
    way, with the Run.
    Errors: SeglabError for a model of another number of classes, a run that cannot be resumed, numbers that stay
    non-finite.
    """
    if model.classes != len(spec.names):
        raise SeglabError(
            f"the model has {model.classes} classes and the data {len(spec.names)}: build a model with "
            f"{len(spec.names)} classes"
        )
    for split in ("train",) if validation else ("train", config.split):
        spec.images(split)  # there are some, before anything is made or looked through
    with deterministic(config.deterministic), contextlib.ExitStack() as stack:
        process = join(choose_device(config.device))
        if process.device.type == "cpu":
            keep_freed_memory()
        config = with_batch_that_fits(model, spec, config, process)
        run = set_up(model, spec, config, process, stack, validation, license, start, knowledge, fallback or {}, events)
        try:
            with telling_how_to_resume(run):
                train_epochs(run)
                return finish(run)._replace(run=run)
        finally:
            run.learner.parallel = None  # whoever keeps the run would keep the group's threads with it


@contextlib.contextmanager
def telling_how_to_resume(run: Run) -> Iterator[None]:
    """Within, what stops a run from outside ends in one sentence that says how to resume.

    Errors: SeglabError for a full disk, an image that has vanished, a worker process that was killed. KeyboardInterrupt
    stays one, with the sentence as its text, and the model holds the averaged weights of the last finished epoch.
    """
    try:
        yield
    except KeyboardInterrupt as interruption:
        run.learner.average.load_state_dict(ema_state(run.good))
        held = f"the weights of epoch {run.progress.epoch}" if run.progress.epoch else "its starting weights"
        interruption.args = (f"interrupted in epoch {run.epoch + 1}: the model has {held}{how_to_resume(run)}",)
        raise
    except (OSError, SeglabError, RuntimeError) as error:
        came_from_worker = WORKER in str(error)
        if not isinstance(error, OSError) and not came_from_worker:
            raise
        # A worker's error comes with its traceback, the error itself last.
        reason = str(error).strip().splitlines()[-1] if came_from_worker else str(error)
        reason = re.sub(r"^[\w.]*(Error|Exception): ", "", reason)
        remedy = how_to_resume(run) or "; fix this, and start the training again"
        raise SeglabError(f"the training stopped in epoch {run.epoch + 1} ({reason}){remedy}") from error


def how_to_resume(run: Run) -> str:
    """What to type to resume, as the end of a sentence; "" where nothing has been saved yet."""
    if not (run.folder / RESUME).is_file():
        return ""
    return f"; resume with: seglab train resume={shlex.quote(str(run.folder))}"


# --- set-up ---


def set_up(
    model: YOLO11Seg,
    spec: DatasetSpec,
    config: TrainConfig,
    process: Process,
    stack: contextlib.ExitStack,
    validation: Validate | None,
    license: str,
    start: Start,
    knowledge: Knowledge | None,
    fallback: Mapping[str, Any],
    events: Events,
) -> Run:
    """Everything that stands before the first epoch. `model` becomes the learner's average.

    stack: holds the run's folder for this training alone until it is closed.
    """
    # Data first: all of it is looked through before anything is made.
    gains = LossGains.from_arguments(flatten(config))
    dataset = open_split(spec, "train", config, augment=config.augment, seed=config.seed, rect=config.rect)
    validated: SegmentationDataset | None = None
    if validation is None:
        validated = open_split(spec, config.split, config, rect=ValidateConfig.rect)
    told = events if process.is_main else SILENT
    validate_as = open_validation(validated, config, gains, process, validation, told)
    folder = broadcast_object(process, own_run_dir(config, stack) if process.is_main else None)
    loader = make_loader(dataset, config, process)
    plan = make_plan(config, len(dataset), len(loader), model.classes)

    # Then the networks: `average` is what users get, and training happens in a copy.
    average = model.to(process.device).to(memory_format=memory_format(process.device)).eval()
    broadcast_weights(average, process)
    arguments = {**flatten(config), "data": spec.source}
    teacher = None
    if config.keep:
        teacher, knowledge = make_teacher(average, dataset, config, process, folder, knowledge)
        arguments["old_data"] = list(knowledge.data)
    learner = make_learner(average, config, process, plan, gains, teacher)

    # Then where the run stands.
    progress = Progress(scaler=learner.scaler.state_dict(), fallback=dict(fallback))
    if config.resume:
        progress = resume(learner, folder)
    progress.start_mask_targets = progress.start_mask_targets or start.mask_targets
    good = capture(learner.network, learner.average, learner.optimizer)
    if process.world > 1:
        learner.parallel = DistributedDataParallel(share_batch_statistics(learner.network, process))
    if config.freeze_bn or config.keep:
        learner.resting += batch_norms(learner.network)
    seconds_before = progress.history[-1]["time"] if progress.history else 0.0

    # What every file of weights says about itself, and the state that the loop works on.
    metadata = {"names": spec.names, "scale": model.scale, "train_args": arguments, "license": license}
    run = Run(
        config=config,
        process=process,
        folder=folder,
        spec=spec,
        dataset=dataset,
        loader=loader,
        plan=plan,
        learner=learner,
        progress=progress,
        good=good,
        began=time.monotonic() - seconds_before,
        logger=SilentLogger(),
        checkpoints=CheckpointWriter(folder, metadata, config.save, config.save_period),
        validate_as=validate_as,
        validated=validated,
        events=events,
        first_epoch=progress.epoch,
    )
    learner.tell = run.tell
    run.checkpoints.at_every_epoch = events.awaits("on_model_save")  # whoever is told of files finds them
    run.tell("on_pretrain_routine_start")
    # One process talks and writes; the others compute.
    if process.is_main:
        run.logger = RunLogger(folder, config.epochs, progress.epoch, config.verbose)
        issues = dataset.issues + (validated.issues if validated else [])
        announce(run, list(dict.fromkeys(issues)))  # both splits may be one folder
    begin(run, start)
    run.tell("on_pretrain_routine_end")
    return run


def open_split(spec: DatasetSpec, split: str, config: TrainConfig, **options: Any) -> SegmentationDataset:
    """A split as the run wants it, whether to learn from or to compare with."""
    dataset = SegmentationDataset(
        spec,
        split,
        config.imgsz,
        mask_targets=config.mask_targets,
        overlap=config.overlap_mask,
        mask_ratio=config.mask_ratio,
        strict=config.strict,
        cache=config.cache,
        reading=config.reading,
        **options,
    )
    announce_split(dataset, config.allow_empty)
    return dataset


def open_validation(
    dataset: SegmentationDataset | None,
    config: TrainConfig,
    gains: LossGains,
    process: Process,
    given: Validate | None,
    events: Events = SILENT,
) -> Callable[[str], Validate]:
    """How to validate networks on `dataset`, by the mask targets they have learned from.

    given: the caller's own validation, which is then the only one; there is no dataset then.
    """
    if given is not None:
        return lambda mask_targets: given
    assert dataset is not None
    return functools.cache(functools.partial(make_validate, dataset, config, gains, process, events=events))


def make_run_dir(config: TrainConfig) -> Path:
    """The folder of a new run, or that of the run to resume."""
    if config.resume:
        return run_folder(config.resume)
    return new_run_dir("train", config.project, config.name, config.exist_ok)


def own_run_dir(config: TrainConfig, stack: contextlib.ExitStack) -> Path:
    """`make_run_dir`, for this training alone until the stack is closed. Errors: SeglabError where another writes."""
    folder = make_run_dir(config)
    if folder.is_dir():
        busy = f"another training writes to {folder}: wait for its end, or give this one another name="
        stack.enter_context(sole_process(folder / LOCK, busy))
    return folder


def make_loader(dataset: SegmentationDataset, config: TrainConfig, process: Process) -> BatchLoader:
    """The training images in batches, of this process."""
    return build_loader(
        dataset, int(config.batch), config.workers, True, config.seed, process.rank, process.world,
        pin_memory=process.device.type == "cuda",
    )  # fmt: skip


def make_teacher(
    average: YOLO11Seg,
    dataset: SegmentationDataset,
    config: TrainConfig,
    process: Process,
    folder: Path,
    knowledge: Knowledge | None,
) -> tuple[Teacher, Knowledge]:
    """The weights that the run starts from as a teacher, and what they know. A resumed run reads both from `folder`."""
    network = copy.deepcopy(average)
    if config.resume:
        knowledge = read_teacher(folder, network)
    if knowledge is None:
        raise SeglabError("keep=True needs to know the model's classes: use YOLO(...).train(keep=True)")
    teacher = Teacher(network, knowledge, labeled_classes(dataset), old_images(knowledge, config, process))
    if process.is_main and not config.resume:
        write_teacher(folder, network, knowledge)
    return teacher, knowledge


def make_learner(
    average: YOLO11Seg,
    config: TrainConfig,
    process: Process,
    plan: Plan,
    gains: LossGains,
    teacher: Teacher | None,
) -> Learner:
    """A copy of the weights that learns, with its optimizer."""
    network = copy.deepcopy(average)
    frozen = freeze(network, config.freeze)
    if config.compile:
        compile_network(network, config.compile)
    dtype = autocast_dtype(config.amp, process.device)
    return Learner(
        network=network,
        average=average,
        optimizer=make_optimizer(network, plan),
        scaler=make_scaler(dtype, process.device),
        gains=gains,
        dtype=dtype,
        teacher=teacher,
        resting=frozen,
        multi_scale=config.multi_scale,
        seed=config.seed,
    )


def make_scaler(dtype: torch.dtype | None, device: torch.device) -> torch.amp.GradScaler:
    """Only fp16 needs one that does something."""
    return torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)


def resume(learner: Learner, folder: Path) -> Progress:
    """Put the learner back to where the run in `folder` was cut, and return how far that was."""
    tensors, progress = read_state(folder)
    with reading(folder / RESUME, "the state of a run with this model and these settings", ANEW):
        restore(tensors, learner.network, learner.average, learner.optimizer)
        check_optimizer_state(learner.optimizer)
    if progress.scaler:  # empty where the run began without one: on a CPU, or a GPU that has bf16
        learner.scaler.load_state_dict(progress.scaler)
    return progress


def announce(run: Run, issues: list[Issue]) -> None:
    """Say and write down what the run is, before its first epoch."""
    write_arguments(run.folder, run.config, run.spec.source)
    if listing := write_rest(issues, run.folder / "issues.csv"):
        run.logger.say(f"  all issues: {listing}")
    formats: dict[torch.dtype | None, str] = {
        torch.bfloat16: " in bf16 (amp=False: in float32)",
        torch.float16: " in fp16 (amp=False: in float32)",
    }
    run.logger.say(describe(run.plan, run.config))
    how = formats.get(run.learner.dtype, "")
    run.logger.say(f"{len(run.dataset)} training images{how}, results in {run.folder}")


def begin(run: Run, start: Start) -> None:
    """Before the first epoch: validate weights that know something, and write what there is to resume from."""
    config = run.config
    progress = run.progress
    if config.val and not (start.scratch or config.resume):
        metrics, columns = validate_average(run, start.mask_targets)
        if metrics is not None:
            run.best_metrics = metrics
            progress.best_fitness = metrics.fitness
            progress.history.append({"epoch": 0, "time": seconds_since(run), **columns})
            run.logger.log(progress.history)
    if progress.epoch == 0 and run.process.is_main:
        run.checkpoints.begin(run.good, progress)
        if config.plots:
            draw_batches(run.loader, run.dataset.names, run.folder)
            draw_labels(run.dataset, run.folder)


# --- the epochs ---


def train_epochs(run: Run) -> None:
    """The loop. An epoch whose numbers are not finite is taken back and restarted; one on trial may be taken back."""
    progress = run.progress
    run.tell("on_train_start")
    while progress.epoch < run.config.epochs and not run.stopped:
        # An epoch that is taken back and begun again is one epoch to those who are told.
        if run.epoch != progress.epoch:
            run.epoch = progress.epoch
            run.tell("on_train_epoch_start")
        fits = True
        try:
            losses, updates = run_epoch(run)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            fits = False  # what the epoch held is let go of when this block ends
        if not fits:
            halve_batch(run)
            continue
        finite = all(map(math.isfinite, losses.values())) and is_finite(run.learner.network)
        on_trial = is_on_trial(run)
        if not finite and not on_trial:
            restart_epoch(run)
            continue
        if not on_trial:
            run.tell("on_train_epoch_end")

        # All processes validate, and the first one knows what they found.
        metrics: Metrics | None = None
        columns: Row = {}
        if finite and run.config.val:
            metrics, columns = validate_average(run, run.config.mask_targets)
        if on_trial and not passes_trial(run, metrics, columns):
            fall_back(run, losses, columns)
            continue
        if on_trial:
            run.tell("on_train_epoch_end")

        progress.epoch += 1
        progress.updates = updates
        progress.scaler = run.learner.scaler.state_dict()
        run.good = capture(run.learner.network, run.learner.average, run.learner.optimizer)
        if run.process.is_main:
            end_epoch(run, losses, metrics, columns)
            run.tell("on_fit_epoch_end")
        run.stopped = broadcast_object(run.process, run.stopped)
        if run.config.time:
            keep_to_time(run, run.config.time)


def run_epoch(run: Run) -> tuple[Row, int]:
    """One epoch -> means of the loss terms over all processes, by name, and optimizer steps so far."""
    config = run.config
    progress = run.progress
    epoch = progress.epoch
    torch.manual_seed(config.seed + epoch)  # whatever may draw from it draws the same after a resume
    start_epoch(run.loader, epoch)
    run.dataset.mosaic = epoch < config.epochs - config.close_mosaic
    plan = replace(run.plan, lr=run.plan.lr / 2**progress.restarts)
    batches: Iterable[dict] = run.logger.progress_bar(run.loader, f"epoch {epoch + 1}/{config.epochs}")
    if config.time and run.process.world == 1:  # several processes must agree, which they do after every epoch
        batches = until(batches, run.began + config.time * SECONDS_PER_HOUR)
    terms, updates = train_one_epoch(run.learner, batches, plan, epoch, progress.updates)
    means = mean(run.process, torch.stack(list(terms.values())))
    return dict(zip(terms, means.tolist())), updates


def until(batches: Iterable[dict], deadline: float) -> Iterator[dict]:
    """The batches, at least one, as long as the clock of `time.monotonic` has not reached `deadline`."""
    for batch in batches:
        yield batch
        if time.monotonic() >= deadline:
            return


def keep_to_time(run: Run, hours: float) -> None:
    """After an epoch: as many epochs as fit into the time, going by those so far; the learning rates follow.

    The first process decides for all.
    """
    done = run.progress.epoch
    seconds = time.monotonic() - run.began
    left = max(hours * SECONDS_PER_HOUR - seconds, 0.0)
    epochs = broadcast_object(run.process, done + int(left / (seconds / done)))
    if epochs == run.config.epochs:
        return
    run.config = replace(run.config, epochs=epochs)
    run.plan = replace(run.plan, epochs=epochs, warmup=min(run.plan.warmup, epochs * run.plan.iterations - 1))
    if epochs == done:
        run.logger.say(f"time={hours:g}: the time is up after epoch {done}")
    elif done == 1:
        run.logger.say(f"time={hours:g}: about {epochs} epochs fit, at {seconds:.1f} s each")


def restart_epoch(run: Run) -> None:
    """Go back to the state before an epoch of non-finite numbers, and halve the learning rate.

    Errors: NonFiniteLoss after MAX_RESTARTS of them.
    """
    progress = run.progress
    number = progress.epoch + 1
    if progress.restarts == MAX_RESTARTS:
        raise NonFiniteLoss(
            f"non-finite loss in epoch {number}, even at 1/{2**MAX_RESTARTS} of the learning rate: "
            "give a lower lr0 or amp=False, and check images and labels"
        )
    progress.restarts += 1
    restore(run.good, run.learner.network, run.learner.average, run.learner.optimizer)
    run.logger.say(f"non-finite loss in epoch {number}: restarting it at half the learning rate")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the device, or of this machine, did not suffice."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return any(words in str(error) for words in ("can't allocate memory", "not enough memory", "out of memory"))


def halve_batch(run: Run) -> None:
    """After an epoch that did not fit into memory: begin it again with half as many images a batch.

    The steps stay as long where nbs lets them: gradients of more batches are accumulated.
    Errors: SeglabError for a batch of one image, and among several processes, of which the others wait.
    """
    config = run.config
    learner = run.learner
    batch = int(config.batch) // 2
    if run.process.world > 1 or batch < 1:
        raise SeglabError(
            f"out of memory in epoch {run.progress.epoch + 1} with batch={config.batch}: give a smaller batch, imgsz "
            f"or model{how_to_resume(run)}"
        )
    run.config = replace(config, batch=batch)
    run.loader = make_loader(run.dataset, run.config, run.process)
    run.plan = make_plan(run.config, len(run.dataset), len(run.loader), learner.network.classes)
    learner.optimizer = make_optimizer(learner.network, run.plan)
    learner.scaler = make_scaler(learner.dtype, learner.device)
    learner.network.zero_grad()
    restore(run.good, learner.network, learner.average, learner.optimizer)
    if learner.device.type == "cuda":
        torch.cuda.empty_cache()
    write_arguments(run.folder, run.config, run.spec.source)
    run.checkpoints.metadata["train_args"] |= flatten(run.config)
    run.logger.say(f"out of memory in epoch {run.progress.epoch + 1}: restarting it with batch={batch}")


def validate_average(run: Run, mask_targets: str) -> tuple[Metrics | None, Row]:
    """Metrics of the averaged weights, and columns for results.csv, in the first process; None, {} in the others.

    All processes take part in the usual validation, whose images they share, and the first one alone in a caller's own.
    mask_targets: what the weights have learned from.
    """
    takes_part = run.process.is_main or run.validated is not None
    metrics, columns = run.validate_as(mask_targets)(run.learner.average) if takes_part else (None, {})
    return (metrics, columns) if run.process.is_main else (None, {})


def end_epoch(run: Run, losses: Row, metrics: Metrics | None, columns: Row) -> None:
    """After an epoch: log its row, write weights, and see whether to stop. metrics: None without validation."""
    config = run.config
    progress = run.progress
    run.metrics = metrics
    better = True  # without validation the last weights are the result
    if metrics:
        better = metrics.fitness > progress.best_fitness or metrics.fitness == 0  # 0: nothing learned yet
        progress.best_fitness = max(progress.best_fitness, metrics.fitness)
    if better:
        progress.best_epoch = progress.epoch - 1
        run.best_metrics = metrics
    rates = [group["lr"] for group in run.learner.optimizer.param_groups]
    progress.history.append(make_row(progress.epoch, seconds_since(run), losses, columns, rates))
    run.logger.log(progress.history)
    if run.checkpoints.add(run.good, progress, better):
        run.tell("on_model_save")
    epochs_since_best = progress.epoch - 1 - progress.best_epoch
    run.stopped = run.stopped or 0 < config.patience <= epochs_since_best


def seconds_since(run: Run) -> float:
    """Seconds since the run began."""
    return round(time.monotonic() - run.began, 3)


# --- the trial of the first epoch ---


def is_on_trial(run: Run) -> bool:
    """Whether the first epoch, to come or just trained, is one that may be taken back.

    A run that was cut while it fell back has the new settings already, beside a state from before.
    """
    fallback = run.progress.fallback
    return run.progress.epoch == 0 and any(getattr(run.config, name) != value for name, value in fallback.items())


def passes_trial(run: Run, metrics: Metrics | None, columns: Row) -> bool:
    """Whether the weights of the epoch on trial are clearly better than the start. metrics: None if not finite.

    Both have to say so: the fitness, which a few images make uncertain, and the class loss on the same images, which is
    less so. The first process decides for all.
    """
    passed = metrics is not None and metrics.fitness > run.progress.best_fitness
    if passed and CLASS_LOSS in columns:
        passed = columns[CLASS_LOSS] < CLEARLY_LOWER * run.progress.history[0][CLASS_LOSS]
    passed = broadcast_object(run.process, passed)
    if passed:
        run.logger.say("larger steps are better than the start: training continues with them")
    return passed


def fall_back(run: Run, losses: Row, columns: Row) -> None:
    """Go back to the start, and begin again with the settings that the run has in reserve.

    losses, columns: of the epoch that was tried. It is told, but no row of results.csv: its weights lead nowhere.
    """
    progress = run.progress
    learner = run.learner
    tried = make_row(1, seconds_since(run), losses, columns, rates=[])
    run.config = replace(run.config, **progress.fallback)
    run.plan = make_plan(run.config, len(run.dataset), len(run.loader), learner.network.classes)
    progress.fallback = {}
    progress.restarts = 0

    # Everything that an epoch changes is as it was; the optimizer is another one.
    learner.optimizer = make_optimizer(learner.network, run.plan)
    learner.scaler = make_scaler(learner.dtype, learner.device)
    restore(run.good, learner.network, learner.average, learner.optimizer)

    # The state that says so comes after the arguments that a resumed run reads (see `is_on_trial`).
    if run.process.is_main:
        run.logger.say(
            f"{epoch_line(tried, run.config.epochs)}: not clearly better than the start, which training goes back to"
        )
        run.logger.say(describe(run.plan, run.config))
        write_arguments(run.folder, run.config, run.spec.source)
        run.checkpoints.metadata["train_args"] |= flatten(run.config)
        run.checkpoints.begin(run.good, progress)


# --- the finish ---


def finish(run: Run) -> TrainResult:
    """Load the best weights into the model, and leave their metrics and images in the folder."""
    process = run.process
    best, last = run.folder / BEST, run.folder / LAST
    result = TrainResult(run.folder, best, last, None, [], run.config, run.config.mask_targets)

    # The best weights of a resumed run, or of one without validation, have no metrics yet: all processes find them.
    mask_targets = load_best(run, best) if process.is_main else ""
    mask_targets, are_known = broadcast_object(process, (mask_targets, run.best_metrics is not None))
    if not are_known:
        broadcast_weights(run.learner.average, process)
        run.best_metrics, _ = validate_average(run, mask_targets)

    if process.is_main:
        result = conclude(run, result, mask_targets)
    broadcast_object(process, None)  # the others wait for the files
    return result


def load_best(run: Run, best: Path) -> str:
    """Write the last files, and put the best weights into the model; gives the mask targets they have learned from."""
    config = run.config
    progress = run.progress
    run.checkpoints.end(run.good, progress)
    run.logger.close(progress.history)
    (run.folder / TEACHER).unlink(missing_ok=True)  # what a resumed run would have read

    if run.stopped:
        name = best_name(progress)
        run.logger.say(f"stopping early: no improvement since {name} (patience={config.patience})")

    # The best weights may be those of the start, which may have learned from other mask targets than this run's.
    weights = load_weights(best)
    run.learner.average.load_state_dict(weights.state)
    return weights.metadata["train_args"]["mask_targets"]


def best_name(progress: Progress) -> str:
    """Where the best weights are from, in words."""
    return f"epoch {progress.best_epoch + 1}" if progress.best_epoch >= 0 else "the start"


def conclude(run: Run, result: TrainResult, mask_targets: str) -> TrainResult:
    """What the first process says and draws in the end. mask_targets: what the best weights have learned from."""
    config = run.config
    progress = run.progress
    metrics = run.best_metrics
    assert metrics is not None  # the best weights have been validated by now
    metrics.save_dir = run.folder
    run.metrics = metrics
    run.tell("on_fit_epoch_end")
    run.logger.say(f"best weights: {best_name(progress)}, in {result.best}")
    metrics.show()
    if gain := describe_gain(progress.history, progress.best_epoch + 1, config, run.plan.lr):
        run.logger.say(gain)
    if config.plots:
        draw_results(run.learner.average, run.validated, metrics, config, mask_targets, run.folder)
    run.tell("on_train_end")
    run.logger.say(describe_weights(result.best))
    run.tell("teardown")
    return result._replace(metrics=metrics, history=progress.history, mask_targets=mask_targets)
