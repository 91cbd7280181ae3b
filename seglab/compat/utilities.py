"""Small helpers that scripts import from the utilities: timing, counting, seeds, files, polygons as mask images."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from packaging.requirements import Requirement
from torch import nn

from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES, atomic_write
from seglab.inference.sources import VIDEO_SUFFIXES
from seglab.model.yolo11 import count_flops, count_layers

MEGABYTE = 1 << 20
IMG_FORMATS = {suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES}
VID_FORMATS = {suffix.removeprefix(".") for suffix in VIDEO_SUFFIXES}


class Profile(contextlib.ContextDecorator):
    """Seconds spent in a block or function: `with Profile() as p: ...`, then p.dt of the last time and p.t of all."""

    def __init__(self, t: float = 0.0, device: torch.device | None = None):
        self.t = t
        self.dt = 0.0
        self.device = device
        self._start = 0.0

    def __enter__(self) -> Profile:
        self._start = time_sync(self.device)
        return self

    def __exit__(self, *_: Any) -> None:
        self.dt = time_sync(self.device) - self._start
        self.t += self.dt

    def __str__(self) -> str:
        return f"{self.t:.3g} s"


def time_sync(device: torch.device | None = None) -> float:
    """Seconds of a clock, once a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize(device)
    return time.perf_counter()


def ThreadingLocked() -> Callable[[Callable], Callable]:
    """A decorator: only one thread at a time is in the function, as threads need that share a model."""
    lock = threading.Lock()

    def locked(function: Callable) -> Callable:
        @functools.wraps(function)
        def alone(*args: Any, **kwargs: Any) -> Any:
            with lock:
                return function(*args, **kwargs)

        return alone

    return locked


# --- numbers and networks ---


