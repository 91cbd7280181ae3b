"""Folders as labeling tools export them, written from scenes of toybox8-seg: one function a layout.

Each writes into a new folder and returns what a user would point `data=` at. docs/data.md shows the same layouts, and
`test_layouts` holds the two together.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from seglab.data.annotations import Annotations
from seglab.data.image import image_size
from seglab.datasets.load import load_dataset
from seglab.formats.format import Format, LabelledImage, outline
from seglab.formats.registry import FORMATS
from seglab.formats.yolo import row_text
from seglab.geometry.polygons import ring_area

from .formats.test_round_trip import example, write

SCENES = {"train": 2, "val": 1}


def scenes() -> dict[str, list[LabelledImage]]:
    """Split -> images of toybox8-seg with their instances, of one part each, as all tools can say them."""
    spec = load_dataset("toybox8-seg")
    found: dict[str, list[LabelledImage]] = {}
    for split, count in SCENES.items():
        annotations = Annotations(spec, split)
        found[split] = []
        for image in spec.images(split)[:count]:
            size = image_size(image)
            instances = annotations.read(image, size)[0]
            plain = [one for one in instances if len(one.rings) == 1 and ring_area(one.rings[0]) > 0]
            found[split].append(LabelledImage(image, image.name, split, size, plain))
    return found


NAMES = load_dataset("toybox8-seg").names
ALL = [image for images in scenes().values() for image in images]
INSTANCES = sum(len(image.instances) for image in ALL)


@dataclass(frozen=True)
class Layout:
    """write: (new folder) -> what to point at; about: what it is recognized as; splits: split -> images."""

    write: Callable[[Path], Path]
    about: str
    splits: dict[str, int]
    instances: int
    named: bool = True  # whether its classes have names


# Pieces


def put(image: LabelledImage, folder: Path, name: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(image.file, folder / (name or image.name))


def put_labels(image: LabelledImage, folder: Path, name: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row_text(found.class_id, found.rings, image.size, ".6f") for found in image.instances]
    (folder / (name or Path(image.name).with_suffix(".txt").name)).write_text("\n".join(rows) + "\n")


def coco(images: Iterable[LabelledImage], path: Path, file_name: Callable[[str], str] = str, root: str = "") -> Path:
    """A COCO JSON. root: what Roboflow lists as category 0, which no instance has."""
    entries, rows = [], []
    for image_id, image in enumerate(images):
        height, width = image.size
        entries.append({"id": image_id, "file_name": file_name(image.name), "height": height, "width": width})
        for found in image.instances:
            polygon = outline(found)[0].ravel().tolist()
            row = {"id": len(rows) + 1, "image_id": image_id, "category_id": found.class_id + 1, "iscrowd": 0}
            rows.append(row | {"segmentation": [polygon], "area": 1.0, "bbox": [0, 0, 1, 1]})
    categories = [{"id": 0, "name": root, "supercategory": "none"}] if root else []
    categories += [{"id": class_id + 1, "name": name, "supercategory": root} for class_id, name in NAMES.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": entries, "annotations": rows, "categories": categories}))
    return path


def names_in_yaml() -> str:
    return "names:\n" + "".join(f"  {class_id}: {name}\n" for class_id, name in NAMES.items())


# YOLO


def yolo(folder: Path) -> Path:
    for image in ALL:
        put(image, folder / "images" / image.split)
        put_labels(image, folder / "labels" / image.split)
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\n" + names_in_yaml())
    return folder


def cvat_yolo(folder: Path, prefix: str = "") -> Path:
    for image in ALL:
        put(image, folder / "images/train")
        put_labels(image, folder / "labels/train")
    (folder / "data.yaml").write_text("path: .\ntrain: train.txt\n" + names_in_yaml())
    (folder / "train.txt").write_text("".join(f"{prefix}images/train/{image.name}\n" for image in ALL))
    return folder


def roboflow_yolo(folder: Path) -> Path:
    for image in ALL:
        part = folder / {"train": "train", "val": "valid"}[image.split]
        stem = f"{Path(image.name).stem}_jpg.rf.{crc32(image.name.encode()):08x}"
        put(image, part / "images", f"{stem}.jpg")
        put_labels(image, part / "labels", f"{stem}.txt")
    splits = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"  # test is not exported
    (folder / "data.yaml").write_text(f"{splits}\nnc: {len(NAMES)}\nnames: {list(NAMES.values())}\n")
    return folder


def label_studio_yolo(folder: Path) -> Path:
    for image in ALL:
        put(image, folder / "images", f"1a2b3c4d-{image.name}")
        put_labels(image, folder / "labels", f"1a2b3c4d-{Path(image.name).stem}.txt")
    (folder / "classes.txt").write_text("\n".join(NAMES.values()) + "\n")
    categories = [{"id": class_id, "name": name} for class_id, name in NAMES.items()]
    (folder / "notes.json").write_text(json.dumps({"categories": categories, "info": {"contributor": "Label Studio"}}))
    return folder


def without_yaml(folder: Path, images: str = "images", labels: str = "labels", suffix: str = ".txt") -> Path:
    for image in ALL:
        put(image, folder / images)
        name = image.name if suffix == ".jpg.txt" else Path(image.name).stem
        put_labels(image, folder / labels, f"{name.removesuffix('.jpg')}{suffix}")
    return folder


def split_folders(folder: Path) -> Path:
    for image in ALL:
        put(image, folder / image.split / "images")
        put_labels(image, folder / image.split / "labels")
    return folder


# COCO


def cvat_coco(folder: Path) -> Path:
    for image in ALL:
        put(image, folder / "images/default")
    coco(ALL, folder / "annotations/instances_default.json")
    return folder


def roboflow_coco(folder: Path) -> Path:
    for split, part in (("train", "train"), ("val", "valid")):
        own = [image for image in ALL if image.split == split]
        for image in own:
            put(image, folder / part)
        coco(own, folder / part / "_annotations.coco.json", root="street-abc")
    return folder


def label_studio_coco(folder: Path) -> Path:
    for image in ALL:
        put(image, folder / "images")
    coco(ALL, folder / "result.json", lambda name: f"images\\1/{name}")
    return folder


def coco_file(folder: Path) -> Path:
    for image in ALL:
        put(image, folder)
    return coco(ALL, folder / "labels.json")


def coco_siblings(folder: Path) -> Path:
    for split in SCENES:
        own = [image for image in ALL if image.split == split]
        for image in own:
            put(image, folder / f"{split}2017")
        coco(own, folder / f"annotations/instances_{split}2017.json")
    return folder


def of(known: Format) -> Layout:
    """The layout of a labeling tool's own format, as the round-trip tests write it."""
    images = example()

    def write_distinct(folder: Path) -> Path:
        place = write(known, folder, images)
        for original in (folder / "originals").iterdir():  # linked into the layout; equal files are one group
            with open(original, "ab") as file:
                file.write(original.name.encode())
        return place

    return Layout(write_distinct, known.title, {"train": len(images)}, sum(map(len, images.values())))


