"""Reads a dataset YAML before training, counts its labels and draws the mask of one."""

from pathlib import Path

import numpy as np
from seglab.data.utils import IMG_FORMATS, check_det_dataset, img2label_paths, polygon2mask
from seglab.utils import YAML

data = check_det_dataset("coco8-seg.yaml")
assert data["nc"] == len(data["names"]) == 10 and Path(data["val"]).is_dir()
files = [str(p) for p in sorted(Path(data["val"]).iterdir()) if p.suffix[1:].lower() in IMG_FORMATS]
labels = img2label_paths(files)
assert files and all(Path(label).exists() for label in labels)
rows = [list(map(float, line.split())) for line in Path(labels[0]).read_text().splitlines()]
polygon = (np.array(rows[0][1:]).reshape(-1, 2) * (640, 480)).astype(int)
mask = polygon2mask((480, 640), [polygon.reshape(-1)], color=1, downsample_ratio=1)
assert mask.shape == (480, 640) and mask.sum() > 0
YAML.save("copy.yaml", {"names": YAML.load("coco8-seg.yaml")["names"]})
assert YAML.load("copy.yaml")["names"] == data["names"]
