"""The facade: one class with the verbs people know, each a few lines over the library."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, overload

import torch

from seglab.class_names import equal_classes, same_classes
from seglab.datasets.pretrained import find_weights
from seglab.datasets.trained_on import DEFAULT_DATA
from seglab.device import choose_device
from seglab.errors import SeglabError
from seglab.events import EVENTS, PREDICT_EVENTS, SILENT, Events
from seglab.export.inference_cache import InferenceCache
from seglab.export.inference_model import InferenceModel
from seglab.files import bundled_data_dir, cache_dir
from seglab.model.transfer import describe_transfer, init_network, transfer
from seglab.model.weights import CHECKPOINT_SUFFIXES, class_names, load_weights, save_checkpoint, save_weights
from seglab.model.weights_version import WeightsVersion, version_of
from seglab.model.yolo11 import (
    YOLO11Seg,
    architecture_of,
    count_flops,
    count_layers,
    count_parameters,
    has_hooks,
    is_segmenter,
)
from seglab.opening import Opened, open_exported, open_model, open_weights
from seglab.sizes import as_size

if TYPE_CHECKING:  # each verb imports what it needs when it is first called
    from seglab.compat.callbacks import Predictor, Trainer
    from seglab.config import PredictConfig, TrainConfig, ValidateConfig
    from seglab.datasets.spec import DatasetSpec
    from seglab.diagnosis.doctor import Diagnosis
    from seglab.evaluation.metrics import Metrics
    from seglab.export.runtime import Runtime
    from seglab.inference.predictor import Forward, UndecodedForward
    from seglab.inference.results import Results
    from seglab.inference.tracking import Tracker
    from seglab.training.keep import Knowledge
    from seglab.training.tuning import Report, TuneResult

DEFAULT_SOURCE = "toybox8-seg"  # what is predicted on where no source is given
MAX_WORKERS = 4  # batches that are computed at once on a CPU; each holds its activations, about 100 MB at 640 px


class ModelInfo(NamedTuple):
    """What `info` counts."""

    layers: int  # modules without modules inside, the activation counted once
    parameters: int
    gradients: int  # parameters that learn
    gflops: float  # 1e9 floating-point operations on one image


class Examination(NamedTuple):
    """What `val` and `doctor` look at, and how."""

    forward: Forward
    spec: DatasetSpec
    names: dict[int, str]
    config: ValidateConfig
    device: torch.device


class YOLO:
    """A YOLO11-seg model, from an architecture, from weights or from an exported file.

    model: "yolo11n-seg.yaml" (untrained; n, s, m, l, x), "yolo11n-seg.pt" (official weights, downloaded and verified on
    first use), "toybox-n" (the course's own weights), a .safetensors or .pt file, or an exported file.
    trust: open an exported file that can run code (TorchScript, TensorRT) even if another machine wrote it.
    Attributes: names (class id -> name), network (None for an exported file), overrides (training arguments).
    Every verb takes its arguments by name; `seglab help VERB` lists them with their defaults.
    """

    def __init__(
        self,
        model: str | Path = "yolo11n-seg.pt",
        task: str | None = None,
        verbose: bool = False,
        *,
        trust: bool = False,
    ):
        if task not in (None, "segment"):
            raise SeglabError(f"task={task!r} is not supported, only task='segment': leave it out")
        self.callbacks: dict[str, list[Callable[[Any], Any]]] = {event: [] for event in EVENTS}
        self.trainer: Trainer | None = None  # the last training
        self.predictor: Predictor | None = None  # the last prediction
        self.metrics: Metrics | None = None  # of the last training or validation
        self._become(model, trust)
        if verbose:
            self.info()

    # --- building ---

    def _become(self, model: str | Path, trust: bool = False) -> None:
        """Open a model; of what was open before nothing stays."""
        with torch.inference_mode(False):  # a model made within that mode can be trained and exported too
            opened = open_model(model, trust)
        self.model_name = str(model)
        self.trust = trust
        # Where `to` moved the network, which is where the verbs run unless they are given another device.
        self._moved_to: torch.device | None = None
        self._tracker: Tracker | None = None  # of the last call of `track`
        self._adopt(opened)

    def _adopt(self, opened: Opened) -> None:
        """Hold what was opened: a network or an exported file, and what is said of it."""
        self.network: YOLO11Seg | None = opened.network
        self.runtime: Runtime | None = opened.runtime  # of an exported file
        self.names = opened.names
        self.overrides = {**opened.training, "task": "segment", "model": self.model_name}
        self._loaded = dict(self.overrides)  # what of `overrides` the weights say; the rest is the user's
        self.path = opened.path  # of the weights, where they came from a file
        self.license = opened.license
        self._inference_cache = InferenceCache()
        # What the weights were when they were drawn at random: as long as they are still so, nothing has been learned.
        self._random_weights: WeightsVersion | None = None
        # What the weights were when they were those of a file: as long as they are still so, an engine is worth making.
        self._filed_weights: WeightsVersion | None = None
        if self.network is not None and self.path is not None:
            self._filed_weights = version_of(self.network)
        elif self.network is not None:
            self._random_weights = version_of(self.network)

    def load(self, weights: str | Path) -> YOLO:
        """Take over every tensor that fits from other weights, and list what does not.

        Class scores go by the classes' names. A model that has learned nothing yet, as from a YAML, takes the weights'
        classes too; any other keeps its own.
        """
        network = self._network("load weights into it")
        source = load_weights(find_weights(weights))
        rows = None
        if is_segmenter(source.state, network.scale):
            architecture = architecture_of(source.state)
            names = class_names(source, architecture.classes, str(weights))
            untrained = self._is_untrained()
            if untrained and not same_classes(self.names, names):
                self.names = names
            if untrained or network.class_width != architecture.class_width:
                network = init_network(network.scale, len(self.names), 0, architecture.class_width)
            rows = equal_classes(self.names, names)
        report = transfer(network, source.state, rows)
        if not report.loaded:
            raise SeglabError(f"{weights} has no tensor that fits {self.model_name}: use weights of the same scale")
        print(describe_transfer(report, str(weights), self.names))
        self.network = network
        self.license = source.metadata.get("license", "unknown")
        trained = source.metadata.get("train_args") or {}
        self.overrides["mask_targets"] = trained.get("mask_targets", "hard")
        self._loaded = dict(self.overrides)
        self.path = None  # an export is no longer that file's, nor is a run that was interrupted
        return self

    def save(self, path: str | Path) -> Path:
        """Write the weights with names, training arguments and license beside them; give the path.

        As safetensors, or under a name that ends in .pt as a checkpoint of tensors and plain data.
        Errors: SeglabError when the checkpoint would replace one of another tool.
        """
        network = self._network("save it as weights")
        path = Path(path)
        training = {name: value for name, value in self.overrides.items() if name not in ("task", "model")}
        about = {"names": self.names, "train_args": training, "license": self.license}
        if path.suffix in CHECKPOINT_SUFFIXES:
            return save_checkpoint(path, network.state_dict(), about)
        return save_weights(path, network.state_dict(), about)

    # --- train ---

    def train(self, data: Any = None, *, pretrained: bool | str = True, **arguments: Any) -> Metrics | None:
        """Train on `data` and return the metrics of the best weights, which the model then holds.

        data: a YAML, folder or name, several of them, or what a YAML would hold as a dict; by default what the weights
        were trained on, else coco8-seg. pretrained: weights to load first, or False to start from random ones whatever
        the model holds. model: other weights or architecture to train instead. Other arguments: those of
        seglab.config.TrainConfig and AugmentConfig, by name. Under torchrun, other processes than the first return
        None.
        """
        from seglab.datasets.join import join_datasets
        from seglab.export.profile import profile
        from seglab.loggers.following import Following
        from seglab.training.arguments import make_config, run_folder, with_chosen_settings
        from seglab.training.distributed import is_main
        from seglab.training.preparation import data_to_train_on, fit_classes, knowledge_to_keep
        from seglab.training.recipes import SCRATCH
        from seglab.training.trainer import train

        data, pretrained, arguments = self._training_request(data, pretrained, arguments)
        config = make_config(**arguments)
        trackers = Following(config.loggers or [])

        # What is trained, and on what: a resumed run brings its own weights.
        if config.resume:
            last = run_folder(config.resume) / "weights" / "last.safetensors"
            self._adopt(open_weights(last, self.model_name))
        elif isinstance(pretrained, str):
            self.load(pretrained)
        data = data or self.overrides.get("data") or DEFAULT_DATA
        spec = data_to_train_on(data, config)
        from_scratch = self._is_untrained() or (pretrained is False and not config.resume)
        knowledge = None
        if config.keep:
            if from_scratch:
                raise SeglabError(f"{self.model_name} has learned no classes that keep=True could keep: leave out keep")
            knowledge = knowledge_to_keep(self.names, self.overrides, spec, resumed=bool(config.resume))
            spec = join_datasets([spec], known=self.names)
        network = self._network("train it")
        classes = network.classes
        if config.resume and classes != len(spec.names):
            raise SeglabError(
                f"{config.resume} has {classes} classes, but {data} has {len(spec.names)}: leave out data="
            )

        # With a network for its classes, and settings: what recipe="auto" chooses depends on what the weights know.
        if from_scratch:
            start = SCRATCH
            self.network = init_network(network.scale, len(spec.names), config.seed)
            self.license = "unknown"
        else:
            fitted = fit_classes(network, self.names, spec, config.seed, self.model_name, self.mask_targets)
            self.network, start = fitted
        self.names = dict(spec.names)
        config, fallback = with_chosen_settings(config, start, len(spec.images("train")), arguments)

        # From here on the loop knows all it needs; the model becomes what it ends with.
        network = self.network.float()  # which holds the best weights in the end
        events = self._events(trackers.functions())
        with trackers:
            result = train(
                network,
                spec,
                config,
                license=self.license,
                start=start,
                knowledge=knowledge,
                fallback=fallback,
                events=events,
            )
        self.path = result.best
        self._filed_weights = version_of(network)
        self._inference_cache = InferenceCache()
        self.trainer = events.view_of(result.run)
        self.metrics = result.metrics
        if config.profile and is_main():
            print(profile(network, self.names, config.imgsz))
        self._remember(result.config, spec, result.mask_targets, knowledge)
        return result.metrics

    def _training_request(
        self, data: Any, pretrained: bool | str, arguments: dict[str, Any]
    ) -> tuple[Any, bool | str, dict[str, Any]]:
        """What `train` is asked for, with what the model and the settings add; the model is the one it names."""
        from seglab.compat.settings import settings
        from seglab.config import TrainInput, fit_argument
        from seglab.training.distributed import is_main
        from seglab.training.preparation import interrupted_run

        self._network("train it")
        say = print if is_main() else _silent
        given = self._given("train", arguments, data=data, pretrained=pretrained, say=say)
        data = given.pop("data", None)
        pretrained = fit_argument(TrainInput, "pretrained", given.pop("pretrained", True))
        self._open_other(given.pop("model", None))
        if self._moved_to:
            given.setdefault("device", str(self._moved_to))
        if given.get("resume") is True:
            given["resume"] = interrupted_run(self.path)
        if given.get("loggers") is None:
            given["loggers"] = settings.trackers()
        return data, pretrained, given

    def tune(self, data: Any = None, *, pretrained: bool | str = True, **arguments: Any) -> TuneResult:
        """Search for the arguments of `train` that suit `data` best; this model itself stays as it is.

        Arguments: those of seglab.config.TuneInput and of `train`, which every trial is given.
        """
        from seglab.config import TrainInput, TuneInput, fit_argument, names_of
        from seglab.training.tuning import tune

        own = names_of(TuneInput)
        options = TuneInput(**{name: value for name, value in arguments.items() if name in own})
        rest = {name: value for name, value in arguments.items() if name not in own}
        training = self._given("train", rest, data=data, pretrained=pretrained)
        data = training.pop("data", None)
        pretrained = fit_argument(TrainInput, "pretrained", training.pop("pretrained", True))
        self._open_other(training.pop("model", None))
        self._network("tune it")
        from_random = False if pretrained is True and self._is_untrained() else pretrained

        def train_copy(given: dict[str, Any], report: Report) -> Metrics:
            """One trial: a copy of this model learns, and is stopped where `report` says so."""

            def follow(trainer: Trainer) -> None:
                if trainer.fitness is not None and report(trainer.epoch + 1, trainer.fitness):
                    trainer.stop = True

            trial = copy.deepcopy(self)
            trial.callbacks = {event: list(functions) for event, functions in self.callbacks.items()}  # not copies
            trial.add_callback("on_fit_epoch_end", follow)
            metrics = trial.train(**given)
            assert metrics is not None  # tune does not run under torchrun
            return metrics

        return tune(train_copy, self.model_name, data, from_random, training, options)

    def _open_other(self, model: str | Path | None) -> None:
        """Become another model, where a verb is given one that this is not."""
        if model is not None and str(model) != self.model_name:
            self._become(model)

    def _given(self, verb: str, arguments: dict[str, Any], say: Callable[[str], None] = print, **named: Any) -> dict:
        """What a verb was given, as seglab takes it: what the user put into `overrides`, under the arguments."""
        from seglab.compat.arguments import translate
        from seglab.config import verb_arguments

        own = verb_arguments(verb)
        changed = {name: value for name, value in self.overrides.items() if self._loaded.get(name, MISSING) != value}
        usual = {name: value for name, value in changed.items() if name in own}
        given = {name: value for name, value in {**named, **arguments}.items() if value is not None}
        return translate(verb, {**usual, **given}, say)

    def _remember(self, config: TrainConfig, spec: DatasetSpec, mask_targets: str, knowledge: Knowledge | None) -> None:
        """Keep the arguments of a training, which the next verbs go by."""
        from seglab.training.arguments import flatten

        about = {"mask_targets": mask_targets, "data": spec.source, "task": "segment", "model": self.model_name}
        self.overrides = {**flatten(config), **about}
        if knowledge:
            self.overrides["old_data"] = list(knowledge.data)
        self._loaded = dict(self.overrides)

    # --- the other verbs ---

    def val(
        self,
        data: Any = None,
        *,
        device: str | int | torch.device | None = None,
        **arguments: Any,
    ) -> Metrics:
        """Box and mask mAP on a dataset's validation split, by default of what it was trained on, else of coco8-seg.

        Other arguments: those of seglab.config.ValidateConfig, by name. Processes of torchrun share the images, and
        all return the metrics of all images.
        """
        from seglab.diagnosis.explain import explain
        from seglab.evaluation.validate import load_split, validate_dataset
        from seglab.training.distributed import join

        arguments = self._given("val", arguments, data=data, device=device)
        data = arguments.pop("data", None)
        device = arguments.pop("device", None)
        self._open_other(arguments.pop("model", None))
        process = join(self._device(device))
        given = self._examination("val", data, process.device, arguments)
        split = load_split(given.spec, given.names, given.config, process)
        forward: Forward | UndecodedForward = given.forward
        if isinstance(forward, InferenceModel) and not given.config.compile:
            forward = forward.undecoded  # suppression decodes what it needs
        events = self._events() if process.is_main else SILENT
        metrics = validate_dataset(forward, given.spec, given.names, given.config, process, split, events)
        self.metrics = metrics
        if given.config.explain and process.is_main:
            every = split if process.world == 1 else load_split(given.spec, given.names, given.config)
            print(explain(given.forward, every.loader, every.dataset, given.spec.names, given.config, given.device))
        return metrics

    @overload
    def predict(
        self,
        source: Any = DEFAULT_SOURCE,
        stream: Literal[False] = False,
        *,
        device: str | int | torch.device | None = None,
        engine: str = "auto",
        **arguments: Any,
    ) -> list[Results]: ...

    @overload
    def predict(
        self,
        source: Any = DEFAULT_SOURCE,
        *,
        stream: Literal[True],
        device: str | int | torch.device | None = None,
        engine: str = "auto",
        **arguments: Any,
    ) -> Iterator[Results]: ...

    def predict(
        self,
        source: Any = DEFAULT_SOURCE,
        stream: bool = False,
        *,
        device: str | int | torch.device | None = None,
        embed: list[int] | int | None = None,
        engine: str = "auto",
        **arguments: Any,
    ) -> Any:
        """Find instances on images: a path, folder, glob, video, URL, PIL, numpy (BGR), tensor, dataset name or list.

        Returns a list, or with stream=True an iterator that holds a few batches at a time. engine="auto", the default:
        on CPUs, weights of a file run through onnxruntime or OpenVINO where one is installed and agrees with the
        network (see seglab.export.engine); "torch": through PyTorch. Folders, lists, videos and cameras are read ahead,
        and several images are worked on at once (see seglab.inference.pipeline).
        Start processes that predict with multiprocessing's "spawn": a forked one lacks PyTorch's threads, and waits.
        embed=[22]: instead of results a vector for every image, the mean features of these layers. Other
        arguments: those of seglab.config.PredictConfig and SaveConfig, by name.
        """
        return self._predict(source, stream, arguments, device=device, embed=embed, engine=engine)

    def track(
        self,
        source: Any = DEFAULT_SOURCE,
        stream: bool = False,
        *,
        persist: bool | None = None,
        tracker: str | Path | None = None,
        **arguments: Any,
    ) -> Any:
        """Find instances and follow them: results hold what is tracked, and `boxes.id` says which is which.

        The frames of a video, or images in the order in which they are given. persist=True goes on with the tracks of
        the last call, for frames that are handed over one by one. tracker: botsort.yaml (the default), bytetrack.yaml,
        or a YAML file with settings (seglab.config.TrackerConfig). Other arguments: those of `predict`; conf is 0.1
        unless given, since doubtful finds help to follow what was certain before.
        Errors: SeglabError without the package `trackers`.
        """
        from seglab.config import TrackInput, fit_argument
        from seglab.inference.tracking import Tracker, tracker_config

        config = tracker_config("botsort.yaml" if tracker is None else tracker)
        goes_on = fit_argument(TrackInput, "persist", persist is not None and persist)
        if not goes_on or self._tracker is None or self._tracker.config != config:
            self._tracker = Tracker(config)
        if arguments.get("conf") is None:
            arguments["conf"] = config.track_low_thresh
        return self._predict(source, stream, arguments, self._tracker)

    def _predict(
        self,
        source: Any,
        stream: bool,
        arguments: dict[str, Any],
        tracker: Tracker | None = None,
        **named: Any,
    ) -> Any:
        """What `predict` and `track` have in common. tracker: what follows instances from image to image."""
        from seglab.compat.callbacks import Predictor, followed, told_forward
        from seglab.inference.augmented import augmented
        from seglab.inference.embed import embed as embed_images
        from seglab.inference.predictor import predict
        from seglab.inference.request import read_request
        from seglab.inference.results import ResultsList
        from seglab.inference.saved_run import save_results
        from seglab.inference.sources import can_be_read_ahead, images_of_dataset

        given = self._given("predict", arguments, **named)
        self._open_other(given.pop("model", None))
        asked = read_request(source, stream, self._as_trained(given, "predict"))
        config = asked.config
        where = self._device(asked.device)
        images = images_of_dataset(asked.source)

        # Vectors come from layers inside, which only the plain network has: no engine, no results to save.
        if asked.layers:
            vectors = embed_images(self._feature_network(where, config.half), images, config, asked.layers, where)
            return vectors if asked.stream else list(vectors)

        events = self._events()
        is_watched = events.awaits(*PREDICT_EVENTS)  # and what callbacks do with an image comes before the next one
        workers = 0
        if can_be_read_ahead(images) and not is_watched and not config.compile and not config.tile:
            workers = self._workers(where)
        forward = self._fastest_forward(asked.engine, config, where, workers)
        # on_predict_batch_start is called from within the forward pass, and wraps it only where somebody waits.
        if config.augment:
            forward = augmented(cast("Forward", forward))
        about = {"model": self.model_name, "source": asked.source}
        arguments = {**asdict(config), **asdict(asked.saving), **about}
        self.predictor = Predictor(arguments, self.network, where, tracker)
        if events.awaits("on_predict_batch_start"):
            forward = told_forward(forward, events, self.predictor)
        found = predict(forward, images, config, self.names, where, workers)
        if tracker is not None:
            found = tracker.follow(found)

        # Results are saved as they come, since a stream may be longer than memory holds.
        save = functools.partial(
            save_results, config=asked.saving, vid_stride=config.vid_stride, visualize=config.visualize
        )
        results = followed(found, save, events, self.predictor, config.batch)
        if asked.stream:
            return results
        listed = ResultsList(results)
        self.predictor.results = listed
        return listed

    __call__ = predict

    def export(self, format: str = "onnx", out: str | Path | None = None, **arguments: Any) -> str:
        """Write the model in another format, check that it agrees, and return the file's path.

        out: where to, without suffix; by default beside the file of the weights, or in the working directory where the
        model was given by name. Other arguments: those of seglab.config.ExportConfig, by name.
        """
        from seglab.compat.callbacks import Exporter
        from seglab.export.exporter import export

        given = self._given("export", arguments, format=None if format == "onnx" else format, out=out)
        self._open_other(given.pop("model", None))
        format = given.pop("format", "onnx")
        out = given.pop("out", None)
        network = self._network("export it")
        if out is None and self.path:
            beside = self.path.with_suffix("")
            by_name = beside.parent in (bundled_data_dir() / "weights", cache_dir())
            out = beside.name if by_name else beside
        events = self._events()
        exporter = Exporter({**given, "format": format, "model": self.model_name}, network)
        events.tell("on_export_start", exporter)
        exporter.file = str(export(network, self.names, format, out, **{**self._export_defaults(), **given}))
        events.tell("on_export_end", exporter)
        return exporter.file

    def benchmark(self, data: str | Path | None = None, **arguments: Any) -> Any:
        """Export to every format this machine has the packages for and compare size, mAP and latency in one table.

        Other arguments: those of seglab.config.BenchmarkInput. Returns the table as a data frame of pandas or polars,
        or as a list of dicts where neither is installed.
        """
        from seglab.compat.benchmark_table import benchmark_arguments, benchmark_rows, raise_failure
        from seglab.config import BenchmarkInput
        from seglab.export.benchmark import benchmark
        from seglab.tables import data_frame_or_rows

        wanted = BenchmarkInput(**benchmark_arguments(arguments))
        data = str(data or self.overrides.get("data") or DEFAULT_DATA)
        options = {"imgsz": wanted.imgsz, "formats": wanted.formats, "precisions": wanted.precisions, "out": wanted.out}
        given = {name: value for name, value in options.items() if value is not None}
        network = self._network("benchmark it")
        lines = benchmark(network, self.names, data, **{**self._export_defaults(), **given})
        raise_failure(lines, wanted.verbose)
        return data_frame_or_rows(benchmark_rows(lines))

    def doctor(
        self,
        data: str | Path | Sequence[str | Path] | None = None,
        *,
        device: str | int | torch.device | None = None,
        **arguments: Any,
    ) -> Diagnosis:
        """Why is my mAP zero? Every stage from labels to metric is looked at, with evidence and the likely cause.

        Other arguments: those of val. The loss terms are weighted as in the model's own training.
        """
        from seglab.diagnosis.doctor import doctor
        from seglab.training.loss import LossGains

        given = self._examination("doctor", data, device, arguments)
        gains = {item.name: self.overrides[item.name] for item in fields(LossGains) if item.name in self.overrides}
        network = None
        if self.network is not None:
            network = copy.deepcopy(self.network).to(given.device)  # the user's own stays where it is
        return doctor(*given, network=network, gains=LossGains(**gains))

    def embed(self, source: Any, stream: bool = False, **arguments: Any) -> Any:
        """One vector (C,) per image: the layer before the head, averaged over the image. Arguments: those of `predict`.

        embed=[numbers of layers]: the features of these instead, one behind the other.
        """
        last_before_head = len(self._network("embed images with it").model) - 2
        return self.predict(source, **{"embed": [last_before_head], **arguments, "stream": stream})

    # --- what else is to be called ---

    def add_callback(self, event: str, func: Callable[[Any], Any]) -> None:
        """Have `func` called at an event of train, val, predict or export; docs/compat.md lists what it is given."""
        self._known(event).append(func)

    def clear_callback(self, event: str) -> None:
        """Call nothing at an event any more."""
        self._known(event).clear()

    def reset_callbacks(self) -> None:
        """Call nothing at any event any more."""
        for functions in self.callbacks.values():
            functions.clear()

    def _known(self, event: str) -> list[Callable[[Any], Any]]:
        """The functions of an event. Errors: SeglabError when there is no such event."""
        from seglab.config import refuse_unknown

        refuse_unknown([event], EVENTS, kind="event")
        return self.callbacks[event]

    def _events(self, more: Mapping[str, Callable[[Any], Any]] | None = None) -> Events:
        """What the next run of a verb tells. more: event -> what else is called, after the user's own."""
        from seglab.compat.callbacks import Trainer, view

        def remembered(state: Any) -> Any:
            made = view(state, self.model_name)
            if isinstance(made, Trainer):
                self.trainer = made  # callbacks may ask the model for it
            return made

        functions = {event: list(own) for event, own in self.callbacks.items()}
        for event, function in (more or {}).items():
            functions[event].append(function)
        return Events(functions, remembered)

    # --- where it runs ---

    def to(self, device: str | int | torch.device) -> YOLO:
        """Move the network to a device, where the verbs then run unless they are given another."""
        network = self._network("move it")
        untrained = self._is_untrained()
        self._moved_to = choose_device(device)
        network.to(self._moved_to)
        if untrained:
            self._random_weights = version_of(network)
        return self

    def cpu(self) -> YOLO:
        """Move the network to the CPU."""
        return self.to("cpu")

    def cuda(self, device: int | str = 0) -> YOLO:
        """Move the network to a GPU."""
        return self.to(device)

    def half(self) -> YOLO:
        """Round the network's weights to float16. The verbs compute in the precision that they are told."""
        self._network("change its numbers").half()
        return self

    def float(self) -> YOLO:
        """Make the network's weights float32."""
        self._network("change its numbers").float()
        return self

    def eval(self) -> YOLO:
        """Put the network in evaluation mode; the verbs do so by themselves."""
        self._network("run it").eval()
        return self

    def train_mode(self, mode: bool = True) -> YOLO:
        """Put the network in training mode, or out of it, for loops of your own."""
        self._network("train it").train(mode)
        return self

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """The network's parameters."""
        return self._network("look at its parameters").parameters()

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """The network's parameters with their names."""
        return self._network("look at its parameters").named_parameters()

    def modules(self) -> Iterator[torch.nn.Module]:
        """The network's modules, itself first."""
        return self._network("look at its modules").modules()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The network's weights by name."""
        return self._network("look at its weights").state_dict()

    def load_state_dict(self, state: dict[str, torch.Tensor], strict: bool = True) -> Any:
        """Put weights into the network, by name."""
        return self._network("load weights into it").load_state_dict(state, strict)

    def reset_weights(self) -> YOLO:
        """Forget all that was learned: random weights, as a model from a YAML has them."""
        network = self._network("reset its weights")
        fresh = init_network(network.scale, len(self.names), 0, network.class_width)
        self.network = fresh.to(self.device)
        self._random_weights = version_of(self.network)
        self.license = "unknown"
        self.path = None
        return self

    def fuse(self, verbose: bool = True) -> YOLO:
        """Nothing to do: the verbs run a fused copy by themselves."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take along: not what the last runs made, which can be made again."""
        left_out = {"_inference_cache", "trainer", "predictor", "runtime"}
        state = {name: value for name, value in self.__dict__.items() if name not in left_out}
        return {**state, "exported": self.runtime is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        exported = state.pop("exported")
        self.__dict__.update(state)
        self._inference_cache = InferenceCache()
        self.trainer = self.predictor = self.runtime = None
        if exported:
            self.runtime = open_exported(self.model_name, self.trust).runtime

    def _device(self, device: str | int | torch.device | None) -> torch.device:
        """The device that a verb was given, else where `to` moved the network, else the best there is."""
        return choose_device(self._moved_to if device is None else device)

    # --- looking ---

    def info(self, detailed: bool = False, verbose: bool = True, imgsz: int = 640) -> ModelInfo | None:
        """Print and return (layers, parameters, those of them that learn, 1e9 floating-point operations at `imgsz`).

        detailed: also print a line for every parameter; verbose=False: print nothing. Of an exported file it prints
        what the file is and where it comes from, and returns None.
        """
        if self.runtime is not None:
            if verbose:
                print(self.runtime.summary)
            return None
        network = self._network("count its parameters")
        layers = count_layers(network)
        parameters = count_parameters(network)
        learning = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
        gflops = count_flops(network, imgsz) / 1e9
        if detailed:
            for name, parameter in network.named_parameters():
                print(f"{name:<50} {tuple(parameter.shape)!s:<20} {parameter.numel():>9,} {parameter.dtype}")
        if verbose:
            print(
                f"YOLO11{network.scale}-seg: {layers} layers, {parameters:,} parameters, {learning:,} trainable, "
                f"{gflops:.1f} GFLOPs at {imgsz} px"
            )
        return ModelInfo(layers, parameters, learning, gflops)

    @property
    def model(self) -> YOLO11Seg | None:
        """The network, under the name it has elsewhere; there it also knows its classes, YAML, arguments and layers."""
        from seglab.compat.network_facts import describe

        if self.network is not None:
            describe(self.network, self.names, self.overrides, self.ckpt_path)
        return self.network

    @property
    def names(self) -> dict[int, str]:
        """Class id -> name. A program may set others, here or on `model`."""
        others = getattr(self.network, "names", None)
        if others is not None and others is not self._names:
            self.names = others
        return self._names

    @names.setter
    def names(self, names: dict[int, str] | list[str]) -> None:
        self._names = names if isinstance(names, dict) else dict(enumerate(names))
        if hasattr(self.network, "names"):
            object.__setattr__(self.network, "names", self._names)

    @property
    def task(self) -> str:
        return "segment"

    @property
    def ckpt_path(self) -> str | None:
        """The file of the weights; None for a model from a YAML."""
        return None if self.path is None else str(self.path)

    @property
    def transforms(self) -> None:
        """What other tasks do with images; segmentation letterboxes them."""
        return None

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device if self.network is not None else torch.device("cpu")

    @property
    def mask_targets(self) -> str:
        """What the weights were trained with, "soft" or "hard". Weights that do not say are another tool's: "hard"."""
        if self.runtime is not None:
            return self.runtime.metadata.mask_targets
        return self.overrides.get("mask_targets", "hard")

    def _trained_size(self) -> int | tuple[int, int]:
        """The input size this model was made for."""
        return self.runtime.imgsz if self.runtime is not None else self.overrides.get("imgsz") or 640

    def _as_trained(self, arguments: dict[str, Any], verb: str) -> dict[str, Any]:
        """The arguments with the trained size and mask targets where they name none, and with a file's only size.

        What a file with NMS inside found is not suppressed again, unless the arguments say how.
        """
        arguments = {"mask_targets": self.mask_targets, **arguments}
        if self.overrides.get("single_cls") and verb != "predict":
            arguments = {"single_cls": True, **arguments}
        if self.runtime is not None and self.runtime.metadata.has_nms:
            arguments = {"iou": 1.0, **arguments}
        if self.runtime is not None and self.runtime.size:
            return arguments | {"imgsz": self.runtime.size, "rect": False}
        return {"imgsz": self._trained_size(), **arguments}

    def _export_defaults(self) -> dict[str, Any]:
        """What a file written from this model says of it, and the size it is made for."""
        return {"imgsz": self._trained_size(), "license": self.license, "mask_targets": self.mask_targets}

    def _network(self, purpose: str) -> YOLO11Seg:
        """The network, to be trained, written or measured. Errors: SeglabError for an exported file."""
        if self.network is None:
            raise SeglabError(f"{self.model_name} is an exported file: open the weights it came from to {purpose}")
        return self.network

    def _is_untrained(self) -> bool:
        """Whether the network still has the random weights it was made with."""
        return self.network is not None and self._random_weights == version_of(self.network)

    def _examination(
        self,
        verb: str,
        data: str | Path | Sequence[str | Path] | None,
        device: str | int | torch.device | None,
        arguments: dict[str, Any],
    ) -> Examination:
        """What val and doctor look at, and how."""
        from seglab.config import ValidateConfig, refuse_unknown, verb_arguments
        from seglab.datasets.join import join_datasets
        from seglab.datasets.load import load_dataset
        from seglab.datasets.subset import split_fractions, subset
        from seglab.evaluation.one_class import as_one_class
        from seglab.inference.augmented import augmented
        from seglab.training.distributed import is_main, rank_zero_first

        refuse_unknown(arguments, verb_arguments(verb, but=("model",)), verb)
        config = ValidateConfig(**self._as_trained(arguments, verb))
        if data is None:
            data = self.overrides.get("data") or DEFAULT_DATA
            for name in ("labels", "instances"):
                arguments.setdefault(name, self.overrides.get(name))
            if is_main():
                print(f"using the dataset {data}: pass data= for another one")
        spec = rank_zero_first(
            lambda: load_dataset(data, config.split, labels=config.labels, instances=config.instances)
        )
        of = [config.split] if config.split == "train" else []  # a number alone is for training images
        spec = subset(spec, config.classes, config.single_cls, split_fractions(config.fraction, of))
        names = dict(spec.names) if config.single_cls else self.names
        labels_some_classes = len(equal_classes(spec.names, names)) == len(spec.names) < len(names)
        if labels_some_classes:
            spec = join_datasets([spec], known=names)
        where = self._device(device)
        forward = self._forward(where, _dtype(config.half), config.compile)
        if config.single_cls and len(self.names) > 1:
            forward = as_one_class(forward)
        if config.augment:
            forward = augmented(forward)
        return Examination(forward, spec, names, config, where)

    def _feature_network(self, device: torch.device, half: bool) -> YOLO11Seg:
        """The fused network itself, whose layers can be looked into."""
        return self._inference_cache.fused(self._network("look into it"), device, _dtype(half)).network

    def _forward(
        self, device: str | int | torch.device, dtype: torch.dtype = torch.float32, compiled: bool | str = False
    ) -> Forward:
        """Images (B, 3, H, W) -> predictions and prototypes: the exported file's, or the fused network's."""
        if self.runtime is not None:
            return self.runtime.forward
        return self._inference_cache.fused(self._network("run it"), device, dtype, compiled)

    def _workers(self, device: torch.device) -> int:
        """How many batches may be computed at once, while the next are read; 0: one after another.

        A GPU and an exported file, which may have one memory for all calls, take one. On a CPU each has threads of its
        own, since threads that work on one image wait for each other. A user who wants one thread gets one.
        """
        if device.type != "cpu":
            return 1
        threads = torch.get_num_threads()
        if threads == 1:
            return 0
        return 1 if self.runtime is not None else min(threads, MAX_WORKERS)

    def _fastest_forward(
        self, engine: str, config: PredictConfig, device: torch.device, workers: int
    ) -> Forward | UndecodedForward:
        """What predict runs: an engine where engine="auto" finds one for a CPU, else PyTorch."""
        is_of_file = self.network is not None and self._filed_weights == version_of(self.network)
        is_plain = self.network is not None and not has_hooks(self.network) and not config.half and not config.compile
        if engine == "auto" and is_of_file and device.type == "cpu" and is_plain:
            size = as_size(self._trained_size())
            streams = max(1, workers)
            network = self._network("run it")
            found = self._inference_cache.engine(network, self.names, size, config.precision, streams)
            if found is not None:
                return found
        forward = self._forward(device, _dtype(config.half, config.precision), config.compile)
        needs_all = config.augment or config.visualize or config.compile  # views are joined, heatmaps drawn
        if isinstance(forward, InferenceModel) and not needs_all:
            return forward.undecoded
        return forward


def _dtype(half: bool, precision: str = "fp32") -> torch.dtype:
    """What the network computes in."""
    if half:
        return torch.float16
    return torch.bfloat16 if precision == "bf16" else torch.float32


def _silent(text: str) -> None:
    """Says nothing."""
