"""Four photographs learnt by heart, here and by the peer: `python -m benchmarks.small_recipe [--data coco8-seg]`.

Both train from scratch on the training split, one after the other in processes of their own, and both results are then
measured on those same training images: by the peer's own protocol and by COCO's. The peer's settings are the ones that
served it best among those tried: AdamW 1.5e-3 cosine, batch 2, 320 px, 500 epochs, no mosaic or flip, light scale and
colour. seglab runs its documented `recipe=small`.
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

import yaml

from benchmarks.speed import environment


def learn_seglab(data: str, folder: str) -> str:
    from seglab import YOLO

    model = YOLO("yolo11n-seg.yaml")
    model.train(data=data, recipe="small", workers=0, plots=False, project=folder, name="seglab")
    return str(model.path)


def learn_peer(data: str, folder: str) -> str:
    from ultralytics import YOLO

    model = YOLO("yolo11n-seg.yaml")
    model.train(
        data=data, epochs=500, patience=500, imgsz=320, batch=2, optimizer="AdamW", lr0=1.5e-3, nbs=2, cos_lr=True,
        mosaic=0.0, fliplr=0.0, close_mosaic=0, scale=0.1, translate=0.05, hsv_s=0.2, hsv_v=0.2, workers=0, plots=False,
        amp=False, device="cpu", project=folder, name="peer", exist_ok=True, verbose=False,
    )  # fmt: skip
    return str(Path(folder) / "peer" / "weights" / "best.pt")


def figures(weights: str, data: str) -> dict[str, float]:
    """Mask mAP on the training images by both protocols."""
    from seglab import YOLO

    model = YOLO(weights)
    found = {}
    for protocol in ("yolo", "coco"):
        metrics = model.val(data=data, split="train", imgsz=320, protocol=protocol, verbose=False)
        found |= {f"{protocol} mask mAP50": metrics.seg.map50, f"{protocol} mask mAP50-95": metrics.seg.map}
        found |= {f"{protocol} box mAP50-95": metrics.box.map}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="coco8-seg")
    parser.add_argument("--tools", nargs="*", default=["seglab", "peer"])
    parser.add_argument("--learn", nargs=3, metavar=("TOOL", "DATA", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.learn:
        tool, data, folder = options.learn
        start = time.perf_counter()
        weights = {"seglab": learn_seglab, "peer": learn_peer}[tool](data, folder)
        print("\n" + json.dumps({"weights": weights, "seconds": time.perf_counter() - start}))
        return

    from seglab.data.catalogue import load_dataset

    spec = load_dataset(options.data)
    with tempfile.TemporaryDirectory(prefix="small-") as folder:
        # the split that is learnt is also the one that is validated; absolute paths serve both tools
        copy = Path(folder) / "small.yaml"
        content = yaml.safe_load(spec.yaml.read_text())
        copy.write_text(yaml.safe_dump({**content, "path": str(spec.root), "val": content["train"]}))
        print(f"{os.cpu_count()} cores; seglab on all of them, the peer on as many as it takes by itself\n")
        seconds = {}
        for tool in options.tools:
            command = [sys.executable, "-m", "benchmarks.small_recipe", "--learn", tool, str(copy), folder]
            done = subprocess.run(command, capture_output=True, text=True, env=environment())
            if done.returncode:
                sys.exit(f"{tool} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            answer = json.loads(done.stdout.strip().splitlines()[-1])
            seconds[tool] = answer["seconds"]
            shown = " | ".join(f"{name} {value:.3f}" for name, value in figures(answer["weights"], str(copy)).items())
            print(f"{tool}: {answer['seconds']:.0f} s | {shown}", flush=True)
        if len(seconds) == 2:
            print(f"time, seglab / peer: {seconds['seglab'] / seconds['peer']:.2f}")


if __name__ == "__main__":
    main()
