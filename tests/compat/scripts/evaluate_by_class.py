"""val with save_json and save_txt, and metrics by class."""

import json
from pathlib import Path

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
saving = dict(save_json=True, save_txt=True, project="v", name="v")
m = model.val(data="coco8-seg.yaml", imgsz=160, batch=4, workers=0, plots=False, verbose=False, **saving)
rows = json.loads(Path(m.save_dir, "predictions.json").read_text())
assert {"image_id", "category_id", "bbox", "score", "segmentation", "file_name"} <= set(rows[0])
assert isinstance(rows[0]["segmentation"]["counts"], str) and list(Path(m.save_dir, "labels").glob("*.txt"))
by_class = {m.names[c]: round(float(m.seg.ap50[i]), 2) for i, c in enumerate(m.seg.ap_class_index)}
print(by_class, m.box.map, m.seg.map50, m.box.mp, m.box.mr, m.fitness)
assert len(by_class) == len(m.seg.p) == len(m.seg.f1) and m.seg.all_ap.shape[1] == 10
assert len(m.class_result(0)) == 8 == len(m.keys) == len(m.mean_results()) and m.seg.maps.shape == (10,)
