"""Predictions as a COCO results file, masks as run lengths."""

import json

import numpy as np
from pycocotools import mask as mask_utils

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
rows = []
for image_id, r in enumerate(model(["images/0.jpg", "images/1.jpg"], retina_masks=True)):
    if r.masks is None:
        continue
    for box, m in zip(r.boxes, r.masks.data):
        rle = mask_utils.encode(np.asfortranarray(m.cpu().numpy().astype(np.uint8)))
        rle["counts"] = rle["counts"].decode()
        x, y, x2, y2 = box.xyxy[0].tolist()
        rows.append(
            {
                "image_id": image_id,
                "category_id": int(box.cls) + 1,
                "bbox": [x, y, x2 - x, y2 - y],
                "score": float(box.conf),
                "segmentation": rle,
            }
        )
json.dump(rows, open("results.json", "w"))
again = json.load(open("results.json"))
assert again and {row["image_id"] for row in again} == {0, 1}
assert all(mask_utils.area(row["segmentation"]) > 0 for row in again)
