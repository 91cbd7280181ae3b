"""An opened exported file. Every format becomes the same callable, which predicts and validates like the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError, reading
from seglab.export.foreign_tensors import to_seglab_layout
from seglab.export.metadata import ModelMetadata
from seglab.model.head import COEFFICIENTS
from seglab.wording import pluralize

# One call of a file: images (B, 3, H, W) -> its outputs as they are.
Run = Callable[[Tensor], Sequence[Tensor]]
# image (h, w, 3) uint8 RGB -> boxes (N, 4), scores (N,), classes (N,) and, where the file has them, masks (N, h, w).
EndToEndRun = Callable[[np.ndarray], tuple[np.ndarray, ...]]


class Runtime:
    """An exported file, opened. `run` is the format's own call; `forward` adds what all formats need around it.

    names: class id -> name.
    batch: images per call, where shapes are fixed.
    size: the only (height, width) the file takes, or None when any multiple of 32 will do.
    end_to_end: of an end-to-end file, image (h, w, 3) uint8 RGB -> boxes, scores, classes and masks; None otherwise.
    channels_last: the file of another tool takes images (B, H, W, 3); `forward` takes (B, 3, H, W) all the same.
    """

    def __init__(
        self,
        path: str | Path,
        metadata: ModelMetadata,
        run: Run,
        end_to_end: EndToEndRun | None = None,
        channels_last: bool = False,
    ):
        self.path = Path(path)
        self.metadata = metadata
        self.run = run
        self.end_to_end = end_to_end
        self.channels_last = channels_last
        self.names = metadata.names
        self.batch = metadata.batch
        self.size = None if metadata.dynamic else metadata.size

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images (B, 3, H, W) float in 0..1 -> predictions (B, 4 + C + 32, A), prototypes (B, 32, H/4, W/4).

        Any batch size: a file with a fixed one is called as often as needed. Outputs are float32 on the images' device.
        Errors: SeglabError for images of a size that the file does not take.
        """
        size = tuple(images.shape[2:])
        if self.size and size != self.size:
            raise SeglabError(
                f"{self.path} was exported for {self.size} (height, width), not {size}: letterbox to that size, or "
                "export with dynamic=True"
            )
        inputs = images.detach().to("cpu", torch.float32).contiguous()
        if self.metadata.dynamic:
            predictions, prototypes = self._run(inputs)
        else:
            parts = [self._run_padded(group) for group in inputs.split(self.batch)]
            predictions = torch.cat([part[0] for part in parts])
            prototypes = torch.cat([part[1] for part in parts])
        return predictions.to(images.device, torch.float32), prototypes.to(images.device, torch.float32)

    @property
    def imgsz(self) -> int | tuple[int, int]:
        """What prediction and validation letterbox to: the only size, or the long side where any size will do."""
        return self.size or max(self.metadata.size)

    @property
    def summary(self) -> str:
        """What the file is and where it comes from, in one line."""
        height, width = self.metadata.size
        size = "any size" if self.size is None else f"{height} x {width}"
        return f"{self.path.name}: {pluralize(len(self.names), 'class')}, {size}, {self.metadata.origin}"

    def _run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """One call of the file, in its own layout and back from it."""
        with reading(self.path, "a model that runs", "export it again"):
            return self._called(images)

    def _called(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What `_run` does; whatever a file has in it may fail in any way."""
        if not self.metadata.is_foreign:
            predictions, prototypes = self.run(images)
            rows = 4 + len(self.names) + COEFFICIENTS
            fits = predictions.dim() == 3 and predictions.shape[1] == rows and len(predictions) == len(images)
            if not fits or prototypes.dim() != 4 or prototypes.shape[1] != COEFFICIENTS:
                shapes = f"{tuple(predictions.shape)} and {tuple(prototypes.shape)}"
                raise SeglabError(
                    f"{self.path} returned the shapes {shapes}, which do not fit the {len(self.names)} classes in its "
                    "metadata: export it again"
                )
            return predictions, prototypes
        height, width = images.shape[2:]
        inputs = images.permute(0, 2, 3, 1).contiguous() if self.channels_last else images
        return to_seglab_layout(self.run(inputs), len(self.names), height, width, self.channels_last)

    def _run_padded(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """At most `batch` images through a file that takes exactly `batch`."""
        count = len(images)
        if count < self.batch:
            padding = images.new_zeros(self.batch - count, *images.shape[1:])
            images = torch.cat((images, padding))
        predictions, prototypes = self._run(images)
        return predictions[:count], prototypes[:count]
