"""Runs exported files. Every format ends in the same callable, which prediction and validation take as the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export import foreign
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import FORMATS, format_of, model_path, module_of
from seglab.inference.predictor import Forward
from seglab.wording import pluralize

Complete = Callable[[np.ndarray], tuple[np.ndarray, ...]]


class Runtime:
    """An exported file, loaded. `run` is the format's own call; `forward` adds what all formats need around it.

    A file of another tool may take and give tensors of other layouts, which `forward` turns into ours; channels_last:
    its input is (B, H, W, 3).
    names: class id -> name. batch: images a call, where shapes are fixed. size: the only (height, width) the file
    takes, or None when any multiple of 32 will do.
    complete: of an end-to-end file, image (h, w, 3) uint8 RGB -> boxes, scores, classes and masks; None of others.
    """

    def __init__(
        self,
        path: str | Path,
        description: ModelMetadata,
        run: Forward,
        complete: Complete | None = None,
        channels_last: bool = False,
    ):
        self.path, self.description, self.run, self.complete = Path(path), description, run, complete
        self.channels_last = channels_last
        self.names, self.batch = description.names, description.batch
        self.size = None if description.dynamic else description.size

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images (B, 3, H, W) float in 0..1 -> predictions (B, 4 + C + 32, A), prototypes (B, 32, H/4, W/4).

        Any batch size: a file with a fixed one is called as often as needed. Outputs are float32 on the images' device.
        """
        if self.size and tuple(images.shape[2:]) != self.size:
            raise SeglabError(
                f"{self.path} was exported for {self.size} (height, width), not {tuple(images.shape[2:])}: "
                "letterbox to that size, or export with dynamic=True"
            )
        inputs = images.detach().to("cpu", torch.float32).contiguous()
        if self.description.dynamic:
            outputs = self._run(inputs)
        else:
            outputs = tuple(torch.cat(parts) for parts in zip(*map(self._run_padded, inputs.split(self.batch))))
        return tuple(output.to(images.device, torch.float32) for output in outputs)

    @property
    def imgsz(self) -> int | tuple[int, int]:
        """What prediction and validation letterbox to: the only size, or the long side where any size will do."""
        return self.size or max(self.description.size)

    @property
    def summary(self) -> str:
        """What the file is and where it comes from, in a line."""
        height, width = self.description.size
        size = "any size" if self.size is None else f"{height} x {width}"
        return f"{self.path.name}: {pluralize(len(self.names), 'class')}, {size}, {self.description.origin}"

    def _run(self, images: Tensor) -> tuple[Tensor, ...]:
        """One call of the file, in its own layout and back from it."""
        if not self.description.is_foreign:
            return self.run(images)
        height, width = images.shape[2:]
        outputs = self.run(images.permute(0, 2, 3, 1).contiguous() if self.channels_last else images)
        return foreign.arrange(outputs, len(self.names), height, width, self.channels_last)

    def _run_padded(self, images: Tensor) -> tuple[Tensor, ...]:
        """At most `batch` images through a file that takes exactly `batch`."""
        missing = self.batch - len(images)
        padded = torch.cat((images, images.new_zeros(missing, *images.shape[1:]))) if missing else images
        return tuple(output[: len(images)] for output in self._run(padded))


def load_runtime(path: str | Path) -> Runtime:
    """Load an exported file, choosing by its name.

    Errors: FileNotFoundError; SeglabError for an unknown format, a missing package, a damaged or undescribed file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no exported model at {path}: check the path")
    row = format_of(path)
    if row is None:
        known = ", ".join(f"*{row.suffix}" for row in FORMATS.values())
        raise SeglabError(f"{path} has no name of an exported model: seglab runs {known}")
    return module_of(row).load(model_path(path))
