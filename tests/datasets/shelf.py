"""Small datasets for tests."""

import json

import numpy as np
import yaml
from PIL import Image


def make_images(folder, count=2):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / f"{number}.png")


def make_dataset(root, yaml_path=None, **content):
    make_images(root / "images/train", 3)
    make_images(root / "images/val", 2)
    content = {"train": "images/train", "val": "images/val", "names": {0: "cup", 1: "kite"}} | content
    path = yaml_path or root / f"{root.name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def counts(spec):
    return {split: len(images) for split, images in spec.splits.items()}


def write_json(path, files, categories=((3, "cup"), (7, "kite"))):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": number, "file_name": name, "height": 8, "width": 8} for number, name in enumerate(files)]
    categories = [{"id": number, "name": name} for number, name in categories]
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
    return path
