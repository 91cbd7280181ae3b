"""Fine-tuning COCO weights on other images, here and by the peer: nuclei, toybox scenes and COCO photos.

    python -m benchmarks.finetune run nuclei coco --seeds 0 1 2 [--tools peer] [--settings default "adamw freeze=10"]
    python -m benchmarks.finetune table

Both tools start from the same weights (SEGLAB_SHARED names the folder that holds them and the datasets), train on the
same YOLO-seg folder made by `seglab convert`, for equally many epochs on one thread, and validate after every epoch.
What they end with is judged by pycocotools at native resolution on the original ground truth: the last weights and the
best ones, decoded by seglab and, where they are the peer's, by its own code with retina_masks too.

Datasets: `nuclei`, `toybox` (64 + 64 scenes), `coco` (38 photos in five folds, whose detections make one AP), the same
photos without colour or sharpness (`coco-grey`, `coco-blur`); `nuclei-10`, `toybox-1000`: that many training images.
A setting is a name of SETTINGS, key=value words, or a name and words: "ratio2 lr0=1e-4".

Every run has processes and a folder of its own under --out, with one JSON row in the end; what has a row is not run
again, so a cut benchmark goes on where it stopped, and several may run at a time. Delete a folder to run it anew.
"""

from __future__ import annotations

import argparse
import ast
import csv
import gzip
import json
import math
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.speed import environment

COMMON = {"imgsz": 320, "epochs": 10, "batch": 4, "nbs": 4, "workers": 0, "device": "cpu", "plots": False}
ADAMW = {"optimizer": "AdamW", "lr0": 1e-4, "warmup_bias_lr": 0.0}
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "peer": {
        "default": {},
        "full": {"mask_ratio": 1, "overlap_mask": False},
        "adamw": ADAMW,
    },
    "seglab": {
        "default": {},
        "auto": {"recipe": "auto"},
        "ultralytics": {"recipe": "ultralytics"},
        "ratio4": {"mask_ratio": 4},
        "ratio2": {"mask_ratio": 2},
        "ratio1": {"mask_ratio": 1},
        "adamw": {**ADAMW, "mask_ratio": 2},
    },
}
DECODING = {"conf": 0.001, "iou": 0.7, "max_det": 300}  # of both tools, as for an AP

WEIGHTS = "weights/yolo11n-seg-rebuilt.safetensors"
# COCO's classes of which the 38 photos show at least six instances, on at least five of them
COCO_CLASSES = ("person", "car", "bus", "bottle", "wine glass", "cup", "chair", "dining table")
FOLDS = 5
TOYBOX_TRAIN, TOYBOX_VAL = 64, 64
TOYBOX_SEEDS = {"train": 16, "val": 17}  # so the same 64 scenes are validated on, whatever is trained on
BLUR = 4.0  # standard deviation in pixels of the photo


class Task(NamedTuple):
    """A dataset, or one fold of it, as it lies on the disk."""

    name: str
    yaml: Path  # of the YOLO-seg folder that both tools train on
    truth: Path  # COCO JSON of the validation images
    images: Path  # folder of the validation images


class Run(NamedTuple):
    """One training."""

    dataset: str
    task: Task
    tool: str
    setting: str
    seed: int
    arguments: dict[str, Any]


# --- data ---


def prepare(dataset: str, out: Path) -> list[Task]:
    """The dataset of that name, written into `out` unless it is there -> its folds, or the one task that it is."""
    match = re.fullmatch(r"(nuclei|toybox|coco|coco-grey|coco-blur)(?:-(\d+))?", dataset)
    if match is None:
        sys.exit(f"there is no dataset {dataset}: use nuclei, toybox, coco, coco-grey, coco-blur, or nuclei-10")
    base, limit = match[1], int(match[2] or 0)
    names = [f"{dataset}-fold{fold}" for fold in range(FOLDS)] if base.startswith("coco") else [dataset]
    tasks = [task_in(out / "data" / name) for name in names]
    if not all(task.yaml.is_file() for task in tasks):
        for task, splits in zip(tasks, read_source(base, limit)):
            if not task.yaml.is_file():
                write_task(task, splits, base)
    return tasks


