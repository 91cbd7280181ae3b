"""What functions added with `YOLO.add_callback` are given: the attributes that such functions read, over seglab's own
state of a run. The objects live as long as their run, so a function may keep values of its own on them.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from seglab.compat.arguments import DEFAULTS
from seglab.events import Events
from seglab.inference.sources import VIDEO_SUFFIXES
from seglab.sizes import as_size

if TYPE_CHECKING:
    from seglab.evaluation.metrics import Metrics
    from seglab.evaluation.validate import Validation
    from seglab.inference.results import Results
    from seglab.inference.tracking import Tracker
    from seglab.training.trainer import Run

METRIC_COLUMNS = ("metrics/", "val/")  # how the columns of results.csv begin that `Trainer.metrics` has


def every_argument(mode: str, own: dict[str, Any]) -> SimpleNamespace:
    """The arguments of a run by name, with all that ultralytics has: those that seglab lacks at their defaults."""
    return SimpleNamespace(**{**DEFAULTS, **own, "task": "segment", "mode": mode})


class View:
    """What callbacks get: names that it lacks end in a sentence."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        known = ", ".join(word for word in dir(self) if not word.startswith("_"))
        raise AttributeError(f"the {type(self).__name__.lower()} of a callback has no {name}: it has {known}")


class Trainer(View):
    """A training run, for callbacks and as `YOLO.trainer`. model: what was trained, as it was opened."""

    def __init__(self, run: Run, model: str | None = None):
        self._run = run
        self._model = model
        self.start_epoch = run.first_epoch
        self.plots: dict[Path, Any] = {}

    @property
    def args(self) -> SimpleNamespace:
        """The arguments of the run by name."""
        from seglab.training.arguments import flatten

        about = {"model": self._model, "data": self._run.spec.source, "save_dir": self.save_dir}
        return every_argument("train", {**flatten(self._run.config), **about})

    # Where the run stands

    @property
    def epoch(self) -> int:
        """The epoch that is under way, or was last; counted from 0."""
        return max(self._run.epoch, self.start_epoch)

    @property
    def epochs(self) -> int:
        return self._run.config.epochs

    @property
    def stop(self) -> bool:
        """Whether the run ends with this epoch; a callback may set it."""
        return self._run.stopped

    @stop.setter
    def stop(self, value: bool) -> None:
        self._run.stopped = bool(value)

    @property
    def fitness(self) -> float | None:
        """Of the last validation: mAP50-95 of boxes and masks together."""
        return None if self._run.metrics is None else self._run.metrics.fitness

    @property
    def best_fitness(self) -> float | None:
        """The highest so far, None before the first validation."""
        best = self._run.progress.best_fitness
        return best if best >= 0 else None

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics and losses of the last validation, by the names of results.csv."""
        return {name: value for name, value in self.row.items() if name.startswith(METRIC_COLUMNS)}

    @property
    def row(self) -> dict[str, float]:
        """The last row of results.csv; empty before the first."""
        history = self._run.progress.history
        return dict(history[-1]) if history else {}

    @property
    def validator(self) -> SimpleNamespace:
        """The last validation's metrics."""
        return SimpleNamespace(metrics=self._run.metrics)

    # Losses and learning rates

    @property
    def loss_names(self) -> tuple[str, ...]:
        from seglab.training.loss import TERMS

        return tuple(f"{name}_loss" for name in (self._run.learner.terms or TERMS))

    @property
    def loss_items(self) -> dict[str, torch.Tensor]:
        """The loss terms of the last batch."""
        return {f"{name}_loss": value for name, value in self._run.learner.terms.items()}

    @property
    def loss(self) -> torch.Tensor:
        """Their sum, (), which is what the weights learn by."""
        return torch.stack(list(self.loss_items.values())).sum()

    @property
    def tloss(self) -> dict[str, torch.Tensor]:
        """Means of the loss terms over this epoch's batches so far."""
        learner = self._run.learner
        return {f"{name}_loss": total / max(learner.batches, 1) for name, total in learner.sums.items()}

    def label_loss_items(self, loss_items: Any = None, prefix: str = "train") -> Any:
        """Loss terms as numbers, by names with a prefix; without terms, the list of these names."""
        if loss_items is None:
            return [f"{prefix}/{name}" for name in self.loss_names]
        values = loss_items.values() if isinstance(loss_items, dict) else loss_items
        return {f"{prefix}/{name}": round(float(value), 5) for name, value in zip(self.loss_names, values)}

    @property
    def lr(self) -> dict[str, float]:
        return {f"lr/pg{index}": group["lr"] for index, group in enumerate(self.optimizer.param_groups)}

    @property
    def scheduler(self) -> SimpleNamespace:
        """get_last_lr(): the learning rate of every group of parameters."""
        return SimpleNamespace(get_last_lr=lambda: list(self.lr.values()), last_epoch=self.epoch)

    # Files

    @property
    def save_dir(self) -> Path:
        return self._run.folder

    @property
    def wdir(self) -> Path:
        return self.save_dir / "weights"

    @property
    def best(self) -> Path:
        return self.wdir / "best.pt"

    @property
    def last(self) -> Path:
        return self.wdir / "last.pt"

    @property
    def csv(self) -> Path:
        return self.save_dir / "results.csv"

    # What it works with

    @property
    def model(self) -> Any:
        """The network that learns."""
        return self._run.learner.network

    @property
    def ema(self) -> SimpleNamespace:
        """The averaged weights, as `ema`."""
        return SimpleNamespace(ema=self._run.learner.average, updates=self._run.progress.updates)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self._run.learner.optimizer

    @property
    def scaler(self) -> Any:
        return self._run.learner.scaler

    @property
    def amp(self) -> bool:
        return self._run.learner.dtype is not None

    @property
    def device(self) -> torch.device:
        return self._run.process.device

    @property
    def world_size(self) -> int:
        return self._run.process.world

    @property
    def batch_size(self) -> int:
        return int(self._run.config.batch)

    @property
    def train_loader(self) -> Any:
        return self._run.loader

    @property
    def data(self) -> dict[str, Any]:
        """Names of the classes, their number, and where the images are."""
        spec = self._run.spec
        return {"names": dict(spec.names), "nc": len(spec.names), "path": spec.root, "yaml_file": spec.source}


