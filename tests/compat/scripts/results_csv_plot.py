"""Train a little and draw the curves of results.csv."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd

from seglab import YOLO

model = YOLO("yolo11n-seg.yaml").load("yolo11n-seg.pt")
model.train(
    data="coco8-seg.yaml", epochs=2, imgsz=160, batch=2, workers=0, lr0=0.001, optimizer="AdamW", seed=1, name="csv"
)
run = Path(model.trainer.save_dir)
data = pd.read_csv(run / "results.csv")
data.columns = [c.strip() for c in data.columns]
assert data["epoch"].tolist()[-2:] == [1, 2]
for key in ("train/box_loss", "train/seg_loss", "train/cls_loss", "train/dfl_loss", "val/box_loss", "val/seg_loss"):
    plt.plot(data["epoch"], data[key], label=key)
plt.plot(data["epoch"], data["metrics/mAP50(B)"], label="box")
plt.plot(data["epoch"], data["metrics/mAP50-95(M)"], label="mask")
plt.legend()
plt.savefig("curves.png")
assert {"time", "metrics/precision(B)", "metrics/recall(M)", "val/cls_loss", "val/dfl_loss", "lr/pg0"} <= set(
    data.columns
)
