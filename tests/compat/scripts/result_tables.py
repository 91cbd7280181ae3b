"""Results and metrics as tables: data frame, CSV and JSON."""

import json

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
result = model("bus.jpg")[0]
df = result.to_df()
assert len(df) == len(result)
csv = result.to_csv()
assert csv.splitlines()[0].startswith("name,class,confidence,box")
data = json.loads(result.to_json())
assert data[0]["box"].keys() == {"x1", "y1", "x2", "y2"}
assert len(data[0]["segments"]["x"]) == len(data[0]["segments"]["y"])
normalized = result.summary(normalize=True, decimals=4)
assert all(0 <= v <= 1 for v in normalized[0]["box"].values())

metrics = model.val(data="coco8-seg.yaml", imgsz=160, batch=2, workers=0, plots=False)
table = metrics.to_df()
print(table)
rows = metrics.summary()
assert {"Class", "Images", "Instances", "Box-P", "Box-R", "Box-F1", "Mask-P", "mAP50", "mAP50-95"} <= set(rows[0])
open("metrics.csv", "w").write(metrics.to_csv())
open("metrics.json", "w").write(metrics.to_json())
assert len(json.load(open("metrics.json"))) == len(rows)