def make_divisible(x: float, divisor: int | torch.Tensor) -> int:
    """The next multiple of `divisor` that is not below x."""
    step = int(divisor.max()) if isinstance(divisor, torch.Tensor) else int(divisor)
    return int(-(-x // step) * step)


def get_num_params(model: nn.Module) -> int:
    """How many numbers a network has."""
    return sum(parameter.numel() for parameter in model.parameters())


def get_num_gradients(model: nn.Module) -> int:
    """How many of them learn."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def get_flops(model: nn.Module, imgsz: int | Sequence[int] = 640) -> float:
    """1e9 floating-point operations on one image."""
    side = imgsz if isinstance(imgsz, int) else max(imgsz)
    return count_flops(unwrap_model(model), side) / 1e9


def model_info(model: nn.Module, detailed: bool = False, verbose: bool = True, imgsz: int = 640) -> Any:
    """Print and return layers, parameters, those of them that learn, and 1e9 operations on one image."""
    layers = count_layers(model)
    parameters = get_num_params(model)
    learning = get_num_gradients(model)
    flops = get_flops(model, imgsz)
    if detailed:
        for name, parameter in model.named_parameters():
            print(f"{name:<50} {tuple(parameter.shape)!s:<20} {parameter.numel():>9,}")
    if verbose:
        print(f"{layers} layers, {parameters:,} parameters, {learning:,} of them learn, {flops:.1f} GFLOPs")
    return layers, parameters, learning, flops


def unwrap_model(model: nn.Module) -> Any:
    """The network itself, of one that is spread over processes or compiled."""
    while hasattr(model, "module") or hasattr(model, "_orig_mod"):
        model = model.module if hasattr(model, "module") else model._orig_mod  # type: ignore[assignment]
    return model


def init_seeds(seed: int = 0, deterministic: bool = False) -> None:
    """Seed everything random. deterministic: also ask PyTorch for the same result every time."""
    import random

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(deterministic, warn_only=True)


def smart_inference_mode() -> Callable:
    """A decorator: what is computed inside keeps no gradients."""
    return torch.inference_mode()


# --- files ---


def file_size(path: str | Path) -> float:
    """Megabytes of a file, or of all files in a folder; 0 where there is nothing."""
    place = Path(path)
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / MEGABYTE


@contextlib.contextmanager
def WorkingDirectory(new_dir: str | Path) -> Iterator[None]:
    """Work in another folder for the time of a block or function."""
    before = Path.cwd()
    os.chdir(new_dir)
    try:
        yield
    finally:
        os.chdir(before)


def check_file(file: str | Path, suffix: str = "", hard: bool = True, **_: Any) -> str:
    """The path of a file that is there. hard: Errors: SeglabError where it is not; else "" is returned."""
    path = Path(str(file).strip())
    if path.is_file() and path.suffix.lower().endswith(suffix.lower()):
        return str(path)
    if hard:
        raise SeglabError(f"there is no file {file}{' with the suffix ' + suffix if suffix else ''}: check the path")
    return ""


class YAML:
    """`YAML.load(file)` and `YAML.save(file, data)`."""

    @staticmethod
    def load(file: str | Path = "data.yaml", append_filename: bool = False) -> dict[str, Any]:
        """What a file holds; append_filename: with its own path as `yaml_file`."""
        data = yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {}
        return {**data, "yaml_file": str(file)} if append_filename else data

    @staticmethod
    def save(file: str | Path = "data.yaml", data: dict[str, Any] | None = None, header: str = "") -> None:
        """Write data; paths become text."""
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in (data or {}).items()}
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
        atomic_write(Path(file), (header + text).encode())


def yaml_load(file: str | Path = "data.yaml", append_filename: bool = False) -> dict[str, Any]:
    """`YAML.load`, under its older name."""
    return YAML.load(file, append_filename)


def yaml_save(file: str | Path = "data.yaml", data: dict[str, Any] | None = None, header: str = "") -> None:
    """`YAML.save`, under its older name."""
    YAML.save(file, data, header)


def check_requirements(requirements: str | Path | Sequence[str] = (), exclude: Sequence[str] = (), **_: Any) -> bool:
    """Whether packages such as "shapely>=2" are installed, in these versions. Those that are not are printed.

    requirements: one or several, or the path of a requirements.txt. Nothing is installed.
    """
    if isinstance(requirements, Path) or str(requirements).endswith(".txt"):
        lines = Path(str(requirements)).read_text(encoding="utf-8").splitlines()
        wanted = [text for text in (line.partition("#")[0].strip() for line in lines) if text]
    else:
        wanted = [requirements] if isinstance(requirements, str) else list(requirements)
    missing = [text for text in wanted if Requirement(text).name not in exclude and not _is_met(Requirement(text))]
    if missing:
        print(f"not installed: {', '.join(missing)}. Install with: pip install {' '.join(map(repr, missing))}")
    return not missing


def _is_met(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(importlib.metadata.version(requirement.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def check_det_dataset(dataset: str | Path, autodownload: bool = True) -> dict[str, Any]:
    """What a dataset's YAML says, with absolute paths: names, nc, path, yaml_file, channels, and of each split the
    folder of its images, or the images where they lie in several.

    autodownload: has no effect. Errors: SeglabError where there is no such dataset.
    """
    spec = load_dataset(dataset)
    splits: dict[str, Any] = {}
    for split, images in spec.splits.items():
        folders = {image.parent for image in images}
        splits[split] = str(folders.pop()) if len(folders) == 1 else [str(image) for image in images]
    about = {"path": spec.root, "names": dict(spec.names), "nc": len(spec.names), "channels": 3}
    return {**about, **splits, "yaml_file": str(spec.yaml or spec.root)}


def img2label_paths(img_paths: Sequence[str | Path]) -> list[str]:
    """.../images/name.jpg -> .../labels/name.txt, for each."""
    found = []
    for path in map(Path, img_paths):
        parts = list(path.parts)
        if "images" in parts:
            last = len(parts) - 1 - parts[::-1].index("images")
            parts[last] = "labels"
        found.append(str(Path(*parts).with_suffix(".txt")))
    return found


# --- polygons as mask images ---


def polygon2mask(
    imgsz: Sequence[int], polygons: Sequence[np.ndarray], color: int = 1, downsample_ratio: int = 1
) -> np.ndarray:
    """Polygons, each (n, 2) or flat (2n,) xy in pixels -> one mask image (H, W) uint8 that is `color` inside any.

    imgsz: (height, width); downsample_ratio: the mask image is smaller by this.
    """
    height, width = int(imgsz[0]), int(imgsz[1])
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        # As lines through the centers of pixels, which is what `masks.xy` is.
        points = np.asarray(polygon, np.float64).reshape(-1, 2).astype(np.int32)
        cv2.fillPoly(mask, [points], color)
    if downsample_ratio == 1:
        return mask
    return cv2.resize(mask, (width // downsample_ratio, height // downsample_ratio), interpolation=cv2.INTER_LINEAR)


def polygons2masks(
    imgsz: Sequence[int], polygons: Sequence[np.ndarray], color: int = 1, downsample_ratio: int = 1
) -> np.ndarray:
    """N polygons -> (N, H, W) uint8 mask images, one each (see `polygon2mask`)."""
    one = functools.partial(polygon2mask, imgsz, color=color, downsample_ratio=downsample_ratio)
    return np.array([one([polygon]) for polygon in polygons])


def polygons2masks_overlap(
    imgsz: Sequence[int], segments: Sequence[np.ndarray], downsample_ratio: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """N polygons -> (H, W) number of the polygon on top, from 1 on, smaller ones above, and the order (N,) of them."""
    masks = polygons2masks(imgsz, segments, 1, downsample_ratio)
    areas = masks.reshape(len(masks), -1).sum(axis=1)
    order = np.argsort(-areas, kind="stable")
    kind = np.int32 if len(masks) > 255 else np.uint8
    overlaid = np.zeros(masks.shape[1:], kind)
    for number, index in enumerate(order, start=1):
        overlaid[masks[index] > 0] = number
    return overlaid, order
