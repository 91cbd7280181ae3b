"""Labels a folder: text files, crops, previews and a COCO JSON."""

import json
from pathlib import Path

import cv2

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
out = Path("auto")
out.mkdir()
coco = {"images": [], "annotations": [], "categories": [{"id": k, "name": v} for k, v in model.names.items()]}
for i, r in enumerate(model.predict(source="images/", conf=0.3, stream=True, verbose=False)):
    name = Path(r.path).stem
    r.save_txt(str(out / f"{name}.txt"), save_conf=False)
    r.save_crop(out / "crops", file_name=Path(name))
    r.save(filename=str(out / f"{name}_preview.jpg"))
    height, width = r.orig_shape
    coco["images"].append({"id": i, "file_name": Path(r.path).name, "height": height, "width": width})
    for box, seg in zip(r.boxes, r.masks.xy if r.masks else []):
        x, y, w, h = box.xywh[0].tolist()
        row = {"id": len(coco["annotations"]), "image_id": i, "category_id": int(box.cls), "iscrowd": 0}
        row |= {"bbox": [x - w / 2, y - h / 2, w, h], "segmentation": [seg.flatten().tolist()]}
        row["area"] = float(cv2.contourArea(seg))
        coco["annotations"].append(row)
(out / "coco.json").write_text(json.dumps(coco))
assert len(list(out.glob("*.txt"))) == len(list(out.glob("*_preview.jpg"))) == 2
assert len(list(out.rglob("crops/*/*.jpg"))) == len(coco["annotations"]) > 2
lines = [line.split() for path in sorted(out.glob("*.txt")) for line in path.read_text().splitlines()]
assert len(lines) == len(coco["annotations"]) and all(len(line) % 2 == 1 for line in lines)
