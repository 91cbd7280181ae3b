"""The facade: one class with the four verbs people know, each a few lines over the library."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from seglab.class_names import equal_classes, same_classes
from seglab.compat.arguments import drop_unsupported, unsupported
from seglab.datasets.downloads import ASSETS, fetch
from seglab.datasets.join import join_datasets
from seglab.datasets.load import is_dataset_name, is_local, load_dataset
from seglab.datasets.spec import COCO_NAMES
from seglab.device import choose_device, memory_format
from seglab.errors import SeglabError, fit_type, names_of, refuse_unknown
from seglab.export.inference_model import InferenceModel
from seglab.export.registry import format_of, model_path
from seglab.files import bundled_data_dir, cache_dir
from seglab.geometry.letterbox import as_size
from seglab.model.packed import pack
from seglab.model.transfer import change_classes, describe_forgotten, describe_transfer, init_network, transfer
from seglab.model.weights import Weights, load_weights, save_weights
from seglab.model.yolo11 import YOLO11Seg, architecture_of, count_flops, count_parameters, is_segmenter, parse_name

if TYPE_CHECKING:  # each verb imports what it needs when it is first called
    from seglab.datasets.spec import DatasetSpec
    from seglab.inference.predictor import Forward
    from seglab.inference.results import Results
    from seglab.training.keep import Knowledge
    from seglab.training.recipes import Start

CHECKPOINTS = (".pt", ".pth")  # endings of other tools' weights
COURSE_WEIGHTS = "toybox-n"  # trained by this project on its toybox, and shipped with it
STAND_IN = "toybox8-seg"  # comes with seglab: images for weights whose own are not at hand
DEFAULT_DATA = "coco8-seg"  # what is trained and validated on when nothing is said


class YOLO:
    """A YOLO11-seg model, from an architecture, from weights or from an exported file.

    model: "yolo11n-seg.yaml" (untrained; n, s, m, l, x), "yolo11n-seg.pt" (official weights, downloaded and verified on
    first use), "toybox-n" (the course's own weights), a .safetensors or .pt file, or an exported file.
    Attributes: names (class id -> name), network (None for an exported file), overrides (training arguments).
    """

    def __init__(self, model: str | Path = "yolo11n-seg.pt", task: str | None = None, verbose: bool = False):
        if task not in (None, "segment"):
            raise SeglabError(f"seglab does task='segment' only, not '{task}'")
        self.model_name = str(model)
        self.network: YOLO11Seg | None = None
        self.runtime = None
        self.overrides: dict[str, Any] = {}
        self.path: Path | None = None  # of the weights, where they came from a file
        self.license = "unknown"
        self._placed: torch.device | None = None  # where `to` put the network
        self._fused: tuple[Any, InferenceModel] | None = None
        self._fast: tuple[Any, Any] | None = None
        self._drawn: Any = None  # what the weights were when they were drawn at random
        with torch.inference_mode(False):  # a model made within that mode can be trained and exported too
            self._open(model)
        if verbose:
            self.info()

    # --- building ---

    def _open(self, model: str | Path) -> None:
        if Path(model).suffix in (".yaml", ".yml"):
            self._from_architecture(model)
        elif format_of(Path(model)):
            from seglab.export.registry import load_runtime

            self.runtime = load_runtime(model)
            self.names: dict[int, str] = dict(self.runtime.names)
            self.license = self.runtime.metadata.license
        else:
            self.path = find_weights(model)
            self._from_weights(load_weights(self.path))

    def _from_architecture(self, model: str | Path) -> None:
        scale = parse_name(Path(model).name)
        if scale is None:
            raise SeglabError(f"'{model}' is no architecture of seglab: use yolo11n-seg.yaml, s, m, l or x")
        self.network = init_network(scale, len(COCO_NAMES), seed=0)
        self._drawn = self._weights_now()
        self.names = dict(enumerate(COCO_NAMES))

    def _from_weights(self, weights: Weights) -> None:
        self.network = YOLO11Seg(*architecture_of(weights.state))
        report = transfer(self.network, weights.state)
        if report.missing or report.mismatched:
            raise SeglabError(
                f"{self.model_name} lacks {len(report.missing + report.mismatched)} of the model's tensors"
            )
        self.names = class_names(weights, self.network.classes)
        self.overrides = dict(weights.metadata.get("train_args") or {})
        if data := self.overrides.get("data"):
            several = isinstance(data, (list, tuple))
            self.overrides["data"] = list(map(self._data_here, data)) if several else self._data_here(str(data))
        self.license = weights.metadata.get("license", "unknown")
        self.network.eval()

    def _data_here(self, trained_on: str) -> str:
        """The dataset of a training that may have been elsewhere: the one of its name that is here, where it is not.

        Of weights that know COCO's classes it is else the default, for nobody asked for a download of all of COCO;
        anything else stays, for the error to say what is missing.
        """
        name = Path(trained_on).stem
        if not Path(trained_on).exists():
            if is_local(name):
                return name
            if list(self.names.values()) == COCO_NAMES:
                return DEFAULT_DATA
        return trained_on

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
            names = class_names(source, architecture.classes)
            if self._drawn == self._weights_now() and not same_classes(self.names, names):
                self.names = names
            if self._drawn == self._weights_now() or network.class_width != architecture.class_width:
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
        self.path = None  # an export is no longer that file's, nor is a run that was cut
        return self

    def save(self, path: str | Path) -> Path:
        """Write the weights as safetensors with names, training arguments and license beside them, and return the path.

        A name that ends in .pt gets the ending .safetensors; YOLO("y.pt") then finds y.safetensors.
        Errors: SeglabError when there is a file of the former name, which would be opened instead.
        """
        network, path = self._network("save it as weights"), Path(path)
        if path.suffix in CHECKPOINTS:
            own = path.with_suffix(".safetensors")
            if path.exists():
                raise SeglabError(f"{path} is another tool's checkpoint, which seglab does not write: save as {own}")
            print(f"Weights saved to {own}: seglab writes safetensors")
            path = own
        about = {"names": self.names, "train_args": self.overrides, "license": self.license}
        return save_weights(path, network.state_dict(), about)

    # --- the four verbs ---

    def train(self, **arguments: Any):
        """Train on `data` and return the metrics of the best weights, which the model then holds.

        data: by default what the weights were trained on, else coco8-seg. Arguments: those of
        seglab.training.config.TrainConfig and seglab.data.augment.AugmentConfig, by name.
        pretrained: weights to load first, or False to start from drawn ones whatever the model holds.
        """
        from seglab.training.config import flatten, make_config, run_folder
        from seglab.training.distributed import is_main, rank_zero_first
        from seglab.training.recipes import AUTO, choose, describe_scratch
        from seglab.training.trainer import train

        network, data = self._network("train it"), arguments.pop("data", None)
        pretrained = fit_type("pretrained", arguments.pop("pretrained", True), "bool | str")
        arguments = drop_unsupported("train", arguments)
        if self._placed:
            arguments.setdefault("device", str(self._placed))
        if arguments.get("resume") is True:  # the run these weights come from
            arguments["resume"] = self.path or True
        config = make_config(**arguments)
        if config.resume:  # the run knows its model and its data
            self.path = run_folder(config.resume) / "weights" / "last.safetensors"
            self._from_weights(load_weights(self.path))
            network = self.network
        elif isinstance(pretrained, str):
            self.load(pretrained)
        data = data or self.overrides.get("data") or DEFAULT_DATA
        spec = rank_zero_first(lambda: load_dataset(data))
        untrained = self._drawn == self._weights_now() or (pretrained is False and not config.resume)
        knowledge = None
        if config.keep:
            if untrained:
                raise SeglabError(f"{self.model_name} has learned no classes that keep=True could keep: leave keep out")
            knowledge = self._knowledge(spec, config.resume)
            spec = join_datasets([spec], known=self.names)
        if config.resume and network.classes != len(spec.names):
            raise SeglabError(
                f"{config.resume} learns {network.classes} classes and {data} has {len(spec.names)}: leave data= out"
            )
        start = self._begin(spec, untrained, config.seed)
        images = len(spec.images("train"))
        told = describe_scratch(images) if start.scratch else ""
        if config.recipe == AUTO and not (config.resume or start.scratch):
            choice = choose(start, images, config.epochs, arguments)
            config, told = make_config(**{**choice.settings, **arguments}), choice.text
        if told and is_main():
            print(told)
        self.names = dict(spec.names)
        # Leaves the best weights in the network.
        result = train(self.network, spec, config, license=self.license, start=start, knowledge=knowledge)
        self.overrides = {**flatten(config), "mask_targets": result.mask_targets, "data": spec.source}
        if knowledge:
            self.overrides["old_data"] = list(knowledge.data)
        self.path = result.best
        return result.metrics

    def _begin(self, spec: DatasetSpec, untrained: bool, seed: int) -> Start:
        """Make the network one for the dataset's classes, and say what it knows of them."""
        from seglab.training.distributed import is_main
        from seglab.training.recipes import SCRATCH, Start

        if untrained:
            self.network = init_network(self.network.scale, len(spec.names), seed)
            self.license = "unknown"
            return SCRATCH
        known = len(equal_classes(spec.names, self.names))
        if not same_classes(spec.names, self.names):
            self.network, report = change_classes(self.network, self.names, spec.names, seed)
            forgotten = describe_forgotten(self.names, spec.names)
            if is_main():
                print(describe_transfer(report, self.model_name, spec.names))
            if forgotten and is_main():
                print(forgotten)
        return Start(known, len(spec.names) - known, scratch=False, mask_targets=self.mask_targets)

    def _knowledge(self, new: DatasetSpec, resume: str | bool | None) -> Knowledge:
        """What the weights know before they learn `new`, and where there are images of it to rehearse."""
        from seglab.training.distributed import rank_zero_first
        from seglab.training.keep import Knowledge

        sources = list(self.overrides.get("old_data") or [])
        if resume:  # the run has been told before, and reads itself how many classes it started with
            return Knowledge(len(self.names), tuple(sources))
        of_coco = list(self.names.values()) == COCO_NAMES
        last = self.overrides.get("data") or (DEFAULT_DATA if of_coco else [])
        sources += last if isinstance(last, list) else [last]
        with_new = [part for part in new.parts if len(equal_classes(part.names, self.names)) < len(part.names)]
        if with_new:  # the other parts of the data show what is known
            sources += [part.source for part in new.parts if part not in with_new]
        found = [rank_zero_first(partial(old_dataset, source)) for source in dict.fromkeys(sources)]
        old = [spec for spec in found if spec and spec.source != new.source]
        for spec in old:
            count = len(spec.images("train"))
            print(f"{count} images of {spec.name} are looked at again, so that what the weights know stays")
        if not old:
            old = [load_dataset(STAND_IN)]
            print(
                f"no images of what the weights know are at hand: drawn ones ({STAND_IN}) stand in for them, and less "
                "is kept; add some, labelled or not, as in data=[new.yaml, old.yaml]"
            )
        return Knowledge(len(self.names), tuple(spec.source for spec in old))

    def val(self, data: str | Path | None = None, **arguments: Any):
        """Box and mask mAP on a dataset's validation split, by default of what it was trained on, else of coco8-seg.

        Arguments: those of seglab.evaluation.validate.ValidateConfig, and device.
        """
        from seglab.evaluation.validate import load_split, validate_dataset

        examination = self._examination("val", data, drop_unsupported("val", arguments))
        forward, spec, names, config, device = examination
        split = load_split(spec, names, config, device)
        metrics = validate_dataset(*examination, split)
        if config.explain:
            from seglab.diagnosis.explain import explain

            print(explain(forward, split.loader, split.dataset, spec.names, config, device))
        return metrics

    def predict(self, source: Any = None, stream: bool = False, **arguments: Any) -> list[Results] | Iterator[Results]:
        """Find the objects on images: a path, folder, glob, video, URL, PIL, numpy (BGR), tensor, dataset name or list.

        Returns a list, or with stream=True an iterator that holds one batch at a time. Arguments: those of
        seglab.inference.predictor.PredictConfig and seglab.inference.results_io.SaveConfig, by name. engine="auto": on
        CPUs, through onnxruntime or OpenVINO where one is installed and agrees with the network (see
        seglab.export.engine).
        """
        from seglab.inference.predictor import PredictConfig, predict
        from seglab.inference.results_io import SaveConfig, save_results

        arguments = drop_unsupported("predict", arguments)
        saving = names_of(SaveConfig)
        refuse_unknown(arguments, [*names_of(PredictConfig), *saving, "engine", "source", "stream"], "predict")
        saved = SaveConfig(**{name: arguments.pop(name) for name in saving if name in arguments})
        device, engine = self._device(arguments), arguments.pop("engine", None)
        config = PredictConfig(**self._as_trained(arguments), device=device)
        found = predict(self._forward(device, config.half, engine), pictures(source), config, self.names)
        results = save_results(found, saved, config.vid_stride)
        return results if stream else list(results)

    __call__ = predict

    def export(self, format: str = "onnx", out: str | Path | None = None, **arguments: Any) -> str:
        """Write the model in another format, check that it agrees, and return the file's path.

        out: where to; by default beside the file of the weights, or in the working directory where the model was given
        by name. Arguments: those of seglab.export.exporter.ExportConfig.
        """
        from seglab.export.exporter import export

        network = self._network("export it")
        if out is None and self.path:
            out = self.path.with_suffix("")
            if out.parent in (bundled_data_dir() / "weights", cache_dir()):
                out = out.name
        arguments = drop_unsupported("export", arguments)
        own = {"imgsz": self._trained_size(), "license": self.license, "mask_targets": self.mask_targets}
        arguments = {**own, **arguments}
        return str(export(network, self.names, format, out, **arguments))

    def benchmark(self, data: str | Path | None = None, **arguments: Any):
        """Export to every format this machine has the packages for and compare size, mAP and latency in one table.

        Arguments: imgsz, formats, out, as seglab.export.benchmark.benchmark takes them.
        """
        from seglab.export.benchmark import benchmark

        refuse_unknown(arguments, ("data", "imgsz", "formats", "out"), "benchmark")
        own = {"imgsz": self._trained_size(), "license": self.license, "mask_targets": self.mask_targets}
        arguments = {**own, **arguments}
        data = data or self.overrides.get("data") or DEFAULT_DATA
        return benchmark(self._network("benchmark it"), self.names, data, **arguments)

    def doctor(self, data: str | Path | None = None, **arguments: Any):
        """Why is my mAP zero? Every stage from labels to metric is looked at, with evidence and the likely cause.

        Arguments: those of val, and device. The loss terms are weighted as in the model's own training.
        """
        from seglab.diagnosis.doctor import doctor
        from seglab.training.loss import LossGains

        *examination, device = self._examination("doctor", data, arguments)
        gains = {name: self.overrides[name] for name in names_of(LossGains) if name in self.overrides}
        network = None
        if self.network is not None:
            network = copy.deepcopy(self.network).to(device)  # the user's own stays where it is
        return doctor(*examination, device, network=network, gains=LossGains(**gains))

    track = unsupported("track", "it follows no objects from frame to frame; predict finds them on each")
    tune = unsupported("tune", "train with the settings to compare and read their results.csv")
    add_callback = unsupported(
        "add_callback", "results.csv and TensorBoard follow a run, and the loop is there to be read"
    )

    # --- where it runs ---

    def to(self, device: str | int | torch.device) -> YOLO:
        """Move the network to a device, where the verbs then run unless they are told another."""
        network, drawn = self._network("move it"), self._drawn == self._weights_now()
        self._placed = choose_device(device)
        network.to(self._placed)
        if drawn:
            self._drawn = self._weights_now()
        return self

    def fuse(self) -> YOLO:
        """Nothing to do: the verbs run a fused copy by themselves."""
        return self

    def _device(self, arguments: dict[str, Any]) -> torch.device:
        """The device that the arguments name, which is taken out, else where `to` put the network, else the best."""
        device = arguments.pop("device", None)
        return choose_device(self._placed if device is None else device)

    # --- looking ---

    def info(self) -> tuple[int, int] | None:
        """Print and return (parameters, floating-point operations at 640).

        Of an exported file it prints what the file is and where it comes from, and returns None.
        """
        if self.runtime is not None:
            print(self.runtime.summary)
            return None
        network = self._network("count its parameters")
        figures = count_parameters(network), count_flops(network)
        print(f"YOLO11{network.scale}-seg: {figures[0]:,} parameters, {figures[1] / 1e9:.1f} GFLOPs at 640 px")
        return figures

    @property
    def model(self) -> YOLO11Seg | None:
        """The network, under the name it has elsewhere."""
        return self.network

    @property
    def task(self) -> str:
        return "segment"

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

    def _as_trained(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with the trained size and mask targets where they name none, and with a file's only size.

        What a file with NMS inside found is not suppressed again, unless the arguments say how.
        """
        arguments = {"mask_targets": self.mask_targets, **arguments}
        if self.runtime is not None and self.runtime.metadata.has_nms:
            arguments = {"iou": 1.0, **arguments}
        if self.runtime is not None and self.runtime.size:
            return arguments | {"imgsz": self.runtime.size, "rect": False}
        return {"imgsz": self._trained_size(), **arguments}

    def _network(self, purpose: str) -> YOLO11Seg:
        if self.network is None:
            raise SeglabError(f"{self.model_name} is an exported file: open the weights it came from to {purpose}")
        return self.network

    def _examination(self, verb: str, data: str | Path | None, arguments: dict[str, Any]) -> tuple:
        """What val and doctor look at: network, dataset, class names, settings and device."""
        from seglab.evaluation.validate import ValidateConfig

        device = self._device(arguments)
        refuse_unknown(arguments, [*names_of(ValidateConfig), "data", "device"], verb)
        config = ValidateConfig(**self._as_trained(arguments))
        if data is None:
            data = self.overrides.get("data") or DEFAULT_DATA
            print(f"looking at {data}; say data= for another dataset")
        spec = load_dataset(data, config.split)
        if len(equal_classes(spec.names, self.names)) == len(spec.names) < len(self.names):
            spec = join_datasets([spec], known=self.names)  # labels of some of the model's classes
        return self._forward(device), spec, self.names, config, device

    def _forward(self, device: str | int | torch.device, half: bool = False, engine: str | None = None) -> Forward:
        """Images (B, 3, H, W) -> predictions and prototypes: the exported file's, an engine's, or the fused network's.

        The network is fused anew for another device, and when a weight has changed since.
        """
        if engine not in (None, "auto"):
            raise SeglabError(f"engine must be 'auto' or left out, not '{engine}'")
        if self.runtime is not None:
            return self.runtime.forward
        device = choose_device(device)
        if engine and not half and device.type == "cpu" and (fast := self._fast_engine()):
            return fast.forward
        now = self._weights_now(), device, half
        if self._fused is None or self._fused[0] != now:
            dtype = torch.float16 if half else torch.float32
            whole = InferenceModel(self.network, dtype).to(device, memory_format=memory_format(device))
            if device.type == "cpu" and not half:
                pack(whole.network)
            self._fused = now, whole
        return self._fused[1]

    def _fast_engine(self):
        """The Runtime that engine="auto" stands for, or None; looked for anew whenever a weight has changed since."""
        from seglab.export.engine import select_engine

        now, side = self._weights_now(), self._trained_size()
        if self._fast is None or self._fast[0] != now:
            self._fast = now, select_engine(self.network, self.names, as_size(side))
        return self._fast[1]

    def _weights_now(self) -> list[tuple[int, int]]:
        """Which tensors the network has and how often each was written: equal as long as no weight has changed."""
        return [(id(tensor), tensor._version) for tensor in (*self.network.parameters(), *self.network.buffers())]


def class_names(weights: Weights, classes: int) -> dict[int, str]:
    """Class id -> name as the weights say; numbers for weights that say none."""
    names = weights.metadata.get("names") or range(classes)
    items = names.items() if isinstance(names, dict) else enumerate(names)
    return {int(index): str(name) for index, name in items}


def old_dataset(source: str) -> DatasetSpec | None:
    """A dataset with training images that weights have learned from; None, and a word on why, where it is not here."""
    try:
        spec = load_dataset(source)
        spec.images("train")
    except (SeglabError, OSError) as error:
        print(f"nothing of {source} can be rehearsed: {error}")
        return None
    return spec


def find_weights(model: str | Path) -> Path:
    """The file of weights by path, by official name (fetched on first use) or by the course weights' name.

    A path that ends in .pt also finds our own .safetensors of that name, for scripts that say `best.pt`; the name of
    official detection weights means those with masks, which hold the same layers.
    Errors: SeglabError that lists the names there are.
    """
    path = Path(model)
    if path.is_file() or path.suffix not in ("", *CHECKPOINTS):
        return path
    if path.suffix and (own := path.with_suffix(".safetensors")).is_file():
        return own
    if str(model).removesuffix(".pt") == COURSE_WEIGHTS:
        return bundled_data_dir() / "weights" / f"{COURSE_WEIGHTS}.safetensors"
    official = [name.removesuffix(".pt") for name in ASSETS if name.endswith(".pt")]
    if path.stem in official:
        return fetch(f"{path.stem}.pt")
    if f"{path.stem}-seg" in official:
        print(f"{path.name} finds boxes only: taking {path.stem}-seg.pt, which has the same layers and finds masks")
        return fetch(f"{path.stem}-seg.pt")
    known = ", ".join([COURSE_WEIGHTS, *official])
    raise SeglabError(f"there is no model '{model}': give a file, or one of {known}")


def weights_beside(exported: str | Path) -> Path:
    """The weights an exported file lies beside: same name, .safetensors."""
    path, row = model_path(Path(exported)), format_of(Path(exported))
    path = path.with_name(path.name.removesuffix(row.SUFFIX if row else path.suffix) + ".safetensors")
    if not path.is_file():
        raise SeglabError(f"no weights at {path}: say model= which weights {exported} came from")
    return path


def pictures(source: Any) -> Any:
    """What predict reads: `source` itself, or the validation images of the dataset it names."""
    if source is None:
        source = "toybox8-seg"
    if isinstance(source, str) and not Path(source).exists() and is_dataset_name(source):
        return list(load_dataset(source).images("val"))
    return source
