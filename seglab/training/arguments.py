"""The arguments of a training run: from flat names to a TrainConfig, and to and from the run's args.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from seglab.config import AugmentConfig, TrainConfig, names_of, refuse_unknown
from seglab.errors import SeglabError
from seglab.files import atomic_write, runs_dir
from seglab.formats.text_files import read_yaml
from seglab.training.checkpoint import RESUME
from seglab.training.distributed import is_main
from seglab.training.recipes import AUTO, RECIPES, Start, choose, describe_scratch


def make_config(**arguments: Any) -> TrainConfig:
    """Arguments by their flat names, those of the augmentation included -> TrainConfig.

    Later ones win: defaults, the resumed run's arguments (`resume`), the recipe's (`recipe`), those passed here. What
    recipe="auto" chooses depends on weights and data: see seglab.training.recipes.choose.
    Errors: SeglabError for an unknown name (with the nearest valid one) or a value that does not fit.
    """
    own = names_of(TrainConfig)
    augmentation = names_of(AugmentConfig)
    refuse_unknown(arguments, [*own, *augmentation], "train")
    values: dict[str, Any] = {}
    if arguments.get("resume"):
        values |= read_arguments(run_folder(arguments["resume"]))
    values |= RECIPES.get(str(arguments.get("recipe")), {})
    values |= arguments
    if values.get("keep") and arguments.get("freeze_bn") is False:
        raise SeglabError("keep=True also freezes the statistics of batch normalization: leave out freeze_bn=False")
    if values.get("recipe", AUTO) is None:
        values["recipe"] = AUTO
    augment = AugmentConfig(**{name: value for name, value in values.items() if name in augmentation})
    return TrainConfig(**{name: value for name, value in values.items() if name in own}, augment=augment)


def with_chosen_settings(
    config: TrainConfig, start: Start, images: int, given: Mapping[str, Any]
) -> tuple[TrainConfig, dict[str, Any]]:
    """The config with what recipe="auto" chooses, which is printed with its reasons; as it is for other recipes.

    start: what the weights know of the data, which has so many training images; given: the user's own arguments by
    flat name, which win. Also the settings to fall back to unless the first epoch is better than the start; {} where
    none is tried, and of a resumed run, which knows them itself.
    """
    text = describe_scratch(images) if start.scratch else ""
    fallback: dict[str, Any] = {}
    if config.recipe == AUTO and not (config.resume or start.scratch):
        choice = choose(start, images, config.epochs, config.imgsz, given)
        config = make_config(**{**choice.settings, **given})
        text = choice.text
        fallback = choice.fallback
    if text and is_main():
        print(text)
    return config, fallback


def flatten(config: TrainConfig) -> dict[str, Any]:
    """The inverse of make_config: every argument under its flat name."""
    values = asdict(config)
    augment = values.pop("augment")
    return values | augment


def run_folder(resume: str | Path | bool) -> Path:
    """The run folder a `resume` value means: the folder itself, its weights folder, or a file in either."""
    if isinstance(resume, bool):
        raise SeglabError("resume=True does not say which run: give its folder, e.g. resume='runs/segment/train'")
    path = Path(resume)
    if path.suffix in (".safetensors", ".pt"):
        return path.parent.parent
    if path.suffix in (".yaml", ".csv") and not path.is_dir():
        return path.parent
    return path.parent if path.name == "weights" else path


def last_run() -> Path | None:
    """The last interrupted run: the newest in runs/segment that can be resumed. None where there is none."""
    states = runs_dir().glob(f"*/{RESUME}")
    newest = max(states, key=lambda path: path.stat().st_mtime, default=None)
    return None if newest is None else newest.parent.parent


def write_arguments(folder: Path, config: TrainConfig, data: str | list[str]) -> None:
    """Write args.yaml, which says how the run was made."""
    about = {"task": "segment", "mode": "train", "data": data}  # as files of ultralytics begin
    text = yaml.safe_dump({**about, **flatten(config)}, sort_keys=False)
    atomic_write(folder / "args.yaml", text.encode())


def read_arguments(folder: Path) -> dict[str, Any]:
    """The arguments of an earlier run, without task, mode and data. Errors: FileNotFoundError where there are none."""
    path = folder / "args.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"cannot resume from {folder}: it has no args.yaml; give the folder of a run")
    values = read_yaml(path)
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise SeglabError(f"{path} has no arguments of a run: give the folder of a run, or start a new one")
    return {name: value for name, value in values.items() if name not in ("task", "mode", "data")}
