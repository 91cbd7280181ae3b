"""What matters when masks are learned, measured where the ground truth is exact and scenes are many.

    python -m benchmarks.toybox learn out=FOLDER [data=toybox-seg:10000] [imgsz=160] [seen=20000]
    python -m benchmarks.toybox upper_bound out=FOLDER [data=toybox-seg:10000]

learn: YOLO11n-seg from scratch, each run shown the same number of images: 8, 80, 800 and 8,000 different scenes, hard
mask targets, finer ones, copy-paste. Every run adds a line to FOLDER/learn.csv, and runs that have one are not
repeated; in the end FOLDER/learn.png is drawn. About a quarter of an hour a run on one core at 160 px.
upper_bound: the mask AP that perfect prototypes would reach at each input size, at a quarter and at half its
resolution, printed and drawn as FOLDER/upper_bound.png.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from pathlib import Path

import yaml

from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.diagnosis.upper_bound import TARGETS, upper_bounds

RUNS = [  # what is varied; every run is also seed 0, AdamW, batch 8 and without mosaic
    ("8 scenes", 8, {}),
    ("80 scenes", 80, {}),
    ("800 scenes", 800, {}),
    ("8000 scenes", 8000, {}),
    ("8000 scenes, hard targets", 8000, {"mask_targets": "hard"}),
    ("8000 scenes, mask_ratio 2", 8000, {"mask_ratio": 2}),
    ("80 scenes, copy-paste", 80, {"copy_paste": 0.5}),
]
BATCH = 8
SETTINGS = {
    "optimizer": "AdamW", "lr0": 2e-3, "cos_lr": True, "nbs": BATCH, "batch": BATCH, "mosaic": 0.0, "close_mosaic": 0,
    "scale": 0.3, "amp": "bf16", "val": False, "plots": False, "workers": 0, "exist_ok": True,
}  # fmt: skip
JUDGED = 200  # validation scenes
SIZES = (160, 320, 480, 640, 960)  # input sizes of the upper bounds
COMPARED = {name: TARGETS[name] for name in ("hard 1/4", "soft 1/4", "soft 1/2 on 1/4", "soft 1/2")}


def part_of(spec: DatasetSpec, train: int, val: int, folder: Path) -> Path:
    """The YAML of the dataset's first `train` and `val` images, written into `folder`."""
    images = {"train": spec.images("train")[:train], "val": spec.images("val")[:val]}
    if len(images["train"]) < train:
        sys.exit(f"{spec.name} has {len(images['train'])} training images, {train} are needed: data=toybox-seg:10000")
    path = folder / f"first{train}.yaml"
    lists = {split: [str(file) for file in files] for split, files in images.items()}
    path.write_text(yaml.safe_dump({**lists, "names": dict(spec.names)}), encoding="utf-8")
    return path


def learn(out: Path, spec: DatasetSpec, imgsz: int, seen: int) -> None:
    table = out / "learn.csv"
    done = {row["run"] for row in csv.DictReader(table.open(newline="", encoding="utf-8"))} if table.exists() else set()
    for name, count, arguments in RUNS:
        if name in done:
            continue
        data = part_of(spec, count, JUDGED, out)
        began = time.perf_counter()
        model = YOLO("yolo11n-seg.yaml")
        epochs = round(seen / count)
        warmup = {"warmup_epochs": 0.05 * epochs}
        place = {"project": str(out), "name": name.replace(", ", "-").replace(" ", "-")}
        model.train(data=str(data), epochs=epochs, imgsz=imgsz, **SETTINGS, **warmup, **place, **arguments)
        minutes = (time.perf_counter() - began) / 60
        row = {"run": name, "scenes": count, "minutes": round(minutes, 1)}
        for split in ("val", "train") if count <= 800 else ("val",):
            metrics = model.val(data=str(data), split=split, imgsz=imgsz, protocol="coco", verbose=False)
            row |= {f"{split} box": round(metrics.box.map, 4), f"{split} mask": round(metrics.seg.map, 4)}
            row |= {f"{split} mask50": round(metrics.seg.map50, 4)}
        add(table, row)
    draw_learning(table, out / "learn.png")


def add(table: Path, row: dict) -> None:
    """Append a row to the CSV, and print it."""
    new = not table.exists()
    columns = ["run", "scenes", "minutes"]
    columns += [f"{split} {figure}" for split in ("val", "train") for figure in ("box", "mask", "mask50")]
    with table.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(" | ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def draw_learning(table: Path, path: Path) -> None:
    import matplotlib.pyplot as plt

    rows = list(csv.DictReader(table.open(newline="", encoding="utf-8")))
    plain = [row for row in rows if "," not in row["run"]]
    figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
    scenes = [int(row["scenes"]) for row in plain]
    axis.plot(scenes, [float(row["val mask"]) for row in plain], "o-", label="mask AP, unseen scenes")
    axis.plot(scenes, [float(row["val box"]) for row in plain], "s-", label="box AP, unseen scenes")
    known = [row for row in plain if row["train mask"]]
    learned = [float(row["train mask"]) for row in known]
    axis.plot([int(row["scenes"]) for row in known], learned, "o--", label="mask AP, the training scenes")
    for row in rows:
        if "," in row["run"]:
            axis.plot(int(row["scenes"]), float(row["val mask"]), "x", label=f"mask AP, {row['run'].split(', ')[1]}")
    axis.set(xscale="log", xlabel="different training scenes (the same number of steps)", ylabel="AP, COCO protocol")
    axis.set_ylim(0, None)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    figure.savefig(path, dpi=100)


def write_upper_bounds(out: Path, spec: DatasetSpec) -> None:
    import matplotlib.pyplot as plt

    with tempfile.TemporaryDirectory() as folder:
        few = load_dataset(str(part_of(spec, 1, 60, Path(folder))))
        found = [upper_bounds(few, "val", size, COMPARED) for size in SIZES]
    print("| input size | " + " | ".join(f"{name}: AP (small)" for name in COMPARED) + " |\n|-|" + "-|" * len(COMPARED))
    for size, metrics in zip(SIZES, found):
        cells = [f"{metrics[name].stats['AP']:.3f} ({metrics[name].stats['APs']:.3f})" for name in COMPARED]
        print(f"| {size} | " + " | ".join(cells) + " |")
    figure, axis = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
    for name in COMPARED:
        axis.plot(SIZES, [metrics[name].stats["AP"] for metrics in found], "o-", label=name)
    axis.set(xlabel="input size, pixels", ylabel="mask AP of perfect predictions", ylim=(0, 1.02))
    axis.legend(frameon=False)
    figure.savefig(out / "upper_bound.png", dpi=100)


def main(what: str, out: str, data: str = "toybox-seg:10000", imgsz: str = "160", seen: str = "20000") -> None:
    folder, spec = Path(out), load_dataset(data)
    folder.mkdir(parents=True, exist_ok=True)
    if what == "learn":
        learn(folder, spec, int(imgsz), int(seen))
    elif what == "upper_bound":
        write_upper_bounds(folder, spec)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1], **dict(word.split("=", 1) for word in sys.argv[2:]))
