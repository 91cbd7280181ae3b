"""What an image costs the CPU before the network sees it, beside ultralytics (run as a black box), on one thread.

    SEGLAB_DATASETS=... python -m benchmarks.loading

The photos of coco38, eight times over so that no tool keeps all of them in memory. Processor time, interleaved
rounds in one process, medians; a ratio above 1 means that seglab is faster.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "1")

import cv2
import torch

from seglab.config import AugmentConfig
from seglab.convert.conversion import convert_coco_labels
from seglab.data.dataset import SegmentationDataset, epoch_order
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.formats.yolo import write_dataset_yaml

COPIES, ROUNDS, IMAGES = 8, 7, 32


def main() -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        spec = make_dataset(Path(folder) / "shelf")
        order = epoch_order(len(spec.images("train")), 0, 0).tolist()
        training = {
            "ultralytics": peer_dataset(spec, "train"),
            "soft": SegmentationDataset(spec, "train", 640, AugmentConfig()),
            "hard": SegmentationDataset(spec, "train", 640, AugmentConfig(), mask_targets="hard"),
        }
        print("| item | targets | ms | ultralytics / seglab |\n|-|-|-|-|")
        compare("training, mosaic", training, order)
        validation = {
            "ultralytics": peer_dataset(spec, "val"),
            "soft": SegmentationDataset(spec, "val", 640, rect=True),
            "no masks": SegmentationDataset(spec, "val", 640, mask_targets=None, rect=True),
        }
        compare("validation", validation, list(range(len(order))))


def compare(what: str, datasets: dict, order: list[int]) -> None:
    times = {name: [] for name in datasets}
    for start in range(ROUNDS + 1):
        part = order[start * IMAGES % len(order) :][:IMAGES]
        for name, dataset in datasets.items():
            before = time.process_time()
            for index in part:
                dataset[index]
            if start:  # the first round warms up
                times[name].append((time.process_time() - before) / len(part) * 1e3)
    for name in datasets:
        ratio = statistics.median(peer / own for peer, own in zip(times["ultralytics"], times[name]))
        print(f"| {what} | {name} | {statistics.median(times[name]):.1f} | {ratio:.2f} |")


def make_dataset(root: Path) -> DatasetSpec:
    source = Path(os.environ["SEGLAB_DATASETS"]) / "coco38/annotations/instances_train2017.json"
    spec = load_dataset(source)
    (root / "images/train").mkdir(parents=True)
    convert_coco_labels(source, root / "labels/train")
    for path in spec.images("train"):
        labels = root / f"labels/train/{path.stem}.txt"
        for copy in range(COPIES if labels.stat().st_size else 0):
            shutil.copy(path, root / f"images/train/{copy}_{path.name}")
            shutil.copy(labels, labels.with_name(f"{copy}_{labels.name}"))
    write_dataset_yaml(root / "shelf.yaml", {"train": "images/train", "val": "images/train"}, spec.names)
    return load_dataset(root)


def peer_dataset(spec: DatasetSpec, mode: str):
    with contextlib.redirect_stdout(sys.stderr):  # where it says what it reads
        return open_peer_dataset(spec, mode)


def open_peer_dataset(spec: DatasetSpec, mode: str):
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset

    data = {"names": spec.names, "nc": len(spec.names), "channels": 3}
    options = get_cfg(overrides={"task": "segment", "imgsz": 640, "overlap_mask": True, "mask_ratio": 4})
    folder = str(spec.root / "images/train")
    return build_yolo_dataset(options, folder, 16, data, mode=mode, rect=mode == "val", stride=32)


if __name__ == "__main__":
    main()
