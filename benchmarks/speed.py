"""Speed and memory beside ultralytics: `python -m benchmarks.speed`.

Each tool runs in a process of its own (importing ultralytics sets one OpenMP thread, so threads are set afterwards and
stated). The two take turns, A B A B ..., on the same weights and images; the figure is the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # where ultralytics learns it is imported first, as it sets the number of threads
    from seglab.datasets.spec import DatasetSpec

ROUNDS = {"predict": 25, "train step": 9, "val": 5}
IMPORTS = {"torch": "import torch", "seglab": "from seglab import YOLO", "peer": "from ultralytics import YOLO"}


def import_seconds(statement: str) -> float:
    """Wall time of one fresh interpreter that runs `statement`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment())
    return time.perf_counter() - start


def environment() -> dict[str, str]:
    return {**os.environ, "YOLO_OFFLINE": "1", "YOLO_CONFIG_DIR": str(Path(tempfile.gettempdir()) / "peer-settings")}


class Worker:
    """One tool in its own process, told over a pipe what to do; answers with seconds and peak memory."""

    def __init__(self, tool: str, task: str, data: str, threads: int):
        arguments = [sys.executable, "-m", "benchmarks.speed", "--worker", tool, task, data, str(threads)]
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        self.read()  # ready, warmed up

    def read(self) -> dict:
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"the worker ended: run it by hand to see why: {' '.join(self.process.args)}")
            if line.startswith("{"):
                return json.loads(line)

    def go(self) -> dict:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def work(tool: str, task: str, data: str, threads: int) -> None:
    """The worker's side: prepare, warm up twice, then one timed round for every line on standard input."""
    run = {"seglab": prepare_seglab, "peer": prepare_peer}[tool](task, data, threads)
    run(), run()
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peak_mb": peak}), flush=True)


def training_batch(data: str) -> dict:
    """Four letterboxed images at 640 with hard targets, as both tools' losses take them."""
    from seglab.data.collate import collate
    from seglab.data.dataset import SegmentationDataset
    from seglab.datasets.load import load_dataset

    dataset = SegmentationDataset(load_dataset(data), "train", 640, mask_targets="hard")
    return collate([dataset[i] for i in range(4)])


def prepare_seglab(task: str, data: str, threads: int):
    """What one round of `task` is in seglab."""
    import torch

    from seglab import YOLO
    from seglab.datasets.pretrained import COURSE_WEIGHTS

    torch.set_num_threads(threads)
    model = YOLO(COURSE_WEIGHTS)
    if task == "predict":
        image = first_image(data)
        return lambda: model.predict(image, imgsz=640)
    if task == "val":
        return lambda: model.val(data=data, imgsz=640, workers=0, verbose=False)

    from seglab.training.loss import LossGains, segmentation_loss

    network = model.network.train().to(memory_format=torch.channels_last)
    batch, optimizer = training_batch(data), torch.optim.AdamW(network.parameters(), lr=1e-5)
    images = (batch["images"].float() / 255).contiguous(memory_format=torch.channels_last)

    def step():
        total, _ = segmentation_loss(network(images), batch, LossGains())
        total.backward()
        finish(network, optimizer)

    return step


def finish(network, optimizer) -> None:
    """The end of a training step, the same in both tools."""
    import torch

    torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
    optimizer.step()
    optimizer.zero_grad()


def prepare_peer(task: str, data: str, threads: int):
    """What the same round is in ultralytics, with the same weights."""
    import torch
    from safetensors.torch import load_file
    from ultralytics import YOLO
    from ultralytics.nn.tasks import SegmentationModel

    from seglab.datasets.load import load_dataset

    torch.set_num_threads(threads)
    spec = load_dataset(data)
    model = YOLO("yolo11n-seg.yaml", task="segment")
    model.model = SegmentationModel("yolo11n-seg.yaml", nc=len(spec.names), verbose=False)
    model.model.load_state_dict({name: tensor.float() for name, tensor in load_file(weights_file()).items()})
    model.model.names = dict(spec.names)
    if task == "predict":
        image = first_image(data)
        return lambda: model.predict(image, imgsz=640, verbose=False)
    if task == "val":
        return lambda: model.val(data=str(spec.yaml), imgsz=640, workers=0, plots=False, verbose=False)

    from types import SimpleNamespace

    network = model.model.train()
    network.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, overlap_mask=True, mask_ratio=4)
    batch = peer_batch(training_batch(data))
    optimizer = torch.optim.AdamW((p for p in network.parameters() if p.requires_grad), lr=1e-5)

    def step():
        loss, _ = network(batch)
        loss.sum().backward()
        finish(network, optimizer)

    return step