def task_in(folder: Path) -> Task:
    source = folder / "source"
    return Task(folder.name, folder / "data.yaml", source / "annotations/instances_val.json", source / "images/val")


def read_source(base: str, limit: int) -> list[dict[str, dict]]:
    """For every fold its splits as COCO JSON content, whose images also have the `path` where they lie now."""
    if base == "nuclei":
        folds = [{split: read_split(shared() / "datasets/nuclei", split) for split in ("train", "val")}]
    elif base == "toybox":
        folds = [toybox(limit or TOYBOX_TRAIN)]
    else:
        folds = coco_folds()
    for splits in folds if limit else ():
        splits["train"] = chosen(splits["train"], splits["train"]["images"][:limit])
    return folds


def shared() -> Path:
    folder = os.environ.get("SEGLAB_SHARED")
    if not folder:
        sys.exit("set SEGLAB_SHARED to the folder with weights/ and datasets/")
    return Path(folder).absolute()


def read_split(root: Path, split: str) -> dict:
    content = json.loads((root / f"annotations/instances_{split}.json").read_text(encoding="utf-8"))
    for image in content["images"]:
        image["path"] = str(root / "images" / split / image["file_name"])
    return content


def toybox(train: int) -> dict[str, dict]:
    """Fresh scenes; they lie in a temporary folder until the process ends."""
    from seglab.data.toybox.dataset import generate_dataset

    folder = Path(tempfile.mkdtemp(prefix="finetune-toybox-"))
    splits = {}
    for split, count in (("train", train), ("val", TOYBOX_VAL)):
        generate_dataset(folder / split, count, TOYBOX_SEEDS[split], val=float(split == "val"), workers=0)
        splits[split] = read_split(folder / split, split)
    return splits


def coco_folds() -> list[dict[str, dict]]:
    """All photos of coco38 with some classes only; fold k validates every fifth of them, in an order drawn once."""
    parts = [read_split(shared() / "datasets/coco38", f"{split}2017") for split in ("train", "val")]
    categories = [category for category in parts[0]["categories"] if category["name"] in COCO_CLASSES]
    known = {category["id"] for category in categories}
    images = sorted((image for part in parts for image in part["images"]), key=lambda image: image["id"])
    annotations = [row for part in parts for row in part["annotations"] if row["category_id"] in known]
    photos = {"images": images, "annotations": annotations, "categories": categories}
    order = random.Random(0).sample(images, len(images))
    folds = []
    for fold in range(FOLDS):
        held_back = order[fold::FOLDS]
        others = [image for image in order if image not in held_back]
        folds.append({"train": chosen(photos, others), "val": chosen(photos, held_back)})
    return folds


def chosen(content: dict, images: list[dict]) -> dict:
    """A COCO JSON's content with some of its images only."""
    ids = {image["id"] for image in images}
    annotations = [row for row in content["annotations"] if row["image_id"] in ids]
    return {"images": images, "annotations": annotations, "categories": content["categories"]}


