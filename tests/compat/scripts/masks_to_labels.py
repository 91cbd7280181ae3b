"""Mask images and COCO JSON become YOLO labels."""

import json
from pathlib import Path

import cv2
import numpy as np
from seglab.data.converter import convert_coco, convert_segment_masks_to_yolo_seg, merge_multi_segment

Path("masks").mkdir()
mask = np.zeros((60, 80), np.uint8)
mask[10:30, 10:30] = 1
mask[35:50, 40:70] = 2
cv2.imwrite("masks/a.png", mask)
convert_segment_masks_to_yolo_seg(masks_dir="masks", output_dir="labels", classes=2)
rows = [row.split() for row in Path("labels/a.txt").read_text().splitlines()]
assert sorted(row[0] for row in rows) == ["0", "1"] and all(len(row) >= 9 for row in rows)

Path("ann").mkdir()
row = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}
row["segmentation"] = [[10, 10, 30, 10, 30, 30, 10, 30]]
coco = {"images": [{"id": 7, "file_name": "a.jpg", "height": 60, "width": 80}], "annotations": [row]}
coco["categories"] = [{"id": 1, "name": "x"}]
Path("ann/instances_x.json").write_text(json.dumps(coco))
convert_coco(labels_dir="ann", save_dir="coco_out", use_segments=True, use_keypoints=False, cls91to80=False)
(path,) = Path("coco_out").rglob("a.txt")
assert path.read_text().split()[0] == "0" and len(path.read_text().split()) >= 9
assert len(np.concatenate(merge_multi_segment([[0, 0, 4, 0, 4, 4], [10, 10, 14, 10, 14, 14]]))) == 8
