"""One table over many images: counts per class, the largest object, a CSV to take away."""

import pandas as pd

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
rows = []
for r in model.predict("images", stream=True, verbose=False):
    for box, mask in zip(r.boxes, r.masks if r.masks is not None else []):
        x, y, w, h = box.xywh[0].tolist()
        rows.append(
            {
                "file": r.path.split("/")[-1],
                "class": r.names[int(box.cls[0])],
                "conf": round(box.conf[0].item(), 3),
                "x": x,
                "y": y,
                "w": w,
                "h": h,
                "points": len(mask.xy[0]),
            }
        )
df = pd.DataFrame(rows)
assert len(df) > 0 and (df["points"] > 2).all()
print(df.groupby("class")["conf"].agg(["count", "mean"]))
print(df.loc[(df.w * df.h).idxmax()])
df.to_csv("objects.csv", index=False)

frame = model("bus.jpg")[0].to_df()
frame = frame if isinstance(frame, pd.DataFrame) else frame.to_pandas()
assert {"name", "class", "confidence", "box", "segments"} <= set(frame.columns)
