"""A dataset of COCO's size: how long until training can begin, and how much memory that takes, beside ultralytics.

    python -m benchmarks.scale [--images 118000]

The photos are links to twenty made ones, the label files all their own, with some seven outlines of 8 to 44 points.
Each tool lists the dataset in a process of its own, first without and then with what it remembers of it, and reads 20
batches of 16 with two workers, whose own memory (what they share with nobody) is asked for then.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.speed import environment

BATCHES, BATCH, WORKERS = 20, 16, 2


def make(root: Path, images: int) -> None:
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        for split in ("train", "val"):
            (root / kind / split).mkdir(parents=True)
    for number in range(20):
        photo = cv2.GaussianBlur(rng.integers(0, 255, (480, 640, 3), dtype=np.uint8), (0, 0), 3)
        cv2.imwrite(str(root / f"{number}.jpg"), photo)
    texts = ["\n".join(outline(rng) for _ in range(rng.poisson(7) + 1)) for _ in range(500)]
    for number in range(images):
        split = "val" if number < 100 else "train"
        os.link(root / f"{number % 20}.jpg", root / f"images/{split}/{number:012d}.jpg")
        (root / f"labels/{split}/{number:012d}.txt").write_text(texts[number % 500])
    names = [f"class {number}" for number in range(80)]
    (root / "large.yaml").write_text(json.dumps({"train": "images/train", "val": "images/val", "names": names}))


def outline(rng: np.random.Generator) -> str:
    points = int(rng.integers(8, 45))
    angle, reach = np.sort(rng.uniform(0, 2 * np.pi, points)), rng.uniform(0.02, 0.2) * rng.uniform(0.7, 1, points)
    x, y = rng.uniform(0.2, 0.8, 2)
    corners = np.stack((x + reach * np.cos(angle), y + reach * np.sin(angle)), axis=1)
    return f"{rng.integers(80)} " + " ".join(f"{value:.6f}" for value in corners.ravel())


def open_seglab(root: Path):
    from seglab.config import AugmentConfig
    from seglab.data.dataset import SegmentationDataset
    from seglab.data.loader import build_loader, start_epoch
    from seglab.datasets.load import load_dataset

    start = measured()
    dataset = SegmentationDataset(load_dataset(root / "large.yaml"), "train", 640, AugmentConfig())
    listed = measured()
    loader = build_loader(dataset, BATCH, WORKERS, shuffle=True)
    start_epoch(loader, 0)
    return start, listed, loader


def open_peer(root: Path):
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_dataloader, build_yolo_dataset

    data = {"names": {number: f"class {number}" for number in range(80)}, "nc": 80, "channels": 3}
    options = get_cfg(overrides={"task": "segment", "imgsz": 640, "overlap_mask": True, "mask_ratio": 4})
    start = measured()
    dataset = build_yolo_dataset(options, str(root / "images/train"), BATCH, data, mode="train", rect=False, stride=32)
    listed = measured()
    return start, listed, build_dataloader(dataset, BATCH, WORKERS, shuffle=True)


def measured() -> tuple[float, float]:
    """Seconds of the clock, and megabytes of this process."""
    return time.perf_counter(), kilobytes("/proc/self/smaps_rollup", "Rss") / 1024


def kilobytes(file: str, *kinds: str) -> int:
    rows = [row.split() for row in Path(file).read_text().splitlines()[1:]]
    return sum(int(row[1]) for row in rows if row[0].rstrip(":") in kinds)


def measure(tool: str, root: Path) -> dict[str, float]:
    start, listed, loader = {"seglab": open_seglab, "peer": open_peer}[tool](root)
    batches = iter(loader)
    for _ in range(BATCHES):
        next(batches)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    own = [kilobytes(f"/proc/{child}/smaps_rollup", "Private_Dirty", "Private_Clean") for child in children]
    return {
        "seconds": listed[0] - start[0],
        "MB": listed[1] - start[1],
        "MB of a worker": float(np.mean(sorted(own)[-WORKERS:])) / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=118_000)
    parser.add_argument("--measure", nargs=2, metavar=("TOOL", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        figures = measure(options.measure[0], Path(options.measure[1]))
        print(json.dumps(figures), flush=True)
        os._exit(0)  # without waiting for workers that are batches ahead
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        root = Path(folder) / "large"
        make(root, options.images)
        print(f"{os.cpu_count()} cores, {options.images:,} images")
        print("| tool | again | s | MB | MB of a worker |\n|-|-|-|-|-|")
        for again in ("", "again"):
            for tool in ("seglab", "peer"):
                line = [sys.executable, "-m", "benchmarks.scale", "--measure", tool, str(root)]
                own = {**environment(), "SEGLAB_CACHE": f"{folder}/cache", "OMP_NUM_THREADS": "1"}
                done = subprocess.run(line, env=own, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{tool} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
                found = json.loads(done.stdout.strip().splitlines()[-1])
                print(
                    f"| {tool.replace('peer', 'ultralytics')} | {again} | "
                    + " | ".join(f"{value:.1f}" for value in found.values())
                    + " |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