def write_task(task: Task, splits: dict[str, dict], base: str) -> None:
    """Write a task's folder: COCO JSON and images in source/, the YOLO-seg folder in yolo/, a YAML for both tools."""
    import yaml

    from seglab.data.convert import convert

    folder = task.yaml.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    source = staging / "source"
    for split, content in splits.items():
        (source / "images" / split).mkdir(parents=True)
        (source / "annotations").mkdir(exist_ok=True)
        for image in content["images"]:
            write_variant(Path(image["path"]), source / "images" / split / image["file_name"], base)
        images = [{key: value for key, value in image.items() if key != "path"} for image in content["images"]]
        text = json.dumps({**content, "images": images})
        (source / f"annotations/instances_{split}.json").write_text(text, encoding="utf-8")
    convert(source / "annotations", images=source / "images", out=staging / "yolo")
    content = yaml.safe_load((staging / "yolo/yolo.yaml").read_text(encoding="utf-8"))
    content = {"path": str((folder / "yolo").absolute()), **content}
    (staging / "data.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    try:
        staging.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(staging)


def write_variant(image: Path, target: Path, base: str) -> None:
    """Copy an image, without its colour or sharpness where the dataset's name says so."""
    import cv2

    if base == "coco-grey":
        grey = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(target), grey, [cv2.IMWRITE_JPEG_QUALITY, 95])
    elif base == "coco-blur":
        blurred = cv2.GaussianBlur(cv2.imread(str(image)), (0, 0), BLUR)
        cv2.imwrite(str(target), blurred, [cv2.IMWRITE_JPEG_QUALITY, 95])
    else:
        shutil.copyfile(image, target)


# --- training: in a process of its own ---


def train(folder: Path) -> None:
    """Run what plan.json says and write training.json."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    learn = {"seglab": learn_seglab, "peer": learn_peer}[plan["tool"]]
    ready = learn(plan, folder)
    started, busy = time.perf_counter(), cpu_seconds()
    ready()
    answer = {"seconds": time.perf_counter() - started, "cpu_seconds": cpu_seconds() - busy}
    import torch

    answer |= {"threads": torch.get_num_threads(), "load": os.getloadavg()[1], "versions": versions(plan["tool"])}
    answer["args"] = read_arguments(folder / "run/args.yaml")
    write_json(folder / "training.json", answer)


def learn_seglab(plan: dict, folder: Path):
    """-> what is to be timed."""
    import cv2
    import torch

    from seglab import YOLO

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = YOLO(shared() / WEIGHTS)
    place = {"project": str(folder), "name": "run", "exist_ok": True}
    return lambda: model.train(data=plan["data"], seed=plan["seed"], **place, **plan["arguments"])


def learn_peer(plan: dict, folder: Path):
    """-> what is to be timed."""
    import torch
    import ultralytics.utils.torch_utils as torch_utils
    from ultralytics import YOLO

    torch_utils.NUM_THREADS = 1  # or training sets more
    torch.set_num_threads(1)
    model = YOLO(str(folder / "start.pt"))
    place = {"project": str(folder), "name": "run", "exist_ok": True}
    return lambda: model.train(data=plan["data"], seed=plan["seed"], **place, **plan["arguments"])


def write_peer_start(path: Path) -> None:
    """The weights that both start from, as the peer saves a model of its own."""
    from safetensors import safe_open
    from safetensors.torch import load_file
    from ultralytics import YOLO

    from seglab.data.catalogue import COCO_NAMES

    model = YOLO("yolo11n-seg.yaml")
    with safe_open(shared() / WEIGHTS, "pt") as file:
        print("start:", dict(file.metadata() or {}).get("license", "no license said"))
    state = {name: tensor.float() for name, tensor in load_file(shared() / WEIGHTS).items()}
    model.model.load_state_dict(state)
    model.model.names = dict(enumerate(COCO_NAMES))
    model.save(str(path))


def cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def versions(tool: str) -> dict[str, str]:
    import torch

    if tool == "peer":
        import ultralytics

        return {"torch": torch.__version__, "ultralytics": ultralytics.__version__}
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return {"torch": torch.__version__, "seglab": commit}


def read_arguments(path: Path) -> dict[str, Any]:
    """What a tool says it was told: all arguments."""
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


# --- evaluation: in a process of its own ---


def evaluate(folder: Path) -> None:
    """Decode and judge the weights of a run that training.json says has ended, and write its row."""
    import torch

    torch.set_num_threads(1)
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    training = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    task, tool, imgsz = Task(*map(str, plan["task"])), plan["tool"], plan["arguments"]["imgsz"]
    decoders = ("seglab", "peer") if tool == "peer" else ("seglab",)
    suffix = ".pt" if tool == "peer" else ".safetensors"
    row = {name: plan[name] for name in ("dataset", "fold", "tool", "setting", "seed", "arguments")} | training
    for decoder in decoders:
        row[f"start {decoder}"] = start_metrics(decoder, task, imgsz, folder)
        for kind in ("last", "best"):
            detections = DECODERS[decoder](folder / "run/weights" / f"{kind}{suffix}", task, imgsz)
            write_json(folder / f"detections-{kind}-{decoder}.json.gz", detections)
            row[f"{kind} {decoder}"] = judge([Path(task.truth)], detections)
    row["moved"] = how_far_moved(folder / "run/weights" / f"last{suffix}")
    row["history"] = read_history(folder / "run/results.csv")
    write_json(folder / "row.json", row)


def start_metrics(decoder: str, task: Task, imgsz: int, folder: Path) -> dict:
    """What the untrained start finds of the classes whose names it knows; judged once a task."""
    place = starts_folder(Path(task.yaml), imgsz)
    found = place / f"{decoder}.json"
    if not found.is_file():
        weights = shared() / WEIGHTS if decoder == "seglab" else folder / "start.pt"
        detections = DECODERS[decoder](weights, task, imgsz)
        place.mkdir(parents=True, exist_ok=True)
        write_json(place / f"detections-{decoder}.json.gz", detections)
        write_json(found, judge([Path(task.truth)], detections))
    return json.loads(found.read_text(encoding="utf-8"))


def starts_folder(yaml: Path, imgsz: int) -> Path:
    return yaml.parent / f"start-{imgsz}"


def decode_seglab(weights: Path, task: Task, imgsz: int) -> list[dict]:
    """What seglab finds on the validation images with some weights, in COCO's result format."""
    from seglab import YOLO

    model = YOLO(weights)
    images, category_of = validation(task, model.names)
    if not category_of:
        return []
    category_ids = [category_of.get(index, -1) for index in range(len(model.names))]
    detections = []
    for image_id, path in images:
        found = model.predict(str(path), imgsz=imgsz, device="cpu", classes=list(category_of), **DECODING)
        detections += found[0].to_coco(image_id, category_ids)
    return detections


