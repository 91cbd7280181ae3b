"""One training process, started by tests that kill it or let several train together.

argv: JSON of the arguments of `make_config`, and optionally {"dies_at": ["step" or "sync", n]}: the n-th batch or the
n-th file flushed to disk is the last thing the process does; {"fitness": [0.1, ...]}: what validation says, by epoch;
{"gain": 1.0}: what it says by distance from the start, which the weights then know something of.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

import seglab.training.checkpoint as checkpoint
import seglab.training.engine as engine
import seglab.training.trainer as trainer
from seglab.datasets.load import load_dataset
from seglab.model.yolo11 import SCALES, Scale, YOLO11Seg
from seglab.training import distributed
from seglab.training.arguments import make_config
from seglab.training.recipes import SCRATCH, Start


class Figures:
    """Stands for Metrics where a test is not about validation."""

    fitness = 0.5

    def show(self) -> None:
        print("no metrics")


def new_model() -> YOLO11Seg:
    """YOLO11-seg at half of n's width, for quick tests; the same weights every time."""
    SCALES["tiny"] = Scale(0.5, 0.125, 1024, False)
    torch.manual_seed(1)
    return YOLO11Seg("tiny", 10)


def run(validation=lambda model: (Figures(), {}), start=SCRATCH, fallback=None, **arguments):
    """Train on the embedded images, writing every epoch."""
    checkpoint.SECONDS_BETWEEN_SAVES = 0.0
    arguments = {"imgsz": 64, "workers": 0, "device": "cpu", "plots": False, "val": False} | arguments
    model = new_model()
    config = make_config(**arguments)
    result = trainer.train(model, load_dataset("toybox8-seg"), config, validation, start=start, fallback=fallback)
    return result, model


def planned(fitness: list[float], batches: int = 2):
    """A validation that finds `fitness[epoch]`, the epoch told from how many batches the network has seen."""

    def validation(model):
        figures = Figures()
        figures.fitness = fitness[int(model.model[0].bn.num_batches_tracked) // batches - 1]
        return figures, {"metrics/mAP50-95(M)": figures.fitness}

    return validation


def judged_by_distance(gain: float, class_loss: float = 0.5):
    """A validation to which the fitness of weights is 0.5 + `gain` times how far they are from the start.

    class_loss: of all weights but those of the start, where it is 1.
    """
    start = {name: tensor for name, tensor in new_model().state_dict().items() if tensor.is_floating_point()}

    def validation(model):
        figures = Figures()
        state = model.state_dict()
        moved = sum((state[name] - tensor).square().sum() for name, tensor in start.items())
        figures.fitness = 0.5 + gain * float(moved.sqrt())
        return figures, {"metrics/fitness": figures.fitness, "val/cls_loss": class_loss if moved else 1.0}

    return validation


def die_at(event: str, count: int) -> None:
    """Replace what happens at `event` by something that kills this process without warning at the `count`-th time."""
    module, name = {"step": (engine, "segmentation_loss"), "sync": (os, "fsync")}[event]
    original, seen = getattr(module, name), []

    def deadly(*arguments):
        seen.append(1)
        if len(seen) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)

    setattr(module, name, deadly)


def communicating_threads() -> list[str]:
    """Names of this process's threads that belong to a group of processes; Linux tells."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name or "tcpstore" in name]


if __name__ == "__main__":
    torch.set_num_threads(1)
    options = json.loads(sys.argv[1])
    if "dies_at" in options:
        die_at(*options.pop("dies_at"))
    if "fitness" in options:
        options["validation"] = planned(options.pop("fitness"))
    if "gain" in options:
        options["validation"] = judged_by_distance(options.pop("gain"))
        options["start"] = Start(known=10, scratch=False)
    kept = run(**options)  # as YOLO keeps its trainer
    if "WORLD_SIZE" in os.environ:
        distributed.leave(distributed.join(torch.device("cpu")))
        assert not communicating_threads()
