"""The facade: one class with the four verbs people know, each a few lines over the library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from seglab.data.assets import ASSETS, fetch
from seglab.data.catalogue import COCO_NAMES, embedded_folder, is_dataset_name, load_dataset
from seglab.errors import SeglabError, refuse_unknown
from seglab.export.formats import format_of
from seglab.inference.decode import decode
from seglab.model.packed import pack
from seglab.model.weights import Transfer, Weights, load_weights, save_weights, transfer
from seglab.model.yolo11 import YOLO11Seg, architecture_of, count_flops, count_parameters, fuse, parse_name
from seglab.runs import choose_device, new_folder

if TYPE_CHECKING:  # each verb imports what it needs when it is first called
    from seglab.inference.predictor import Forward
    from seglab.inference.results import Results

COURSE_WEIGHTS = "toybox-n"  # trained by this project on its toybox, and shipped with it
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
        self.licence = "unknown"
        self._fused: tuple[Any, YOLO11Seg] | None = None
        self._fast: tuple[Any, Any] | None = None
        self._drawn: Any = None  # what the weights were when they were drawn at random
        if Path(model).suffix in (".yaml", ".yml"):
            self._from_architecture(model)
        elif format_of(Path(model)):
            from seglab.export.runtime import load_runtime

            self.runtime = load_runtime(model)
            self.names: dict[int, str] = dict(self.runtime.names)
        else:
            self.path = find_weights(model)
            self._from_weights(load_weights(self.path))
        if verbose:
            self.info()

    # --- building ---

    def _from_architecture(self, model: str | Path) -> None:
        scale = parse_name(Path(model).name)
        if scale is None:
            raise SeglabError(f"'{model}' is no architecture of seglab: use yolo11n-seg.yaml, s, m, l or x")
        self.network = draw_network(scale, len(COCO_NAMES), seed=0)
        self._drawn = self._weights_now()
        self.names = dict(enumerate(COCO_NAMES))

    def _from_weights(self, weights: Weights) -> None:
        self.network = YOLO11Seg(*architecture_of(weights.state))
        report = transfer(self.network, weights.state)
        if report.missing or report.mismatched:
            raise SeglabError(
                f"{self.model_name} lacks {len(report.missing + report.mismatched)} of the model's tensors"
            )
        names = weights.metadata.get("names") or range(self.network.classes)
        items = names.items() if isinstance(names, dict) else enumerate(names)
        self.names = {int(index): str(name) for index, name in items}
        self.overrides = dict(weights.metadata.get("train_args") or {})
        self.licence = weights.metadata.get("license", "unknown")
        self.network.eval()

    def load(self, weights: str | Path) -> YOLO:
        """Take over every tensor that fits from other weights, and list what does not."""
        network = self._network("load weights into it")
        source = load_weights(find_weights(weights))
        report = transfer(network, source.state)
        if not report.loaded:
            raise SeglabError(f"{weights} has no tensor that fits {self.model_name}: use weights of the same scale")
        print(describe_transfer(report, str(weights)))
        self.licence = source.metadata.get("license", "unknown")
        self._fused = None
        return self

    def save(self, path: str | Path) -> Path:
        """Write the weights as safetensors with names, training arguments and licence beside them."""
        network = self._network("save it as weights")
        about = {"names": self.names, "train_args": self.overrides, "license": self.licence}
        return save_weights(path, network.state_dict(), about)

    # --- the four verbs ---

    def train(self, **arguments: Any):
        """Train on `data` and return the metrics of the best weights, which the model then holds.

        Arguments: those of seglab.training.config.TrainConfig and seglab.data.augment.AugmentConfig, by name.
        """
        from seglab.training.config import flatten, make_config, run_folder
        from seglab.training.distributed import first_here
        from seglab.training.trainer import train

        network, data = self._network("train it"), arguments.pop("data", None)
        if arguments.get("resume") is True:  # the run these weights come from
            arguments["resume"] = self.path or True
        config = make_config(**arguments)
        if config.resume:  # the run knows its model and its data
            self.path = run_folder(config.resume) / "weights" / "last.safetensors"
            self._from_weights(load_weights(self.path))
            network = self.network
        data = data or self.overrides.get("data") or DEFAULT_DATA
        spec = first_here(lambda: load_dataset(data))
        if config.resume and network.classes != len(spec.names):
            raise SeglabError(
                f"{config.resume} learns {network.classes} classes and {data} has {len(spec.names)}: leave data= out"
            )
        untouched = self._drawn == self._weights_now()
        if untouched or network.classes != len(spec.names):
            self.network = draw_network(network.scale, len(spec.names), config.seed)
            if not untouched:
                print(describe_transfer(transfer(self.network, network.state_dict()), self.model_name))
        self.names = dict(spec.names)
        result = train(self.network, spec, config, licence=self.licence)  # leaves the best weights in the network
        self.overrides = {**flatten(config), "data": str(spec.yaml or spec.root)}
        self.path = result.best
        return result.metrics

    def val(self, data: str | Path | None = None, **arguments: Any):
        """Box and mask mAP on a dataset; without arguments, on the validation split of the data it was trained on."""
        from seglab.evaluation.validate import ValidateConfig, validate_dataset

        device = choose_device(arguments.pop("device", None))
        refuse_unknown(arguments, [*(f.name for f in fields(ValidateConfig)), "data", "device"], "val")
        arguments = self._at_its_size(arguments)
        spec = load_dataset(data or self.overrides.get("data") or DEFAULT_DATA)
        return validate_dataset(self._forward(device), spec, self.names, ValidateConfig(**arguments), device)

    def predict(self, source: Any = None, stream: bool = False, **arguments: Any) -> list[Results] | Iterator[Results]:
        """Find the objects on images: a path, folder, glob, video, URL, PIL, numpy (BGR), tensor, dataset name or list.

        Returns a list, or with stream=True an iterator that holds one batch at a time. engine="auto": on CPUs, through
        OpenVINO or onnxruntime where one is installed and agrees with the network (see seglab.export.engine).
        """
        results = self._predict(source, arguments)
        return results if stream else list(results)

    __call__ = predict

    def export(self, format: str = "onnx", **arguments: Any) -> str:
        """Write the model in another format, check that it agrees, and return the file's path."""
        from seglab.export.exporter import export

        network, out = self._network("export it"), arguments.pop("out", self.path and self.path.with_suffix(""))
        arguments = {"imgsz": self._trained_size(), "licence": self.licence, **arguments}
        return str(export(network, self.names, format=format, out=out, **arguments))

    def benchmark(self, data: str | Path | None = None, **arguments: Any):
        """Export to every format this machine has the packages for and compare size, mAP and latency in one table.

        Arguments: imgsz, formats, out, as seglab.export.benchmark.benchmark takes them.
        """
        from seglab.export.benchmark import benchmark

        refuse_unknown(arguments, ("data", "imgsz", "formats", "out"), "benchmark")
        arguments = {"imgsz": self._trained_size(), "licence": self.licence, **arguments}
        data = data or self.overrides.get("data") or DEFAULT_DATA
        return benchmark(self._network("benchmark it"), self.names, data, **arguments)

    def doctor(self, data: str | Path | None = None, **arguments: Any):
        """Why is my mAP zero? Every stage from labels to metric is looked at, with evidence and the likely cause.

        Arguments: those of val, and device. The loss terms are weighted as in the model's own training.
        """
        from functools import partial

        from seglab.evaluation.doctor import doctor
        from seglab.evaluation.validate import ValidateConfig
        from seglab.training.assign import assign
        from seglab.training.loss import LossGains, segmentation_loss

        device = choose_device(arguments.pop("device", None))
        refuse_unknown(arguments, [*(f.name for f in fields(ValidateConfig)), "data", "device", "model"], "doctor")
        arguments = self._at_its_size(arguments)
        spec = load_dataset(data or self.overrides.get("data") or DEFAULT_DATA)
        examined = {}
        if self.network is not None:
            gains = LossGains(**{f.name: self.overrides[f.name] for f in fields(LossGains) if f.name in self.overrides})
            loss = partial(segmentation_loss, gains=gains)
            examined = {"network": self.network.to(device), "assign": assign, "loss": loss}
        return doctor(self._forward(device), spec, self.names, ValidateConfig(**arguments), device, **examined)

    # --- looking ---

    def info(self) -> tuple[int, int]:
        """Print and return (parameters, floating-point operations at 640)."""
        network = self._network("count its parameters")
        figures = count_parameters(network), count_flops(network)
        print(f"YOLO11{network.scale}-seg: {figures[0]:,} parameters, {figures[1] / 1e9:.1f} GFLOPs at 640 px")
        return figures

    @property
    def task(self) -> str:
        return "segment"

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device if self.network is not None else torch.device("cpu")

    def _trained_size(self) -> int | tuple[int, int]:
        """The input size this model was made for."""
        return self.runtime.imgsz if self.runtime is not None else self.overrides.get("imgsz") or 640

    def _at_its_size(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with the trained size where they name none, and with the only size of a file that has one."""
        if self.runtime is not None and self.runtime.size:
            return arguments | {"imgsz": self.runtime.size, "rect": False}
        return {"imgsz": self._trained_size(), **arguments}

    def _network(self, purpose: str) -> YOLO11Seg:
        if self.network is None:
            raise SeglabError(f"{self.model_name} is an exported file: open the weights it came from to {purpose}")
        return self.network

    def _predict(self, source: Any, options: dict[str, Any]) -> Iterator[Results]:
        from seglab.inference.predictor import PredictConfig, predict

        keep = {name: options.pop(name, False) for name in ("save", "save_txt", "save_conf", "verbose")}
        place = {name: options.pop(name, None) for name in ("project", "name")}
        exist_ok, half, engine = options.pop("exist_ok", False), options.get("half", False), options.pop("engine", None)
        valid = [*(f.name for f in fields(PredictConfig)), *keep, *place, "engine", "exist_ok", "source", "stream"]
        refuse_unknown(options, valid, "predict")
        device = choose_device(options.pop("device", None))
        config = PredictConfig(**self._at_its_size(options), device=device)
        results = predict(self._forward(device, half, engine), pictures(source), config, self.names)
        if not (keep["save"] or keep["save_txt"] or keep["verbose"]):
            return results
        return self._report(results, keep, new_folder("predict", **place, exist_ok=exist_ok))

    def _report(self, results: Iterator[Results], keep: dict[str, Any], folder: Path) -> Iterator[Results]:
        """Pass results on, writing and telling what was asked for on the way; frames of a video are numbered."""
        taken: dict[str, int] = {}  # name of a file -> the last number that was put behind it
        for result in results:
            stem = name = Path(result.path).stem or "image"
            while name in taken:
                taken[stem] += 1
                name = f"{stem}_{taken[stem]}"
            taken[name] = 1
            if keep["verbose"]:
                print(f"{result.path}: {result.verbose()}, {sum(result.speed.values()):.1f} ms")
            if keep["save"]:
                result.save(folder / f"{name}.jpg")
            if keep["save_txt"]:
                result.save_txt(folder / "labels" / f"{name}.txt", save_conf=keep["save_conf"])
            yield result
        if keep["save"] or keep["save_txt"]:
            print(f"Results saved to {folder}")

    def _forward(
        self, device: str | int | torch.device | None = None, half: bool = False, engine: str | None = None
    ) -> Forward:
        """Images (B, 3, H, W) -> predictions and prototypes: the exported file's, or the fused network's."""
        if engine not in (None, "auto"):
            raise SeglabError(f"engine must be 'auto' or left out, not '{engine}'")
        if self.runtime is not None:
            return self.runtime.forward
        if engine and not half and choose_device(device).type == "cpu" and (fast := self._fast_engine()):
            return fast.forward
        network = self._fused_network(choose_device(device), half)

        @torch.inference_mode()
        def forward(images: Tensor) -> tuple[Tensor, Tensor]:
            raw = network(images)
            return decode(raw, *images.shape[-2:]), raw.prototypes

        return forward

    def _fused_network(self, device: torch.device, half: bool) -> YOLO11Seg:
        """The network fused for speed, for a device; made anew for another one or when a weight has changed since."""
        now = self._weights_now(), device, half
        if self._fused is None or self._fused[0] != now:
            network = fuse(self.network).to(device, torch.float16 if half else torch.float32)
            network = network.to(memory_format=torch.channels_last)
            self._fused = now, pack(network) if device.type == "cpu" and not half else network
        return self._fused[1]

    def _fast_engine(self):
        """The Runtime that engine="auto" stands for, or None; looked for anew whenever a weight has changed since."""
        from seglab.export.engine import fastest

        now, side = self._weights_now(), self._trained_size()
        if self._fast is None or self._fast[0] != now:
            size = (side, side) if isinstance(side, int) else tuple(side)
            self._fast = now, fastest(self.network, self.names, size)
        return self._fast[1]

    def _weights_now(self) -> list[tuple[int, int]]:
        """Which tensors the network has and how often each was written: equal as long as no weight has changed."""
        return [(id(tensor), tensor._version) for tensor in (*self.network.parameters(), *self.network.buffers())]


def draw_network(scale: str, classes: int, seed: int) -> YOLO11Seg:
    """An untrained network, the same for the same seed whatever has been drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return YOLO11Seg(scale, classes).eval()


def find_weights(model: str | Path) -> Path:
    """The file of weights by path, by official name (fetched on first use) or by the course weights' name.

    A path that ends in .pt also finds our own .safetensors of that name, for scripts that say `best.pt`; the name of
    official detection weights means those with masks, which hold the same layers.
    """
    path = Path(model)
    official = [name.removesuffix(".pt") for name in ASSETS if name.endswith(".pt")]
    if str(model) == COURSE_WEIGHTS:
        path = embedded_folder() / "weights" / f"{COURSE_WEIGHTS}.safetensors"
    elif not path.exists() and path.suffix in ("", ".pt"):
        own = path.with_suffix(".safetensors")
        if path.suffix == ".pt" and own.exists():
            path = own
        elif path.stem in official:
            path = fetch(f"{path.stem}.pt")
        elif f"{path.stem}-seg" in official:
            print(f"{path.name} finds boxes only: taking {path.stem}-seg.pt, which has the same layers and finds masks")
            path = fetch(f"{path.stem}-seg.pt")
        elif not path.suffix:
            known = ", ".join([COURSE_WEIGHTS, *official])
            raise SeglabError(f"there is no model '{model}': give a file, or one of {known}")
    return path


def weights_beside(exported: str | Path) -> Path:
    """The weights an exported file lies beside: same name, .safetensors."""
    path, row = Path(exported), format_of(Path(exported))
    path = path.with_name(path.name.removesuffix(row.suffix if row else path.suffix) + ".safetensors")
    if not path.is_file():
        raise SeglabError(f"no weights at {path}: say model= which weights {exported} came from")
    return path


def describe_transfer(report: Transfer, source: str) -> str:
    """What was taken over from other weights, in words."""
    total = len(report.loaded) + len(report.mismatched) + len(report.missing)
    lines = [f"{len(report.loaded)} of {total} tensors taken from {source}"]
    for label, names in (
        ("another shape, left as initialised", report.mismatched),
        ("not in the weights, left as initialised", report.missing),
        ("not in the model, unused", report.unused),
    ):
        if names:
            shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
            lines.append(f"  {label}: {shown}")
    return "\n".join(lines)


def pictures(source: Any) -> Any:
    """What predict reads: `source` itself, or the validation images of the dataset it names."""
    if source is None:
        source = "toybox8-seg"
    if isinstance(source, str) and not Path(source).exists() and is_dataset_name(source):
        return list(load_dataset(source).images("val"))
    return source
