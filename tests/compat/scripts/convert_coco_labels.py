"""COCO annotations to YOLO segmentation labels by the converter, then check the settings."""

import json
from pathlib import Path

from seglab.data.converter import convert_coco

from seglab import YOLO, checks, settings

Path("coco/annotations").mkdir(parents=True, exist_ok=True)
coco = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}],
    "annotations": [
        {
            "id": 1,
            "image_id": 7,
            "category_id": 1,
            "bbox": [10, 10, 20, 20],
            "area": 400,
            "iscrowd": 0,
            "segmentation": [[10, 10, 30, 10, 30, 30, 10, 30]],
        },
    ],
    "categories": [{"id": 1, "name": "thing"}],
}
Path("coco/annotations/instances.json").write_text(json.dumps(coco))
convert_coco(labels_dir="coco/annotations/", save_dir="coco_yolo", use_segments=True, cls91to80=False)
lines = [p.read_text().split() for p in Path("coco_yolo").rglob("a.txt")]
assert len(lines) == 1
assert lines[0][0] == "0" and len(lines[0]) == 9
assert [float(v) for v in lines[0][1:3]] == [0.1, 0.2]

print(settings["runs_dir"])
checks()
assert YOLO("yolo11n-seg.pt").task == "segment"
