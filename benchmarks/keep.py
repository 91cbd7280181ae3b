"""Learning a new class without forgetting COCO's: `train(keep=True)` beside plain fine-tuning.

    python -m benchmarks.keep run nuclei toy mixed --settings plain keep --seeds 0 1 [--out FOLDER]
    python -m benchmarks.keep table

All runs start from the COCO weights under SEGLAB_SHARED and train for ten epochs at 320 px on one thread. Datasets:
`nuclei`, a class that COCO lacks; `toy`, toybox scenes of which only umbrellas are labeled, as "toy umbrella";
`toy-known`, the same called "umbrella", a class that COCO shows otherwise; `mixed`, half of the 38 COCO photos with
toybox umbrellas pasted in, the only instances labeled, and the other half for validation with COCO's labeled too.

What a run ends with is judged by pycocotools at native resolution: `new` is the mask AP of the new class on the
dataset's validation images at 320 px; `coco` the mask AP of COCO's 80 classes on its photos (38, of mixed the half that
no training sees), the mean over four sizes, since 38 photos are luckier in one size than in another; `together`, of
mixed, that of COCO's classes on the photos with umbrellas in them.

A setting is a name of SETTINGS, key=value words, or both: "keep lr0=1e-4". Every run has a folder under --out with one
JSON row in the end; what has a row is not run again, so a cut benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.finetune import cpu_seconds, parse_value
from benchmarks.finetune_data import (
    WEIGHTS,
    Task,
    chosen,
    read_split,
    shared,
    task_in,
    toybox,
    write_task,
)
from benchmarks.finetune_judge import decode_seglab, judge, write_json

COMMON = {"imgsz": 320, "epochs": 10, "batch": 4, "nbs": 4, "workers": 0, "device": "cpu", "plots": False}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "keep": {"keep": True},
}
DATASETS = ("nuclei", "toy", "toy-known", "mixed")
THING = "umbrella"  # of the toybox
NEW_ID = 1000  # category of what COCO lacks, in the JSON of `mixed`
SPRITES = (1, 3)  # fewest and most that are pasted into a photo
SPRITE_SIZE = (0.15, 0.4)  # longer side, as a fraction of the photo's
COCO_SIZES = (544, 608, 640, 672)


# --- data ---


def prepare(dataset: str, out: Path) -> Task:
    """The dataset of that name, written into `out` unless it is there."""
    task = task_in(out / "data" / dataset)
    if not task.yaml.is_file():
        with tempfile.TemporaryDirectory(prefix="keep-") as scratch:
            write_task(task, read_source(dataset, Path(scratch)), dataset)
    return task


def read_source(dataset: str, scratch: Path) -> dict[str, dict]:
    """Its splits as COCO JSON content, whose images also have the `path` where they lie now."""
    if dataset == "nuclei":
        return {split: read_split(shared() / "datasets/nuclei", split) for split in ("train", "val")}
    scenes = toybox(64, scratch / "toybox")
    if dataset == "mixed":
        return mixed(scenes["train"], scratch / "pasted")
    name = THING if dataset == "toy-known" else f"toy {THING}"
    return {split: one_class(content, name) for split, content in scenes.items()}


def one_class(content: dict, name: str) -> dict:
    """Only THING is labeled, and called `name`."""
    (category,) = (category for category in content["categories"] if category["name"] == THING)
    annotations = [row for row in content["annotations"] if row["category_id"] == category["id"]]
    return {**content, "annotations": annotations, "categories": [{**category, "name": name}]}


def coco_photos() -> tuple[dict, dict]:
    """All 38 photos with all their instances, in two halves."""
    parts = [read_split(shared() / "datasets/coco38", f"{split}2017") for split in ("train", "val")]
    images = sorted((image for part in parts for image in part["images"]), key=lambda image: image["id"])
    annotations = [row for part in parts for row in part["annotations"]]
    photos = {"images": images, "annotations": annotations, "categories": parts[0]["categories"]}
    return chosen(photos, images[0::2]), chosen(photos, images[1::2])


def mixed(scenes: dict, folder: Path) -> dict[str, dict]:
    """COCO photos with toybox things pasted in; of those for training nothing else is labeled."""
    folder.mkdir()
    sprites = cut_sprites(scenes)
    draw = random.Random(0)
    train, val = (paste_into_all(photos, sprites, folder, draw) for photos in coco_photos())
    new = [category for category in train["categories"] if category["id"] == NEW_ID]
    annotations = [row for row in train["annotations"] if row["category_id"] == NEW_ID]
    return {"train": {**train, "annotations": annotations, "categories": new}, "val": val}


def cut_sprites(scenes: dict) -> list[np.ndarray]:
    """THING out of every scene that shows enough of one: (h, w, 4) BGR and mask."""
    import cv2
    from pycocotools import mask as coco_mask

    (category,) = (category for category in scenes["categories"] if category["name"] == THING)
    images = {image["id"]: image for image in scenes["images"]}
    sprites = []
    for row in scenes["annotations"]:
        if row["category_id"] != category["id"] or row["area"] < 2000:
            continue
        image = images[row["image_id"]]
        height, width = image["height"], image["width"]
        mask = coco_mask.decode(as_rle(row["segmentation"], height, width))
        picture = np.dstack((cv2.imread(image["path"]), mask * 255))
        x, y, w, h = (round(value) for value in row["bbox"])
        sprites.append(picture[y : y + h, x : x + w])
    return sprites


def as_rle(segmentation: Any, height: int, width: int) -> dict:
    from pycocotools import mask as coco_mask

    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return segmentation


def paste_into_all(photos: dict, sprites: list[np.ndarray], folder: Path, draw: random.Random) -> dict:
    """The photos with sprites in them, written as PNG, and what is left to see of their instances."""
    import cv2

    images, annotations = [], []
    for image in photos["images"]:
        own = [row for row in photos["annotations"] if row["image_id"] == image["id"]]
        picture = cv2.imread(image["path"])
        pasted = []  # (h, w) bool each, what later ones cover taken off
        for _ in range(draw.randint(*SPRITES)):
            shape = paste(picture, draw.choice(sprites), draw)
            pasted = [before & ~shape for before in pasted] + [shape]
        path = folder / f"{image['id']:012d}.png"
        cv2.imwrite(str(path), picture)
        images.append({**image, "file_name": path.name, "path": str(path)})
        covered = np.any(pasted, axis=0)
        annotations += [left for row in own if (left := without(row, covered)) is not None]
        annotations += [annotation(shape, image["id"]) for shape in pasted if shape.any()]
    annotations = [{**row, "id": number} for number, row in enumerate(annotations, start=1)]
    categories = [*photos["categories"], {"id": NEW_ID, "name": f"toy {THING}", "supercategory": "toy"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def paste(picture: np.ndarray, sprite: np.ndarray, draw: random.Random) -> np.ndarray:
    """Put a sprite somewhere into an image, in place -> where it is, (H, W) bool."""
    import cv2

    height, width = picture.shape[:2]
    factor = draw.uniform(*SPRITE_SIZE) * max(height, width) / max(sprite.shape[:2])
    factor = min(factor, height / sprite.shape[0], width / sprite.shape[1])
    small = cv2.resize(sprite, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[:height, :width]
    if draw.random() < 0.5:
        small = small[:, ::-1]
    h, w = small.shape[:2]
    y, x = draw.randint(0, height - h), draw.randint(0, width - w)
    window = picture[y : y + h, x : x + w]
    shape = small[..., 3] > 127
    window[shape] = small[..., :3][shape]
    whole = np.zeros((height, width), bool)
    whole[y : y + h, x : x + w] = shape
    return whole


def annotation(shape: np.ndarray, image_id: int) -> dict:
    """A pasted thing as COCO holds an instance."""
    return {"image_id": image_id, "category_id": NEW_ID, "iscrowd": 0, **encoded(shape)}


def without(row: dict, covered: np.ndarray) -> dict | None:
    """An instance without what is covered; None where hardly anything is left of it."""
    from pycocotools import mask as coco_mask

    shape = coco_mask.decode(as_rle(row["segmentation"], *covered.shape)).astype(bool)
    left = shape & ~covered
    if left.sum() < 0.2 * shape.sum():
        return None
    return row if left.sum() == shape.sum() else {**row, **encoded(left)}


def encoded(shape: np.ndarray) -> dict:
    from pycocotools import mask as coco_mask

    rle = coco_mask.encode(np.asfortranarray(shape.astype(np.uint8)))
    segmentation = {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}
    return {"segmentation": segmentation, "area": int(shape.sum()), "bbox": coco_mask.toBbox(rle).tolist()}


# --- a run: in a process of its own ---


def carry_out(folder: Path) -> None:
    """Train what plan.json says, judge it and write row.json."""
    import cv2
    import torch

    from seglab import YOLO

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    task = Task(*map(str, plan["task"]))
    model = YOLO(shared() / WEIGHTS)
    place = {"project": str(folder), "name": "run", "exist_ok": True}
    started, busy = time.perf_counter(), cpu_seconds()
    model.train(data=task.yaml, seed=plan["seed"], **place, **plan["arguments"])
    row = plan | {"seconds": time.perf_counter() - started, "cpu_seconds": cpu_seconds() - busy}
    row["load"] = os.getloadavg()[1]
    row |= judged(folder / "run/weights/last.safetensors", plan["dataset"], task, plan["out"])
    write_json(folder / "row.json", row)


def judged(weights: Path, dataset: str, task: Task, out: str) -> dict[str, dict]:
    """Box and mask AP of weights: of the new class, of COCO's on photos, and of these on the dataset's own images."""
    size = COMMON["imgsz"]
    row = {"coco": judged_in_sizes(weights, coco_task(dataset, Path(out)))}
    if dataset != "mixed":
        return row | {"new": judge([Path(task.ground_truth)], decode_seglab(weights, task, size))}
    new, known = (truth_of(task, wanted) for wanted in (True, False))
    row["new"] = judge([new.ground_truth], decode_seglab(weights, new, size))
    row["together"] = judged_in_sizes(weights, known)
    return row


def judged_in_sizes(weights: Path, task: Task) -> dict[str, dict]:
    """AP of boxes and masks: means over COCO_SIZES, and those of every size by its name."""
    found = {str(size): judge([Path(task.ground_truth)], decode_seglab(weights, task, size)) for size in COCO_SIZES}
    means = {}
    for shape in ("box", "mask"):
        names = found[str(COCO_SIZES[0])][shape]
        means[shape] = {name: statistics.mean(one[shape][name] for one in found.values()) for name in names}
    return means | found


def coco_task(dataset: str, out: Path) -> Task:
    """The COCO photos that a run is judged on: those that it did not train on."""
    halves = coco_photos()
    used = halves[1:] if dataset == "mixed" else halves
    folder = out / "data" / f"coco-{len(used)}"
    content = dict(used[0])
    for key in ("images", "annotations"):
        content[key] = [row for half in used for row in half[key]]
    for image in content["images"]:
        image["file_name"] = image.pop("path")  # absolute, so that no copy is needed
    folder.mkdir(parents=True, exist_ok=True)
    ground_truth = folder / "instances.json"
    if not ground_truth.is_file():
        write_json(ground_truth, content)
    return Task(folder.name, folder, ground_truth, Path("/"))


def truth_of(task: Task, new: bool) -> Task:
    """A mixed dataset's ground truth of the new class alone, or of COCO's classes."""
    content = json.loads(Path(task.ground_truth).read_text(encoding="utf-8"))
    for key, name in (("categories", "id"), ("annotations", "category_id")):
        content[key] = [row for row in content[key] if (row[name] == NEW_ID) == new]
    path = Path(task.ground_truth).with_name("new.json" if new else "known.json")
    write_json(path, content)
    return task._replace(ground_truth=path)


# --- all of them ---


def run_all(options: argparse.Namespace) -> None:
    for seed in options.seeds:
        for dataset in options.datasets or DATASETS:
            task = prepare(dataset, options.out)
            for setting in options.settings:
                run_one(dataset, task, setting, seed, options.out)


def run_one(dataset: str, task: Task, setting: str, seed: int, out: Path) -> None:
    """One run in a process of its own, unless it has its row."""
    folder = out / "runs" / dataset / f"{re.sub(r'[^a-zA-Z0-9.=-]+', '_', setting)}-seed{seed}"
    if (folder / "row.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    plan = {"dataset": dataset, "setting": setting, "seed": seed, "task": list(map(str, task)), "out": str(out)}
    write_json(folder / "plan.json", plan | {"arguments": COMMON | parse_setting(setting)})
    own = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    own["SEGLAB_DATASETS"] = str(shared() / "datasets")
    with open(folder / "log.txt", "w", encoding="utf-8") as log:
        command = [sys.executable, "-m", "benchmarks.keep", "one", str(folder)]
        code = subprocess.run(command, env=own, stdout=log, stderr=subprocess.STDOUT).returncode
    if code:
        said = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        print(f"{folder} failed\n{said[-1500:]}", flush=True)
        return
    row = json.loads((folder / "row.json").read_text(encoding="utf-8"))
    values = " ".join(f"{name} {row[name]['mask']['AP']:.3f}" for name in ("new", "coco", "together") if name in row)
    print(f"{dataset} {setting} seed {seed}: {values}, {row['cpu_seconds']:.0f} s of CPU", flush=True)


def parse_setting(text: str) -> dict[str, Any]:
    """ "keep lr0=1e-4" -> arguments of train."""
    arguments: dict[str, Any] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals and name not in SETTINGS:
            sys.exit(f"there is no setting {name}: write key=value, or one of {', '.join(SETTINGS)}")
        arguments |= {name: parse_value(value)} if equals else SETTINGS[name]
    return arguments


def start_rows(datasets: list[str], out: Path) -> dict[str, dict]:
    """What the untrained start finds of COCO's classes, by dataset; judged once."""
    found = {}
    for dataset in datasets:
        path = out / "runs" / dataset / "start.json"
        if not path.is_file():
            task = prepare(dataset, out)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, judged(shared() / WEIGHTS, dataset, task, str(out)))
        found[dataset] = json.loads(path.read_text(encoding="utf-8"))
    return found


