"""What weights find after a fine-tuning, judged by pycocotools at native resolution; see `benchmarks.finetune`."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import math
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.finetune_data import WEIGHTS, Task, shared

DECODING = {"conf": 0.001, "iou": 0.7, "max_det": 300}  # of both tools, as for an AP


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
    last, best = (folder / "run/weights" / f"{kind}{suffix}" for kind in ("last", "best"))
    last_is_best = same_weights(last, best)
    for decoder in decoders:
        row[f"start {decoder}"] = start_metrics(decoder, task, imgsz, folder)
        for kind, weights in (("last", last), ("best", best)):
            if kind == "last" or not last_is_best:
                detections = DECODERS[decoder](weights, task, imgsz)
                metrics = judge([Path(task.ground_truth)], detections)
            write_json(folder / f"detections-{kind}-{decoder}.json.gz", detections)
            row[f"{kind} {decoder}"] = metrics
    row["moved"] = how_far_moved(last)
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
        write_json(found, judge([Path(task.ground_truth)], detections))
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
        options = {"imgsz": imgsz, "device": "cpu", "classes": list(category_of), "engine": "torch"}
        found = model.predict(str(path), **options, **DECODING)
        detections += found[0].to_coco(image_id, category_ids)
    return detections


def decode_peer(weights: Path, task: Task, imgsz: int) -> list[dict]:
    """What ultralytics finds with its own weights, masks at the image's resolution."""
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
    content = json.loads(Path(task.ground_truth).read_text(encoding="utf-8"))
    images = [(image["id"], Path(task.images) / image["file_name"]) for image in content["images"]]
    category_of_name = {plain(category["name"]): category["id"] for category in content["categories"]}
    known = {index: category_of_name[plain(name)] for index, name in names.items() if plain(name) in category_of_name}
    return images, known


def plain(name: str) -> str:
    return name.strip().lower()


def judge(ground_truths: Sequence[Path], detections: list[dict]) -> dict[str, dict[str, float]]:
    """pycocotools' AP, AP50 and AP75 of boxes and masks on the images of one or several instances files."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    parts = [json.loads(path.read_text(encoding="utf-8")) for path in ground_truths]
    annotations = [dict(row) for part in parts for row in part["annotations"]]
    images = [image for part in parts for image in part["images"]]
    metrics = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for shape, kind, other in (("box", "bbox", "segmentation"), ("mask", "segm", "bbox")):
            if not detections:
                metrics[shape] = dict.fromkeys(("AP", "AP50", "AP75"), 0.0)
                continue
            ground_truth = COCO()
            ground_truth.dataset = {"images": images, "annotations": annotations, "categories": parts[0]["categories"]}
            ground_truth.createIndex()
            # Of a result with a box pycocotools takes the area from there, even when masks are judged.
            results = ground_truth.loadRes([{key: row[key] for key in row if key != other} for row in detections])
            evaluation = COCOeval(ground_truth, results, kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            metrics[shape] = dict(zip(("AP", "AP50", "AP75"), map(float, evaluation.stats)))
    return metrics


def same_weights(one: Path, other: Path) -> bool:
    """Whether two files hold the same tensors: then nothing is decoded twice."""
    import torch

    from seglab.model.weights import load_weights

    first, second = load_weights(one).state, load_weights(other).state
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def how_far_moved(weights: Path) -> dict[str, float]:
    """L2 distance of weights from the start over the start's own norm: what is learned, and batch statistics.

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


def write_json(path: Path, content: Any) -> None:
    """Write a file, compressed if its name says so, as a whole or not at all."""
    data = json.dumps(content, default=str).encode()
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    part.replace(path)
