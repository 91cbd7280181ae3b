"""CPU seconds of an older version beside this one, task by task: did a change of the structure cost speed?

    python -m benchmarks.old_and_new 59abd42 [--rounds 15] [--tasks predict val ...] [--data NAME] [--weights FILE]

59abd42 is version 0.1.0; any commit that has `from seglab import YOLO` will do. It is checked out into a temporary
folder. Each version runs in a process of its own, on one thread; the two take turns, and who begins changes every
round, so that both meet the same machine. Ratios are new over old, within a round: below 1, this version is faster.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
TASKS = ("import", "predict", "val", "train step", "train")
IMPORT = "from seglab import YOLO; YOLO.predict"
TRAIN_SIZE = 320
# What both versions take for the same run: no choice is left to a recipe, since recipes are no part of the structure.
TRAINING = {
    "recipe": "ultralytics",
    "amp": False,  # in float32, as the old code
    "pretrained": False,
    "imgsz": TRAIN_SIZE,
    "batch": 4,
    "workers": 0,
    "plots": False,
    "device": "cpu",
    "seed": 0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="the older version")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    parser.add_argument("--data", default="toybox8-seg", help="a dataset that both versions know")
    parser.add_argument("--weights", default="toybox-n")
    parser.add_argument("--worker", nargs=2, metavar=("TREE", "TASK"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        serve(Path(given.worker[0]), given.worker[1], given.data, given.weights)
        return
    print("| task | old, CPU s | new, CPU s | new / old, median | quartiles | result, old and new |\n|-|-|-|-|-|-|")
    with checked_out(given.commit) as old:
        for task in given.tasks:
            print(compare(task, {"old": old, "new": HERE}, given.rounds, given.data, given.weights), flush=True)


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A folder with the files of a commit, as long as the block runs."""
    git = ["git", "-C", str(HERE)]
    with tempfile.TemporaryDirectory() as parent:
        tree = Path(parent) / "old"
        subprocess.run([*git, "worktree", "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(tree)], check=True)


def compare(task: str, trees: dict[str, Path], rounds: int, data: str, weights: str) -> str:
    """A row of the table: the two versions in turn."""
    seconds: dict[str, list[float]] = {side: [] for side in trees}
    results: dict[str, Any] = {}
    with ExitStack() as stack:
        workers = {side: stack.enter_context(worker(tree, task, data, weights)) for side, tree in trees.items()}
        for number in range(rounds):
            for side in sorted(trees, reverse=number % 2 == 1):
                took, results[side] = workers[side]()
                seconds[side].append(took)
    ratios = [new / old for old, new in zip(seconds["old"], seconds["new"])]
    low, middle, high = statistics.quantiles(ratios, n=4)
    old, new = (statistics.median(seconds[side]) for side in ("old", "new"))
    return (
        f"| {task} | {old:.3f} | {new:.3f} | {middle:.3f} | {low:.3f} to {high:.3f} | "
        f"{results['old']}, {results['new']} |"
    )


@contextmanager
def worker(tree: Path, task: str, data: str, weights: str) -> Iterator[Callable[[], tuple[float, Any]]]:
    """A process with one version, ready and warm: each call is one turn, and gives CPU seconds and the result."""
    from benchmarks.machine import with_bytecode  # not at the top: the processes with the older tree have another one

    command = [sys.executable, __file__, "-", "--worker", str(tree), task, "--data", data, "--weights", weights]
    environment = {**with_bytecode(), "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "errors").open("w+") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            cwd=folder,  # where runs are written
        )
        assert process.stdin and process.stdout
        out = process.stdout

        def answer() -> tuple[float, Any]:
            for line in out:
                if line.startswith("{"):
                    said = json.loads(line)
                    return said["seconds"], said["result"]
            errors.seek(0)
            raise SystemExit(f"{task} failed in {tree}:\n{errors.read()}")

        def turn() -> tuple[float, Any]:
            process.stdin.write("go\n")
            process.stdin.flush()
            return answer()

        try:
            answer()  # warmed up
            yield turn
        finally:
            process.stdin.close()
            process.wait()


def serve(tree: Path, task: str, data: str, weights: str) -> None:
    """The work of one process: a turn at the beginning, and one for every line on standard input."""
    import cv2
    import torch

    import seglab

    assert Path(seglab.__file__).is_relative_to(tree), f"{seglab.__file__} is not in {tree}"
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    run = make_task(task, data, weights)
    say(run())
    for _ in sys.stdin:
        say(run())


def say(measured: tuple[float, Any]) -> None:
    print("\n" + json.dumps({"seconds": measured[0], "result": measured[1]}), flush=True)


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, and what the function gave."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def make_task(task: str, data: str, weights: str) -> Callable[[], tuple[float, Any]]:
    """The function of one turn -> its CPU seconds, and a number that shows that both versions did the same work."""
    import seglab
    from seglab import YOLO

    if task == "import":
        return import_seconds
    if task == "predict":
        model = YOLO(weights)
        # The older one ran PyTorch unless it was told otherwise, and did not know the word.
        engine = {} if seglab.__version__ == "0.1.0" else {"engine": "torch"}
        return lambda: timed(lambda: pixels(model.predict(data, **engine)))
    if task == "val":
        model = YOLO(weights)
        return lambda: timed(lambda: round(model.val(data, plots=False, device="cpu").seg.map, 4))
    if task == "train step":
        return train_step()
    return lambda: timed(lambda: trained(data))


def import_seconds() -> tuple[float, Any]:
    """CPU seconds of a fresh interpreter that imports the facade, and how many modules it then has."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    count = subprocess.run(
        [sys.executable, "-c", f"{IMPORT}; import sys; print(sum(name.startswith('seglab') for name in sys.modules))"],
        check=True,
        capture_output=True,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    return seconds, f"{count.stdout.strip()} modules"


def pixels(results: list[Any]) -> str:
    """How many instances there are, and pixels in their masks."""
    count = sum(len(result) for result in results)
    inside = sum(int(result.masks.data.sum()) for result in results if result.masks is not None)
    return f"{count} instances, {inside} pixels"


def train_step() -> Callable[[], tuple[float, Any]]:
    """A forward pass, the loss and a backward pass on four images of 30 instances."""
    import torch

    from seglab.model.yolo11 import YOLO11Seg
    from seglab.training.loss import LossGains, segmentation_loss

    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = YOLO11Seg("n", 80).train()
    images = torch.rand(4, 3, TRAIN_SIZE, TRAIN_SIZE, generator=generator)
    corner = torch.rand(120, 2, generator=generator) * TRAIN_SIZE * 0.6
    side = torch.rand(120, 2, generator=generator) * TRAIN_SIZE * 0.35 + 8
    boxes = ((torch.cat((corner, corner + side), dim=1) / 4).round() * 4).clamp(max=TRAIN_SIZE)  # (120, 4) xyxy
    masks = torch.zeros(120, TRAIN_SIZE // 4, TRAIN_SIZE // 4)
    for mask, (left, top, right, bottom) in zip(masks, (boxes / 4).int().tolist()):
        mask[top:bottom, left:right] = 1
    targets = {
        "classes": torch.randint(80, (120,), generator=generator),
        "boxes": boxes,
        "image_index": torch.arange(4).repeat_interleave(30),
        "masks": masks,
    }

    def step() -> float:
        network.zero_grad()
        total = segmentation_loss(network(images), targets, LossGains())[0]
        total.backward()
        return round(float(total), 3)

    return lambda: timed(step)


def trained(data: str) -> str:
    """Two epochs from random weights; the mask loss of the last."""
    from seglab import YOLO

    model = YOLO("yolo11n-seg.yaml")
    model.train(data=data, epochs=2, exist_ok=True, **TRAINING)
    return f"{sum(float(parameter.abs().sum()) for parameter in model.network.parameters()):.1f}"


if __name__ == "__main__":
    main()
