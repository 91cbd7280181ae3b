"""Nuclei, toybox scenes and COCO photos as `benchmarks.finetune` trains on them: COCO JSON and a YOLO-seg folder."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

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
    ground_truth: Path  # COCO JSON of the validation images
    images: Path  # folder of the validation images


def prepare(dataset: str, out: Path) -> list[Task]:
    """The dataset of that name, written into `out` unless it is there -> its folds, or the one task that it is."""
    match = re.fullmatch(r"(nuclei|toybox|coco|coco-gray|coco-blur)(?:-(\d+))?", dataset)
    if match is None:
        sys.exit(f"there is no dataset {dataset}: use nuclei, toybox, coco, coco-gray, coco-blur, or nuclei-10")
    base, limit = match[1], int(match[2] or 0)
    names = [f"{dataset}-fold{fold}" for fold in range(FOLDS)] if base.startswith("coco") else [dataset]
    tasks = [task_in(out / "data" / name) for name in names]
    if not all(task.yaml.is_file() for task in tasks):
        with tempfile.TemporaryDirectory(prefix="finetune-") as scratch:
            for task, splits in zip(tasks, read_source(base, limit, Path(scratch))):
                if not task.yaml.is_file():
                    write_task(task, splits, base)
    return tasks


def task_in(folder: Path) -> Task:
    source = folder / "source"
    return Task(folder.name, folder / "data.yaml", source / "annotations/instances_val.json", source / "images/val")


def read_source(base: str, limit: int, scratch: Path) -> list[dict[str, dict]]:
    """For every fold its splits as COCO JSON content, whose images also have the `path` where they lie now.

    limit: how many training images, 0 for all; scratch: a folder for what is not there before, but drawn.
    """
    if base == "nuclei":
        folds = [{split: read_split(shared() / "datasets/nuclei", split) for split in ("train", "val")}]
    elif base == "toybox":
        folds = [toybox(limit or TOYBOX_TRAIN, scratch)]
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


def toybox(train: int, folder: Path) -> dict[str, dict]:
    """Fresh scenes, drawn into a folder."""
    from seglab.toybox.dataset import generate_dataset

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

    from seglab.convert import convert

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
    """Copy an image, without its color or sharpness where the dataset's name says so."""
    import cv2

    if base == "coco-gray":
        gray = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(target), gray, [cv2.IMWRITE_JPEG_QUALITY, 95])
    elif base == "coco-blur":
        blurred = cv2.GaussianBlur(cv2.imread(str(image)), (0, 0), BLUR)
        cv2.imwrite(str(target), blurred, [cv2.IMWRITE_JPEG_QUALITY, 95])
    else:
        shutil.copyfile(image, target)