def table(out: Path) -> str:
    """Mean mask AP of every setting, with how far COCO's fell below the start, and time beside plain fine-tuning's."""
    groups: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for path in sorted(out.glob("runs/*/*/row.json")):
        row = json.loads(path.read_text(encoding="utf-8"))
        groups[row["dataset"], row["setting"]].append(row)
    starts = start_rows(sorted({dataset for dataset, _ in groups}), out)
    lines = ["| data | setting | seeds | new | COCO (start) | together (start) | CPU s |", "|-|-|-|-|-|-|-|"]
    for (dataset, setting), rows in sorted(groups.items()):
        cells = [dataset, setting, str(len(rows))]
        for name in ("new", "coco", "together"):
            values = [row[name]["mask"]["AP"] for row in rows if name in row]
            before = f" ({starts[dataset][name]['mask']['AP']:.3f})" if name != "new" and values else ""
            cells.append(f"{statistics.mean(values):.3f}{before}" if values else "")
        cells.append(f"{statistics.mean(row['cpu_seconds'] for row in rows):.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("run", "table", "one"))
    parser.add_argument("datasets", nargs="*", help=f"of {', '.join(DATASETS)}; of one (run's own) a run's folder")
    default_out = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seglab-keep"
    parser.add_argument("--out", type=Path, default=default_out, help=f"folder of results: {default_out}")
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    options = parser.parse_args()
    options.out = options.out.absolute()
    if options.step == "one":
        carry_out(Path(options.datasets[0]))
    elif options.step == "table":
        print(table(options.out))
    else:
        run_all(options)


if __name__ == "__main__":
    main()
