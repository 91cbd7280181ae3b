"""Pretrained weights by name: official ones are downloaded on first use, those of the course come with seglab."""

from __future__ import annotations

import re
from pathlib import Path

from seglab.datasets.downloads import ASSETS, fetch
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir
from seglab.model.weights import CHECKPOINT_SUFFIXES

COURSE_WEIGHTS = "toybox-n"  # trained by this project on its toybox, and shipped with it


def counterpart_of(name: str) -> str | None:
    """The name of YOLO11-seg in place of another model's, of the same scale where that has one; None for other text.

    "yolov8s-seg.pt" and "yolo26s-seg.yaml" give "yolo11s-seg".
    """
    if not name.lower().startswith(("yolo", "sam", "fastsam", "mobile_sam", "rtdetr")):
        return None
    scale = re.search(r"\d([nsmlx])(?![a-z])", name.lower())
    return f"yolo11{scale.group(1) if scale else 'n'}-seg"


def find_weights(model: str | Path) -> Path:
    """The file of weights by path, by official name (downloaded on first use) or by the name of the course weights.

    A run's folder means the best weights in it. A path that ends in .pt also finds our own .safetensors of that name,
    for scripts that say `best.pt`, and one without suffix either file. The name of official detection weights means
    those with masks, which hold the same layers.
    Errors: SeglabError that lists the names there are.
    """
    path = Path(model)
    within = _weights_of_run(path)
    if within is not None:
        return within
    if path.is_file() or path.suffix not in ("", *CHECKPOINT_SUFFIXES):
        return path
    if path.suffix:
        own = path.with_suffix(".safetensors")
        if own.is_file():
            return own
    if str(model).removesuffix(".pt") == COURSE_WEIGHTS:
        return bundled_data_dir() / "weights" / f"{COURSE_WEIGHTS}.safetensors"
    if not path.suffix:
        beside = [Path(f"{model}{suffix}") for suffix in (".safetensors", ".pt")]
        found = next((file for file in beside if file.is_file()), None)
        if found is not None:
            return found
    official = [name.removesuffix(".pt") for name in ASSETS if name.endswith(".pt")]
    if path.stem in official:
        return fetch(f"{path.stem}.pt")
    with_masks = f"{path.stem}-seg"
    if with_masks in official:
        print(f"{path.name} predicts boxes only: using {with_masks}.pt, which has the same layers and predicts masks")
        return fetch(f"{with_masks}.pt")
    if str(model) and path.is_dir():
        raise SeglabError(f"{path} has no weights/best.safetensors: give a run's folder, or a file of weights")
    instead = counterpart_of(path.name)
    if instead is not None:
        raise SeglabError(f"no model '{model}', since seglab has YOLO11 only: use {instead}.pt")
    known = ", ".join([COURSE_WEIGHTS, *official])
    raise SeglabError(f"no model '{model}': give a file, or one of {known}")


def _weights_of_run(folder: Path) -> Path | None:
    """The best weights of a run, or the last ones where it has no best yet; None for anything but a run's folder."""
    within = folder if folder.name == "weights" else folder / "weights"
    for name in ("best", "last"):
        for suffix in (".safetensors", ".pt"):
            path = within / f"{name}{suffix}"
            if path.is_file():
                return path
    return None