ONE, TWO = {"train": len(ALL)}, SCENES
NO_YAML = "images with YOLO labels, without a YAML"
LAYOUTS = {
    "YOLO with a YAML": Layout(yolo, "YOLO dataset", TWO, INSTANCES),
    "CVAT, Ultralytics YOLO Segmentation 1.0": Layout(cvat_yolo, "YOLO dataset", ONE, INSTANCES),
    "the same with data/ in train.txt": Layout(lambda f: cvat_yolo(f, "data/"), "YOLO dataset", ONE, INSTANCES),
    "Roboflow, YOLO": Layout(roboflow_yolo, "YOLO dataset", TWO, INSTANCES),
    "Label Studio, YOLO with images": Layout(label_studio_yolo, NO_YAML, ONE, INSTANCES),
    "images and labels": Layout(without_yaml, NO_YAML, ONE, INSTANCES, named=False),
    "Images and Labels": Layout(lambda f: without_yaml(f, "Images", "Labels"), NO_YAML, ONE, INSTANCES, named=False),
    "labels beside images": Layout(lambda f: without_yaml(f, ".", "."), NO_YAML, ONE, INSTANCES, named=False),
    "labels called a.jpg.txt": Layout(
        lambda f: without_yaml(f, suffix=".jpg.txt"), NO_YAML, ONE, INSTANCES, named=False
    ),
    "one folder per split": Layout(split_folders, NO_YAML, TWO, INSTANCES, named=False),
    "CVAT, COCO 1.0": Layout(cvat_coco, "COCO JSON", ONE, INSTANCES),
    "Roboflow, COCO Segmentation": Layout(roboflow_coco, "COCO JSON", TWO, INSTANCES),
    "Label Studio, COCO": Layout(label_studio_coco, "COCO JSON", ONE, INSTANCES),
    "a COCO JSON itself": Layout(coco_file, "COCO JSON", ONE, INSTANCES),
    "COCO's own layout": Layout(coco_siblings, "COCO JSON", TWO, INSTANCES),
    **{known.title: of(known) for known in FORMATS if known.name not in ("yolo", "coco")},
}