def decode_peer(weights: Path, task: Task, imgsz: int) -> list[dict]:
    """What the peer finds with its own weights, masks at the image's resolution."""
    import numpy as np
    from pycocotools import mask as coco_mask
    from ultralytics import YOLO

    model = YOLO(str(weights))
    images, category_of = validation(task, model.names)
    if not category_of:
        return []
    options = {"imgsz": imgsz, "device": "cpu", "classes": list(category_of), "retina_masks": True, "verbose": False}
    detections = []
    for image_id, path in images:
        found = model.predict(str(path), **options, **DECODING)[0]
        if found.masks is None:
            continue
        if tuple(found.masks.data.shape[1:]) != tuple(found.orig_shape):
            sys.exit(f"masks of {tuple(found.masks.data.shape[1:])} for an image of {found.orig_shape}")
        rows = zip(found.boxes.xyxy.tolist(), found.boxes.conf.tolist(), found.boxes.cls.tolist(), found.masks.data)
        for (left, top, right, bottom), score, class_id, mask in rows:
            rle = coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
            detections.append(
                {
                    "image_id": image_id,
                    "category_id": category_of[int(class_id)],
                    "bbox": [left, top, right - left, bottom - top],
                    "score": score,
                    "segmentation": {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")},
                }
            )
    return detections


DECODERS = {"seglab": decode_seglab, "peer": decode_peer}


def validation(task: Task, names: dict[int, str]) -> tuple[list[tuple[int, Path]], dict[int, int]]:
    """The validation images by id, and for every class that the dataset knows by its name the category's id."""
    content = json.loads(Path(task.truth).read_text(encoding="utf-8"))
    images = [(image["id"], Path(task.images) / image["file_name"]) for image in content["images"]]
    category_of_name = {plain(category["name"]): category["id"] for category in content["categories"]}
    known = {index: category_of_name[plain(name)] for index, name in names.items() if plain(name) in category_of_name}
    return images, known


def plain(name: str) -> str:
    return name.strip().lower()


def judge(truths: Sequence[Path], detections: list[dict]) -> dict[str, dict[str, float]]:
    """pycocotools' AP, AP50 and AP75 of boxes and masks on the images of one or several instances files."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    parts = [json.loads(path.read_text(encoding="utf-8")) for path in truths]
    annotations = [dict(row) for part in parts for row in part["annotations"]]
    images = [image for part in parts for image in part["images"]]
    metrics = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for shape, kind, other in (("box", "bbox", "segmentation"), ("mask", "segm", "bbox")):
            if not detections:
                metrics[shape] = dict.fromkeys(("AP", "AP50", "AP75"), 0.0)
                continue
            truth = COCO()
            truth.dataset = {"images": images, "annotations": annotations, "categories": parts[0]["categories"]}
            truth.createIndex()
            # Of a result with a box pycocotools takes the area from there, even when masks are judged.
            results = truth.loadRes([{key: row[key] for key in row if key != other} for row in detections])
            evaluation = COCOeval(truth, results, kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            metrics[shape] = dict(zip(("AP", "AP50", "AP75"), map(float, evaluation.stats)))
    return metrics


def how_far_moved(weights: Path) -> dict[str, float]:
    """L2 distance of weights from the start over the start's own norm: what is learnt, and batch statistics.

    The class scores' last layer, whose shape follows the class count, is left out where it has another.
    """
    from safetensors.torch import load_file

    from seglab.model.weights import load_weights

    start, end = load_file(shared() / WEIGHTS), load_weights(weights).state
    distance, size = defaultdict(float), defaultdict(float)
    for name, before in start.items():
        if name not in end or end[name].shape != before.shape or not before.is_floating_point():
            continue
        group = "statistics" if "running_" in name else "weights"
        distance[group] += float((end[name].double() - before.double()).square().sum())
        size[group] += float(before.double().square().sum())
    return {group: math.sqrt(distance[group] / size[group]) for group in size}


def read_history(path: Path) -> list[dict[str, float]]:
    """Box and mask AP of every epoch by the tool's own protocol, from its results.csv."""
    columns = {"epoch": "epoch", "box": "metrics/mAP50-95(B)", "mask": "metrics/mAP50-95(M)"}
    with open(path, newline="", encoding="utf-8") as file:
        rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
    return [{name: float(row.get(column) or "nan") for name, column in columns.items()} for row in rows]


# --- running ---


def parse_setting(text: str, tool: str) -> dict[str, Any] | None:
    """ "ratio2 lr0=1e-4" -> arguments; None for a name that the tool has no setting of."""
    arguments: dict[str, Any] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if equals:
            arguments[name] = parse_value(value)
        elif name in SETTINGS[tool]:
            arguments |= SETTINGS[tool][name]
        elif any(name in settings for settings in SETTINGS.values()):
            return None
        else:
            sys.exit(f"there is no setting {name}: write key=value, or one of {', '.join(SETTINGS[tool])}")
    return arguments


def parse_value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def plan_runs(options: argparse.Namespace) -> list[Run]:
    """All runs that the command line asks for: one seed after the other, so that every setting has a figure early."""
    extra = ["batch=16", "nbs=64"] if options.defaults else []
    extra += [f"epochs={options.epochs}"] if options.epochs else []
    runs = []
    for name in options.datasets:
        dataset = f"{name}-{options.images}" if options.images else name
        tasks = prepare(dataset, options.out)
        for seed in options.seeds:
            for tool in options.tools:
                for text in options.settings or SETTINGS[tool]:
                    setting = " ".join([text, *extra])
                    own = parse_setting(setting, tool)
                    if own is not None:
                        runs += [Run(dataset, task, tool, setting, seed, COMMON | own) for task in tasks]
    return runs


def folder_of(run: Run, out: Path) -> Path:
    label = re.sub(r"[^\w.=,-]+", "_", run.setting)
    return out / "runs" / run.task.name / run.tool / f"{label}-seed{run.seed}"


def carry_out(run: Run, out: Path) -> None:
    """Train and evaluate one run in two processes, unless it has its row or another process is at it."""
    folder = folder_of(run, out)
    if (folder / "row.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if not claim(folder):
        print(f"{folder}: another process is at it", flush=True)
        return
    fold = re.search(r"-fold(\d+)$", run.task.name)
    plan = {**run._asdict(), "task": list(map(str, run.task)), "data": str(run.task.yaml)}
    write_json(folder / "plan.json", plan | {"fold": int(fold[1]) if fold else None})
    try:
        if not (folder / "training.json").is_file():
            shutil.rmtree(folder / "run", ignore_errors=True)
            if run.tool == "peer":
                start_process("start", folder)
            start_process("train", folder)
        start_process("evaluate", folder)
    except RuntimeError as error:
        print(error, flush=True)
        return
    finally:
        (folder / "running").unlink()
    print(describe(json.loads((folder / "row.json").read_text(encoding="utf-8"))), flush=True)


def claim(folder: Path) -> bool:
    """Whether this process may work in a folder: no other living one does."""
    file = folder / "running"
    if file.is_file() and Path(f"/proc/{file.read_text()}").exists():
        return False
    file.write_text(str(os.getpid()))
    return True


def start_process(step: str, folder: Path) -> None:
    """One step of a run in a process of its own, on one thread. Errors: RuntimeError with the end of what it said."""
    command = [sys.executable, "-m", "benchmarks.finetune", step, str(folder)]
    own = {**environment(), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with open(folder / f"{step}.log", "w", encoding="utf-8") as log:
        code = subprocess.run(command, env=own, stdout=log, stderr=subprocess.STDOUT).returncode
    if code:
        said = (folder / f"{step}.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"{folder}: {step} failed\n{said[-1500:]}")


def describe(row: dict) -> str:
    """A finished run in a line."""
    place = row["dataset"] + ("" if row["fold"] is None else f" fold {row['fold']}")
    parts = [f"{place} | {row['tool']} {row['setting']} | seed {row['seed']} | {row['seconds']:.0f} s"]
    for kind in ("start seglab", "last seglab", "best seglab", "last peer", "best peer"):
        if kind in row:
            parts.append(f"{kind} {row[kind]['box']['AP']:.3f}/{row[kind]['mask']['AP']:.3f}")
    return " | ".join(parts)


def pool(runs: Iterable[Run], out: Path) -> None:
    """Where all folds of a dataset have their rows, write one row for them, with the AP of all detections together."""
    groups: dict[tuple[str, str, str, int], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.dataset, run.tool, run.setting, run.seed].append(run)
    for (dataset, *_), folds in groups.items():
        whole = folds[0]._replace(task=folds[0].task._replace(name=dataset))
        folders = [folder_of(run, out) for run in folds]
        place = folder_of(whole, out)
        complete = len(folds) == FOLDS and all((folder / "row.json").is_file() for folder in folders)
        if not complete or (place / "row.json").is_file():
            continue
        row = pooled_row([json.loads((folder / "row.json").read_text(encoding="utf-8")) for folder in folders])
        truths = [run.task.truth for run in folds]
        for column in [name for name in row if name.split(" ")[0] in ("start", "last", "best")]:
            kind, decoder = column.split(" ")
            if kind == "start":
                imgsz = whole.arguments["imgsz"]
                files = [starts_folder(run.task.yaml, imgsz) / f"detections-{decoder}.json.gz" for run in folds]
            else:
                files = [folder / f"detections-{kind}-{decoder}.json.gz" for folder in folders]
            detections = [found for file in files for found in json.loads(gzip.decompress(file.read_bytes()))]
            row[column] = judge(truths, detections)
        place.mkdir(parents=True, exist_ok=True)
        write_json(place / "row.json", row)
        print(describe(row), flush=True)


def pooled_row(rows: Sequence[dict]) -> dict:
    """The rows of all folds as one: times added, distances averaged, the AP columns still to be filled."""
    row = rows[0] | {"fold": "all"}
    for name in ("seconds", "cpu_seconds"):
        row[name] = sum(fold[name] for fold in rows)
    row["moved"] = {name: statistics.mean(fold["moved"][name] for fold in rows) for name in row["moved"]}
    row["history"] = [
        {name: statistics.mean(fold[name] for fold in epoch) for name in ("epoch", "box", "mask")}
        for epoch in zip(*(fold["history"] for fold in rows))
    ]
    return row


def write_json(path: Path, content: Any) -> None:
    """Write a file, compressed if its name says so, as a whole or not at all."""
    data = json.dumps(content, default=str).encode()
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    part.replace(path)


# --- the table ---


def read_rows(out: Path) -> list[dict]:
    """All rows but those of single folds."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("runs/*/*/*/row.json"))]
    return [row for row in rows if row["fold"] in (None, "all")]


class Summary(NamedTuple):
    """The runs of one setting, with their means and standard deviations."""

    dataset: str
    tool: str
    setting: str
    seeds: int
    values: dict[str, tuple[float, float]]

    def mean(self, name: str) -> float:
        return self.values[name][0]


def summarise(rows: Iterable[dict]) -> list[Summary]:
    groups: dict[tuple[str, str, str], list[dict]] = defaultdict(list)
    for row in rows:
        groups[row["dataset"], row["tool"], row["setting"]].append(row)
    summaries = []
    for (dataset, tool, setting), members in sorted(groups.items()):
        columns = [figures(row) for row in members]
        values = {name: spread([column[name] for column in columns]) for name in columns[0]}
        summaries.append(Summary(dataset, tool, setting, len(members), values))
    return summaries


def figures(row: dict) -> dict[str, float]:
    """What the table shows of a run. The peer's weights count as the better of the two programs decodes them."""
    decoders = [name for name in ("seglab", "peer") if f"last {name}" in row]
    found = {"seconds": row["seconds"], "cpu": row["cpu_seconds"], "moved": row["moved"]["weights"]}
    for kind in ("start", "last", "best"):
        for shape in ("box", "mask"):
            found[f"{kind} {shape}"] = max(row[f"{kind} {decoder}"][shape]["AP"] for decoder in decoders)
    found["best AP75"] = max(row[f"best {decoder}"]["mask"]["AP75"] for decoder in decoders)
    found["own"] = row[f"best {decoders[-1]}"]["mask"]["AP"]
    found["ours"] = row["best seglab"]["mask"]["AP"]
    return found


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and standard deviation (nan of one)."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else math.nan


def table(rows: Iterable[dict]) -> str:
    """Mean ± standard deviation of every setting as Markdown, and for seglab's whether the goals are met."""
    summaries = summarise(rows)
    columns = {
        "start mask": "start mask", "box": "best box", "mask": "best mask", "mask AP75": "best AP75",
        "last mask": "last mask", "s": "seconds", "CPU s": "cpu", "moved": "moved",
    }  # fmt: skip
    lines = [f"| dataset | tool, setting | seeds | {' | '.join(columns)} | peer's by its own / our decoding | goals |"]
    lines.append("|-" * (len(columns) + 5) + "|")
    for one in summaries:
        cells = [shown(*one.values[name], digits=0 if name in ("seconds", "cpu") else 3) for name in columns.values()]
        both = f"{one.mean('own'):.3f} / {one.mean('ours'):.3f}" if one.tool == "peer" else ""
        peers = [other for other in summaries if other.dataset == one.dataset and other.tool == "peer"]
        goals = judge_goals(one, peers) if one.tool == "seglab" else ""
        line = [one.dataset, f"{one.tool} {one.setting}", str(one.seeds), *cells, both, goals]
        lines.append(f"| {' | '.join(line)} |")
    return "\n".join(lines)


def shown(mean: float, deviation: float, digits: int) -> str:
    text = f"{mean:.{digits}f}"
    return text if math.isnan(deviation) else f"{text} ± {deviation:.{digits}f}"


def judge_goals(one: Summary, peers: Sequence[Summary]) -> str:
    """Differences to what is to be passed, in AP points, with a cross where it is not.

    Nuclei and toybox: mask AP +5 over the peer's default and +3 over its best setting; COCO photos: the peer's best
    less .5. Boxes no worse than the better of the two less .5, in no more CPU time than the default. The last epoch no
    worse than the start less .5, and the best +2 over it; on COCO photos as they are, which the start has learnt, no
    worse than it.
    """
    known = one.dataset.startswith("coco")
    goals: list[tuple[str, float, float]] = []  # name, difference in points, at least
    default = next((peer for peer in peers if same_setting(peer.setting, "default", one.setting)), None)
    best = max(peers, key=lambda peer: peer.mean("best mask"), default=None)
    if default and not known:
        goals.append(("mask - default", one.mean("best mask") - default.mean("best mask"), 0.05))
    if best:
        goals.append(("mask - peer's best", one.mean("best mask") - best.mean("best mask"), -0.005 if known else 0.03))
        boxes = max(peer.mean("best box") for peer in (default, best) if peer)
        goals.append(("box", one.mean("best box") - boxes, -0.005))
    gain = 0.0 if one.dataset == "coco" else 0.02
    goals.append(("last - start", one.mean("last mask") - one.mean("start mask"), -0.005))
    goals.append(("best - start", one.mean("best mask") - one.mean("start mask"), gain))
    texts = [f"{name} {100 * gap:+.1f} {'✓' if gap >= least else '✗'}" for name, gap, least in goals]
    if default:
        ratio = one.mean("cpu") / default.mean("cpu")
        texts.append(f"time ×{ratio:.2f} {'✓' if ratio <= 1 else '✗'}")
    return ", ".join(texts)


def same_setting(text: str, name: str, beside: str) -> bool:
    """Whether a setting is the named one with the epochs and batch that another one has too."""
    shared_words = [word for word in beside.split() if word.startswith(("epochs=", "batch=", "nbs=", "imgsz="))]
    return text.split() == [name, *shared_words]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("run", "table", "start", "train", "evaluate"))
    parser.add_argument("datasets", nargs="*", help="names; of start, train and evaluate (run's own) a run's folder")
    default_out = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seglab-finetune"
    parser.add_argument("--out", type=Path, default=default_out, help=f"folder of results: {default_out}")
    parser.add_argument("--tools", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--settings", nargs="*", help="all of SETTINGS by default")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--images", type=int, help="train on the first N images only, as nuclei-N does")
    parser.add_argument("--epochs", type=int, help="other than 10")
    parser.add_argument("--defaults", action="store_true", help="both tools' own batch and nbs, 16 and 64")
    options = parser.parse_args()
    options.out = options.out.absolute()
    if options.step in ("start", "train", "evaluate"):
        folder = Path(options.datasets[0])
        if options.step == "start":
            write_peer_start(folder / "start.pt")
        else:
            {"train": train, "evaluate": evaluate}[options.step](folder)
    elif options.step == "table":
        rows = read_rows(options.out)
        print(table(row for row in rows if not options.datasets or row["dataset"] in options.datasets))
    else:
        runs = plan_runs(options)
        for run in runs:
            carry_out(run, options.out)
            pool((other for other in runs if other.dataset == run.dataset), options.out)


if __name__ == "__main__":
    main()
