"""TensorBoard: event files in the run's own folder, for `tensorboard --logdir runs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from seglab.loggers.tracker import About

PACKAGE = "tensorboard"


def start(about: About) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(about.folder))
    lines = [f"    {name}: {value}" for name, value in about.arguments.items()]
    writer.add_text("arguments", "\n".join(lines))  # four spaces are code in Markdown
    return writer


def identity(run: Any) -> str:
    return ""


def log(run: Any, values: Mapping[str, float], epoch: int) -> None:
    for name, value in values.items():
        run.add_scalar(name, value, epoch)


def log_files(run: Any, images: Sequence[Path], weights: Path) -> None:
    for path in images:
        image = cv2.imread(str(path))  # (H, W, 3) BGR
        if image is not None:
            run.add_image(path.stem, image[..., ::-1].copy(), dataformats="HWC")


def close(run: Any) -> None:
    run.close()