class Validator(View):
    """A validation, for callbacks."""

    training = False

    def __init__(self, state: Validation, model: str | None = None):
        self._state = state
        self._model = model

    @property
    def args(self) -> SimpleNamespace:
        return every_argument("val", {**asdict(self._state.config), "model": self._model, "save_dir": self.save_dir})

    @property
    def metrics(self) -> Metrics | None:
        """The result; None until the validation ends."""
        return self._state.metrics

    @property
    def save_dir(self) -> Path | None:
        return None if self.metrics is None else self.metrics.save_dir

    @property
    def speed(self) -> dict[str, float]:
        return {} if self.metrics is None else self.metrics.speed

    @property
    def names(self) -> dict[int, str]:
        return self._state.names

    @property
    def nc(self) -> int:
        return len(self.names)

    @property
    def device(self) -> torch.device:
        return self._state.device

    @property
    def dataloader(self) -> Any:
        return self._state.batches

    @property
    def batch_i(self) -> int:
        """Number of the batch that is under way, or was last; counted from 0."""
        return self._state.batch_number

    @property
    def seen(self) -> int:
        """Images so far."""
        return self._state.seen


class Predictor(View):
    """A prediction, for callbacks and as `YOLO.predictor`.

    arguments: of the call, by name; results: of the batch that was last, which a callback may change or replace;
    tracker: what follows instances, in `track`.
    """

    def __init__(self, arguments: dict[str, Any], model: Any, device: torch.device, tracker: Tracker | None = None):
        self.args = every_argument("predict", arguments)
        self.model = model
        self.device = device
        self.trackers = [] if tracker is None else [tracker]
        self.results: Any = []
        self._taken: list[Results] = []
        self.seen = 0  # images
        self.save_dir: Path | None = None

    def take(self, results: list[Results]) -> None:
        """The results of the next batch."""
        self.results = results
        self._taken = results

    @property
    def imgsz(self) -> list[int]:
        """[height, width] that images are letterboxed to."""
        return list(as_size(self.args.imgsz))

    @property
    def dataset(self) -> SimpleNamespace:
        """Where images come from: mode ("video" or "image", of the last one), bs (images at once), frame (so far)."""
        is_video = bool(self._taken) and Path(self._taken[-1].path).suffix.lower() in VIDEO_SUFFIXES
        return SimpleNamespace(mode="video" if is_video else "image", bs=self.args.batch, frame=self.seen)

    @property
    def batch(self) -> tuple[list[str], list[Any], list[str]]:
        """Paths of the last batch, its images (H, W, 3) in BGR, and a line of text for each."""
        return (
            [result.path for result in self._taken],
            [result.orig_img for result in self._taken],
            [result.verbose() for result in self._taken],
        )


class Exporter(View):
    """An export, for callbacks. file: the path, once it is written."""

    def __init__(self, arguments: dict[str, Any], model: Any):
        self.args = every_argument("export", arguments)
        self.model = model
        self.file: str | None = None


def view(state: Any, model: str | None = None) -> Any:
    """What callbacks get for a state of seglab's. model: what is run, as it was opened."""
    from seglab.evaluation.validate import Validation
    from seglab.training.trainer import Run

    if isinstance(state, Run):
        return Trainer(state, model)
    if isinstance(state, Validation):
        return Validator(state, model)
    return state


def told_forward(forward: Callable, events: Events, predictor: Predictor) -> Callable:
    """A network that says when it is about to see a batch."""

    def run(images: torch.Tensor) -> Any:
        events.tell("on_predict_batch_start", predictor)
        return forward(images)

    return run


def followed(
    found: Iterator[Results],
    save: Callable[[Iterable[Results]], Iterator[Results]],
    events: Events,
    predictor: Predictor,
    batch: int,
) -> Iterator[Any]:
    """The results of a prediction, with what is called around every batch of them.

    save: prints and writes each result. What is given in the end is what callbacks have made of `predictor.results`.
    """
    sizes: deque[int] = deque()  # of the batches that were found and not saved yet

    def processed() -> Iterator[Results]:
        while results := list(itertools.islice(found, batch)):
            predictor.take(results)
            events.tell("on_predict_postprocess_end", predictor)
            results = list(predictor.results)
            sizes.append(len(results))
            yield from results

    saved = save(processed())
    events.tell("on_predict_start", predictor)
    for first in saved:
        results = [first, *itertools.islice(saved, sizes.popleft() - 1)]
        predictor.take(results)
        predictor.seen += len(results)
        if first.save_dir is not None:
            predictor.save_dir = Path(first.save_dir)
        events.tell("on_predict_batch_end", predictor)
        yield from predictor.results
    events.tell("on_predict_end", predictor)
