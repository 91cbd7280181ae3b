"""The best mask AP that any network could reach with each type of training target, at 640 px.

    python -m benchmarks.upper_bound data=../shared/datasets/coco38/annotations/instances_train2017.json split=train

Predictions are the targets themselves, read back at the images' own resolution and judged by COCO's rules. Half a
minute for the 32 photos of that file; nothing random, so every run prints the same.
"""

from __future__ import annotations

import sys

from seglab.datasets.load import load_dataset
from seglab.diagnosis.upper_bound import upper_bounds


def main(data: str = "toybox8-seg", split: str = "val", imgsz: str = "640") -> None:
    spec = load_dataset(data)
    print(f"{len(spec.images(split))} images of {spec.name}, {split}\n")
    print("| target | AP | AP50 | AP75 | small | medium | large |\n|-|-|-|-|-|-|-|")
    for name, metrics in upper_bounds(spec, split, int(imgsz)).items():
        values = " | ".join(f"{metrics.stats[key]:.3f}" for key in ("AP", "AP50", "AP75", "APs", "APm", "APl"))
        print(f"| {name} | {values} |")


if __name__ == "__main__":
    main(**dict(word.split("=", 1) for word in sys.argv[1:]))
