"""Toybox scenes as a dataset folder: images, YOLO-seg labels, dataset YAML and COCO JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2

from seglab.errors import SeglabError
from seglab.files import publish, staging_dir
from seglab.formats.coco_ids import category_ids, image_ids
from seglab.formats.coco_writer import annotation_entry, category_entries, image_entry, write_coco
from seglab.formats.yolo import write_dataset_yaml, write_labels
from seglab.parallel import parallel_map, workers_for
from seglab.progress import with_progress
from seglab.sample import Sample
from seglab.toybox.objects import NAMES
from seglab.toybox.scene import scene

JPEG_QUALITY = 92
DIGITS = ".5f"  # of the fractions in label files
CATEGORY_IDS = category_ids(dict(enumerate(NAMES)))  # COCO's own, as the names are
MIN_SHARED = 40  # scenes; fewer are written before worker processes would have started
EMBEDDED_SEEDS = {"train": (115, 7, 64, 50), "val": (119, 88, 16, 62)}  # of data/toybox8-seg: one of each layout


class PlannedScene(NamedTuple):
    """One scene that is to be written. stem: of its files; seed: see `scene`."""

    split: str
    stem: str
    seed: int | tuple[int, ...]


def generate_dataset(
    out: str | Path,
    count: int,
    seed: int = 0,
    size: tuple[int, int] = (480, 640),
    val: float = 0.2,
    workers: int | None = None,
) -> Path:
    """Write `count` scenes into the new folder `out` and return its dataset YAML.

    Scene i is scene((seed, i), size), whatever the number of worker processes (default: one per core, none for a few
    scenes). val: fraction of the scenes that goes into the validation split, the last ones; 1 puts all of them there.
    The folder appears when everything is written; one that another process has put there meanwhile stays.
    Errors: SeglabError when `out` exists already, for a count below 1 and for a fraction outside 0..1.
    """
    if count < 1 or not 0 <= val <= 1:
        raise SeglabError(f"count must be at least 1 and val between 0 and 1, not count={count} and val={val}")
    train = count - round(count * val)
    plan = [PlannedScene("train" if i < train else "val", f"{i:06d}", (seed, i)) for i in range(count)]
    return _write(Path(out), plan, size, workers)


def write_embedded(out: str | Path) -> Path:
    """Write the eight chosen scenes of data/toybox8-seg into the new folder `out` and return its dataset YAML."""
    plan = [PlannedScene(split, f"{seed:06d}", seed) for split, seeds in EMBEDDED_SEEDS.items() for seed in seeds]
    return _write(Path(out), plan, (480, 640), None)


def fresh_scene(epoch: int, number: int) -> Sample:
    """A scene that belongs to one epoch of training and is in no dataset that `generate_dataset` writes."""
    return scene((number, epoch, 1))  # three numbers, where those have two


def _write_scene(planned: PlannedScene, folder: Path, size: tuple[int, int]) -> list[dict]:
    """Write image and label of one entry of a plan into `folder` -> its COCO annotations, still without ids."""
    split, stem, seed = planned
    sample = scene(seed, size)
    bgr = cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    (folder / "images" / split / f"{stem}.jpg").write_bytes(encoded.tobytes())
    write_labels(folder / "labels" / split / f"{stem}.txt", sample.instances, size, digits=DIGITS)
    return [annotation_entry(0, 0, CATEGORY_IDS[found.class_id], found, size) for found in sample.instances]


def _write(out: Path, plan: Sequence[PlannedScene], size: tuple[int, int], workers: int | None) -> Path:
    if out.exists():
        raise SeglabError(f"{out} already exists: choose a new folder for the scenes, or remove this one")
    splits = list(dict.fromkeys(planned.split for planned in plan))
    with staging_dir(out) as part:
        for split in splits:
            (part / "images" / split).mkdir(parents=True)
            (part / "labels" / split).mkdir(parents=True)
        (part / "annotations").mkdir()
        found = _write_scenes(part, plan, size, workers, f"toybox {out.name}")
        for split in splits:
            _write_json(part / "annotations" / f"instances_{split}.json", split, plan, found, size)
        write_dataset_yaml(
            part / f"{out.name}.yaml", {split: f"images/{split}" for split in splits}, dict(enumerate(NAMES))
        )
        publish(part, out)
    return out / f"{out.name}.yaml"


def _write_scenes(
    folder: Path, plan: Sequence[PlannedScene], size: tuple[int, int], workers: int | None, title: str
) -> list[list[dict]]:
    """Write images and labels into `folder` -> COCO annotations of every scene of the plan, in its order."""
    workers = workers_for(len(plan), MIN_SHARED) if workers is None else workers
    return list(with_progress(parallel_map(_write_scene, plan, workers, folder, size), title, "scene", len(plan)))


def _write_json(
    path: Path, split: str, plan: Sequence[PlannedScene], found: Sequence[list[dict]], size: tuple[int, int]
) -> None:
    """Write the COCO JSON of a split. found: the annotations of every scene of the plan, which get their ids here."""
    scenes = {Path(f"{planned.stem}.jpg"): own for planned, own in zip(plan, found) if planned.split == split}
    ids = image_ids(sorted(scenes))
    images = [image_entry(ids[image], image.name, size) for image in scenes]
    annotations: list[dict] = []
    for image, own in scenes.items():
        for annotation in own:
            annotations.append(annotation | {"id": len(annotations) + 1, "image_id": ids[image]})
    categories = [entry | {"supercategory": "toybox"} for entry in category_entries(CATEGORY_IDS, NAMES)]
    write_coco(path, images, annotations, categories, info={"description": "seglab toybox"})