def peer_batch(batch: dict) -> dict:
    """Our batch in ultralytics' terms: normalized boxes, and one index map of masks an image."""
    import torch

    from seglab.geometry.boxes import xyxy_to_xywh

    images, index = batch["images"], batch["image_index"]
    masks = torch.zeros(len(images), *batch["masks"].shape[1:])
    for image in range(len(images)):
        for number, mask in enumerate(batch["masks"][index == image], start=1):
            masks[image][mask > 0.5] = number
    return {
        "img": images.float() / 255,
        "cls": batch["classes"].float()[:, None],
        "bboxes": xyxy_to_xywh(batch["boxes"]) / images.shape[-1],
        "batch_idx": index.float(),
        "masks": masks,
    }


def first_image(data: str):
    """A photo as cv2 reads it."""
    import cv2

    from seglab.datasets.load import load_dataset

    return cv2.imread(str(load_dataset(data).images("val")[0]))


def weights_file() -> str:
    from seglab.datasets.pretrained import COURSE_WEIGHTS, find_weights

    return str(find_weights(COURSE_WEIGHTS))


def paired(task: str, data: str, threads: tuple[int, int]) -> dict:
    """Interleaved rounds of both tools -> medians and the ratio peer / seglab (above 1: seglab is faster)."""
    ours, theirs = (Worker(tool, task, data, count) for tool, count in zip(("seglab", "peer"), threads))
    rounds = [(ours.go(), theirs.go()) for _ in range(ROUNDS[task])]
    ours.close(), theirs.close()
    seconds = [[answer["seconds"] for answer in side] for side in zip(*rounds)]
    return {
        "task": task,
        "threads": f"{threads[0]} and {threads[1]}",
        "seglab": statistics.median(seconds[0]),
        "peer": statistics.median(seconds[1]),
        "ratio": statistics.median(b / a for a, b in zip(*seconds)),
        "seglab_mb": rounds[-1][0]["peak_mb"],
        "peer_mb": rounds[-1][1]["peak_mb"],
    }


def copied(spec: DatasetSpec, out: Path, val: str = "val") -> Path:
    """A dataset copied into the new folder `out`, validated on its split `val` -> its YAML there.

    Ultralytics writes its caches beside the labels, and takes images one by one from a text file only.
    """
    from seglab.formats.yolo import write_dataset_yaml

    shutil.copytree(spec.root, out)
    for role, split in (("train", "train"), ("val", val)):
        files = [str(out / file.relative_to(spec.root)) for file in spec.images(split)]
        (out / f"{role}.txt").write_text("\n".join(files), encoding="utf-8")
    write_dataset_yaml(out / "data.yaml", {"train": "train.txt", "val": "val.txt"}, spec.names)
    return out / "data.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="dataset to use; by default 48 toybox scenes are made, 36 of them to validate")
    parser.add_argument("--tasks", nargs="*", default=list(ROUNDS))
    parser.add_argument("--worker", nargs=4, metavar=("TOOL", "TASK", "DATA", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        tool, task, data, threads = options.worker
        return work(tool, task, data, int(threads))

    folder = tempfile.TemporaryDirectory(prefix="speed-")
    if options.data is None:
        from seglab.toybox.dataset import generate_dataset

        options.data = str(generate_dataset(Path(folder.name) / "speed", 48, seed=7, val=0.75))
    else:
        from seglab.datasets.load import load_dataset

        options.data = str(copied(load_dataset(options.data), Path(folder.name) / "speed"))
    rounds = [{name: import_seconds(line) for name, line in IMPORTS.items()} for _ in range(9)]
    print("| import | median s | against `import torch` |\n|-|-|-|")
    for name in IMPORTS:
        seconds = [times[name] for times in rounds]
        ratio = statistics.median(times[name] / times["torch"] for times in rounds)
        print(f"| {name} | {statistics.median(seconds):.2f} | {ratio:.2f} |")
    print("\n| task | threads (seglab and peer) | seglab ms | peer ms | faster by | peak MB, seglab | peak MB, peer |")
    print("|-|-|-|-|-|-|-|")
    cores = os.cpu_count() or 1
    for task in options.tasks:
        for threads in dict.fromkeys([(1, 1), (cores, cores), (cores, 1)]):
            row = paired(task, options.data, threads)
            print(
                f"| {task} | {row['threads']} | {1e3 * row['seglab']:.1f} | {1e3 * row['peer']:.1f} | "
                f"{row['ratio']:.2f} | {row['seglab_mb']:.0f} | {row['peer_mb']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
