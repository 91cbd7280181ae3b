"""A table of all objects of a folder: area, size, color, then grouped by class and image, and written as CSV."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
rows = []
for r in model.predict(source="images/*.jpg", stream=True, conf=0.25, verbose=False):
    stem = Path(r.path).stem
    if r.masks is None:
        continue
    for xy, box in zip(r.masks.xy, r.boxes):
        xywh = box.xywh[0].tolist()
        canvas = np.zeros(r.orig_shape, np.uint8)
        cv2.fillPoly(canvas, [xy.astype(np.int32)], 255)
        mean_color = cv2.mean(r.orig_img, mask=canvas)[:3]
        rows.append(
            {
                "image": stem,
                "class": r.names[int(box.cls)],
                "conf": float(box.conf),
                "w": xywh[2],
                "h": xywh[3],
                "area": cv2.contourArea(xy.astype(np.float32)),
                "pixels": int((canvas > 0).sum()),
                "blue": mean_color[0],
            }
        )
df = pd.DataFrame(rows)
assert (df.pixels > 0).all() and (df.area <= df.w * df.h * 1.2 + 20).all()
summary = df.groupby(["image", "class"]).agg(n=("conf", "size"), conf=("conf", "mean"), pixels=("pixels", "sum"))
summary.to_csv("summary.csv")
print(summary)
assert summary.n.sum() == len(df)

frames = [r.to_df() for r in model.predict("images", verbose=False)]
table = pd.concat(frames, ignore_index=True)
assert {"name", "class", "confidence", "box", "segments"} <= set(table.columns)
table["width"] = table["box"].apply(lambda b: b["x2"] - b["x1"])
print(table.groupby("name")["width"].describe())
best = table.sort_values("confidence", ascending=False).iloc[0]
assert best.confidence <= 1
records = [json.loads(r.to_json()) for r in model("images", verbose=False)]
assert sum(len(r) for r in records) == len(table)
