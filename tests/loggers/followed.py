"""A training as trackers see it, without one: its events, rows, images and weights."""

from __future__ import annotations

import types
from pathlib import Path

import cv2
import numpy as np

from seglab.loggers.following import Following

EPOCHS = 2


def make_folder(folder: Path) -> Path:
    """A run's folder with an image of two colors and weights."""
    (folder / "weights").mkdir(parents=True)
    (folder / "weights/best.pt").write_bytes(b"weights")
    image = np.zeros((24, 32, 3), np.uint8)
    image[:, 16:] = (10, 100, 200)
    cv2.imwrite(str(folder / "results.png"), image)
    return folder


def trainer_in(folder: Path, **arguments) -> types.SimpleNamespace:
    given = {"resume": None, "project": "vines", "lr0": 0.01, "freeze": [1, 2], "keep": None, **arguments}
    return types.SimpleNamespace(
        save_dir=folder,
        best=folder / "weights/best.pt",
        args=types.SimpleNamespace(**given),
        row={},
        start_epoch=0,
    )


def row_of(epoch: int) -> dict[str, float]:
    losses = {"train/box_loss": 1 / epoch} if epoch else {}
    return {"epoch": epoch, "time": 1.5, **losses, "metrics/mAP50-95(M)": 0.25 * epoch}


def follow(name: str, folder: Path, **arguments) -> Following:
    """Have a tracker follow a training of two epochs, the start validated, from its first event to its last."""
    trainer = trainer_in(folder, **arguments)
    following = Following([name])
    events = following.functions()
    with following:
        trainer.row = row_of(0)
        events["on_pretrain_routine_end"](trainer)
        for epoch in range(1, EPOCHS + 1):
            trainer.row = row_of(epoch)
            events["on_fit_epoch_end"](trainer)
        events["on_fit_epoch_end"](trainer)  # once more, for the best weights
        events["on_train_end"](trainer)
    return following


def resume(name: str, folder: Path) -> None:
    """Have it follow a third epoch of the training that `follow` had."""
    trainer = trainer_in(folder, resume=str(folder))
    trainer.start_epoch = EPOCHS
    trainer.row = row_of(EPOCHS)
    following = Following([name])
    events = following.functions()
    with following:
        events["on_pretrain_routine_end"](trainer)
        trainer.row = row_of(EPOCHS + 1)
        events["on_fit_epoch_end"](trainer)
        events["on_train_end"](trainer)


class Stub:
    """Anything of a library: attributes and calls give more of it, and `calls` has each call with its arguments."""

    def __init__(self, calls: list | None = None, name: str = ""):
        self.calls: list[tuple[str, tuple, dict]] = [] if calls is None else calls
        self._name = name

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub(self.calls, f"{self._name}.{name}" if self._name else name)

    def __call__(self, *values, **named):
        self.calls.append((self._name, values, named))
        return Stub(self.calls, f"{self._name}()")

    def called(self, name: str) -> list[tuple[tuple, dict]]:
        """Arguments of every call of one name."""
        return [(values, named) for called, values, named in self.calls if called == name]
