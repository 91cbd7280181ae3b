"""Learning photos from scratch, here and by ultralytics: `python -m benchmarks.learning small` or `... default`.

small: seglab's documented `recipe=small`, as it is and with the targets that ultralytics' protocol takes for the ground
truth (hard ones of a quarter of the resolution), beside the settings that served ultralytics best among those tried
(AdamW 1.5e-3 cosine, batch 2, 320 px, 500 epochs, no mosaic or flip, light scale and color).
default: 100 epochs at 640 px with all defaults, the same for both, so with hard mask targets here too.

Each tool trains in a process of its own on a copy of the dataset (ultralytics writes into it), one after the other, and
validates on the training images, which both results are then measured on: by ultralytics' own protocol and by COCO's.
`recipe=small` does not validate in between, so ultralytics learns once more without that.
`--curves FILE.png` draws the losses of both.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.speed import copied, environment

BEST_OF_THE_PEER = {
    "epochs": 500, "patience": 500, "imgsz": 320, "batch": 2, "optimizer": "AdamW", "lr0": 1.5e-3, "nbs": 2,
    "cos_lr": True, "mosaic": 0.0, "fliplr": 0.0, "close_mosaic": 0, "scale": 0.1, "translate": 0.05,
    "hsv_s": 0.2, "hsv_v": 0.2, "amp": False,
}  # fmt: skip
# what each tool is told, beside data, folder and seed
SETTINGS = {
    "small": {
        "seglab": {"recipe": "small"},
        "seglab-hard": {"recipe": "small", "mask_targets": "hard", "mask_ratio": 4},
        "peer": BEST_OF_THE_PEER,
        "peer-unvalidated": BEST_OF_THE_PEER | {"val": False},
    },
    "default": {
        "seglab": {"epochs": 100, "imgsz": 640, "mask_targets": "hard"},
        "peer": {"epochs": 100, "imgsz": 640, "amp": False},
    },
}
LOSSES = ("box", "seg", "cls", "dfl")


def learn_seglab(data: str, folder: Path, seed: int, settings: dict) -> str:
    from seglab import YOLO

    model = YOLO("yolo11n-seg.yaml")
    model.train(data=data, seed=seed, workers=0, plots=False, project=folder.parent, name=folder.name, **settings)
    return str(model.path)


def learn_peer(data: str, folder: Path, seed: int, settings: dict) -> str:
    from ultralytics import YOLO

    model = YOLO("yolo11n-seg.yaml")
    place = {"project": str(folder.parent), "name": folder.name, "exist_ok": True}
    model.train(data=data, seed=seed, workers=0, plots=False, device="cpu", verbose=False, **place, **settings)
    return str(folder / "weights" / "best.pt")


def figures(weights: str, data: str, imgsz: int) -> dict[str, float]:
    """mAP on the training images by both protocols."""
    from seglab import YOLO

    model = YOLO(weights)
    found = {}
    for protocol in ("yolo", "coco"):
        metrics = model.val(data=data, split="train", imgsz=imgsz, protocol=protocol, verbose=False)
        found |= {f"{protocol} mask mAP50": metrics.seg.map50, f"{protocol} mask mAP50-95": metrics.seg.map}
        found |= {f"{protocol} box mAP50-95": metrics.box.map}
    return found


def losses(folder: Path, split: str) -> dict[str, list[float]]:
    """Losses of "train" or "val" an epoch, from a run's results.csv; both tools name them alike."""
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
    return {name: [float(row.get(f"{split}/{name}_loss") or "nan") for row in rows] for name in LOSSES}


def draw(curves: dict[str, dict[str, list[float]]], path: str) -> None:
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, len(LOSSES), figsize=(12, 2.8), layout="constrained")
    for axis, name in zip(axes, LOSSES):
        for tool, values in curves.items():
            axis.plot(values[name], label=tool, linewidth=1.2)
        axis.set(title=f"{name} loss", xlabel="epoch", ylim=(0, None))
    axes[0].legend(frameon=False)
    plt.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", choices=SETTINGS)
    parser.add_argument("--data", default="coco8-seg")
    parser.add_argument("--tools", nargs="*", help="some of the settings' own names; all of them by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="other than the settings say, to compare times quickly")
    parser.add_argument("--curves")
    parser.add_argument("--learn", nargs=3, metavar=("TOOL", "DATA", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.learn:
        tool, data, folder = options.learn
        start = time.perf_counter()
        train = learn_peer if tool.startswith("peer") else learn_seglab
        settings = SETTINGS[options.settings][tool] | ({"epochs": options.epochs} if options.epochs else {})
        weights = train(data, Path(folder) / tool, options.seed, settings)
        import torch

        answer = {"weights": weights, "seconds": time.perf_counter() - start, "threads": torch.get_num_threads()}
        print("\n" + json.dumps(answer))
        return

    from seglab.datasets.load import load_dataset

    spec = load_dataset(options.data)
    with tempfile.TemporaryDirectory(prefix="learning-") as folder:
        data = copied(spec, Path(folder) / "dataset", val="train")  # what is learned is also what is validated
        print(f"{os.cpu_count()} cores, seed {options.seed}")
        seconds, curves = {}, {}
        for tool in options.tools or SETTINGS[options.settings]:
            task = [options.settings, "--seed", str(options.seed), "--learn", tool, str(data), folder]
            task += ["--epochs", str(options.epochs)] if options.epochs else []
            command = [sys.executable, "-m", "benchmarks.learning", *task]
            done = subprocess.run(command, capture_output=True, text=True, env=environment())
            if done.returncode:
                sys.exit(f"{tool} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            answer = json.loads(done.stdout.strip().splitlines()[-1])
            seconds[tool], curves[tool] = answer["seconds"], losses(Path(folder) / tool, "train")
            size = SETTINGS[options.settings]["peer"]["imgsz"]
            found = figures(answer["weights"], str(data), size)
            print(
                f"{tool}: {answer['seconds']:.0f} s on {answer['threads']} threads, {len(curves[tool]['box'])} epochs"
            )
            print("  " + " | ".join(f"{name} {value:.3f}" for name, value in found.items()))
            for split in ("train", "val"):  # both of the same images: augmented ones, and as they are
                ends = {name: sum(values[-10:]) / 10 for name, values in losses(Path(folder) / tool, split).items()}
                text = " | ".join(f"{name} {value:.3f}" for name, value in ends.items())
                print(f"  mean {split} loss of the last 10 epochs: {text}", flush=True)
        for peer in [tool for tool in seconds if tool.startswith("peer")]:
            for tool in [tool for tool in seconds if tool.startswith("seglab")]:
                print(f"time, {tool} / {peer}: {seconds[tool] / seconds[peer]:.2f}")
        if options.curves:
            draw(curves, options.curves)


if __name__ == "__main__":
    main()
