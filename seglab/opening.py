"""From what the user calls a model, an architecture, weights or an exported file, to the model and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seglab.class_names import COCO_NAMES
from seglab.datasets.pretrained import counterpart_of, find_weights
from seglab.datasets.trained_on import data_of_training
from seglab.errors import SeglabError, reading
from seglab.export import registry
from seglab.export.runtime import Runtime
from seglab.files import YAML_SUFFIXES
from seglab.model.transfer import init_network, transfer
from seglab.model.weights import Weights, class_names, load_weights
from seglab.model.yolo11 import YOLO11Seg, architecture_of, parse_name


@dataclass(frozen=True)
class Opened:
    """A model as it was opened: a network, or what runs an exported file.

    names: class id -> name; training: the arguments it was trained with, as its weights say; path: of the weights, None
    where the network is a new one from an architecture, whose weights are random.
    """

    names: dict[int, str]
    network: YOLO11Seg | None = None
    runtime: Runtime | None = None
    training: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    license: str = "unknown"


def open_model(model: str | Path, trust: bool = False) -> Opened:
    """Open what a name or path stands for. trust: also an exported file of another machine that can run code.

    Errors: SeglabError where there is no such model, or its file is damaged.
    """
    if Path(model).suffix in YAML_SUFFIXES:
        return new_model(model)
    if registry.format_of(Path(model)):
        return open_exported(model, trust)
    return open_weights(find_weights(model), str(model))


def new_model(model: str | Path) -> Opened:
    """An architecture with random weights, such as "yolo11n-seg.yaml"."""
    scale = parse_name(Path(model).name)
    if scale is None:
        instead = counterpart_of(Path(model).name)
        advice = "yolo11n-seg.yaml, s, m, l or x" if instead is None else f"{instead}.yaml"
        raise SeglabError(f"'{model}' is not an architecture of seglab, which has YOLO11: use {advice}")
    return Opened(dict(enumerate(COCO_NAMES)), init_network(scale, len(COCO_NAMES), seed=0))


def open_exported(model: str | Path, trust: bool) -> Opened:
    """An exported file, which runs but cannot be trained."""
    runtime = registry.load_runtime(model, trust)
    return Opened(dict(runtime.names), runtime=runtime, license=runtime.metadata.license)


def open_weights(path: Path, model_name: str) -> Opened:
    """Weights in a file. model_name: what the user calls them, for messages."""
    weights = load_weights(path)
    with reading(model_name, "weights of YOLO11-seg"):
        return _with_network(weights, path, model_name)


def _with_network(weights: Weights, path: Path, model_name: str) -> Opened:
    """What `open_weights` does with what it has read."""
    network = YOLO11Seg(*architecture_of(weights.state))
    report = transfer(network, weights.state)
    lacking = [*report.missing, *report.mismatched]
    if lacking:
        raise SeglabError(
            f"{model_name} is missing {len(lacking)} tensors of YOLO11{network.scale}-seg: get a new copy"
        )
    names = class_names(weights, network.classes, model_name)
    trained = weights.metadata.get("train_args") or {}
    if not isinstance(trained, dict):
        raise SeglabError(f"{model_name}: its training arguments are not a mapping: get a new copy")
    training = dict(trained)
    data = data_of_training(training, names)
    if data is not None:
        training["data"] = data
    license = str(weights.metadata.get("license", "unknown"))
    return Opened(names, network.eval(), training=training, path=path, license=license)
