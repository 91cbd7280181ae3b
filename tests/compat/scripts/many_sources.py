"""Predict from everything that comes along: path, Path, PIL, array, list, folder, glob, tensor."""

from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
files = sorted(Path("images").glob("*.jpg"))
sources = {
    "str": "bus.jpg",
    "Path": Path("bus.jpg"),
    "PIL": Image.open("bus.jpg"),
    "array": cv2.imread("bus.jpg"),
    "list of paths": [str(f) for f in files],
    "mixed list": [files[0], Image.open(files[1]), cv2.imread(str(files[1]))],
    "folder": "images",
    "glob": "images/*.jpg",
    "tensor": torch.rand(1, 3, 160, 160),
    "list of arrays": [np.zeros((120, 160, 3), np.uint8), np.zeros((90, 60, 3), np.uint8)],
    "video": "video.mp4",
}
for name, source in sources.items():
    results = model(source, imgsz=160, verbose=False)
    print(f"{name:>15}: {len(results)} results, {sum(len(r.boxes) for r in results)} objects")
    assert len(results) == {"mixed list": 3, "list of arrays": 2, "video": 4}.get(
        name, len(files) if name in ("list of paths", "folder", "glob") else 1
    )

for r in model("images", stream=True, imgsz=160):
    boxes = r.boxes
    masks = r.masks
    assert r.probs is None and r.keypoints is None and r.obb is None
    print(Path(r.path).name, boxes.shape, None if masks is None else masks.shape)
