"""Sources of labels that tests write, and what they read back of a conversion."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco

from seglab.datasets.load import load_dataset
from seglab.files import label_path
from seglab.formats.yolo import read_labels
from seglab.geometry.rle import rings_to_rle

WIDTH, HEIGHT = 60, 40
SIZE = {"height": HEIGHT, "width": WIDTH}


def picture(path: Path, width: int = WIDTH, height: int = HEIGHT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 99, np.uint8))


def box(left, top, right, bottom) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def ground_truth(annotation: dict, height: int, width: int) -> dict:
    """The mask of a COCO annotation by pycocotools alone."""
    shape = annotation["segmentation"]
    if isinstance(shape, list):
        return coco.merge(coco.frPyObjects(shape, height, width))
    return coco.frPyObjects(shape, height, width) if isinstance(shape["counts"], list) else shape


def read_back(out: Path, split: str) -> dict[str, list]:
    spec = load_dataset(out)
    found = {}
    for image in spec.images(split):
        height, width = cv2.imread(str(image)).shape[:2]
        objects, _ = read_labels(label_path(image), width, height, spec.names)
        found[image.name] = [(each, rings_to_rle(each.rings, height, width)) for each in objects]
    return found


def write_coco(path: Path, images: list[dict], annotations: list[dict]) -> Path:
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cup"}]}
    path.write_text(json.dumps(content))
    return path


def labels_of(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): len(path.read_text().splitlines()) for path in folder.rglob("*.txt")}


def png(array: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def labelme(path: Path, shapes: list[dict], **more) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"imagePath": f"{path.stem}.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": shapes}
    path.write_text(json.dumps(content | more))


def ids_picture() -> np.ndarray:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[2:10, 3:20] = 1
    ids[4:6, 5:9] = 0
    ids[20:30, 10:20] = 7
    ids[20:30, 30:40] = 7
    return ids


# What tools call an image -> the name of its file.
TOOLS = {
    "images/x.jpg": "x.jpg",
    "images\\1/x.jpg": "x.jpg",
    "..\\..\\label-studio\\media\\upload\\4\\x.jpg": "x.jpg",
    "/data/upload/4/x.jpg": "x.jpg",
    "/data/local-files/?d=pics/x.jpg": "x.jpg",
    "/data/local-files/?d=my%20pics%2Fa%20b.jpg": "a b.jpg",
    "https://host.org/pics/x.jpg?X-Date=1/2": "x.jpg",
    "s3://bucket/pics/x.jpg": "x.jpg",
    "/home/me/pics/x.jpg": "x.jpg",
    "C:\\Users\\me\\x.jpg": "x.jpg",
    "file:///home/me/x.jpg": "x.jpg",
}
