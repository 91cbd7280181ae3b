"""Work with the confusion matrix: rows are predictions, columns are ground truth, background last."""

import numpy as np

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
results = model.val(data="coco8-seg.yaml", imgsz=160, batch=2, workers=0, plots=True)
cm = results.confusion_matrix
matrix = cm.matrix
nc = len(model.names)
assert matrix.shape == (nc + 1, nc + 1)

tp, fp = cm.tp_fp()
recall = np.diag(matrix)[:nc] / np.maximum(matrix[:, :nc].sum(0), 1)
for index, name in model.names.items():
    print(f"{name:>12} tp {tp[index]:.0f} fp {fp[index]:.0f} recall {recall[index]:.2f}")
print(cm.summary(normalize=True, decimals=3)[0])
df = cm.to_df()
print(df.shape)
open("confusion.csv", "w").write(cm.to_csv())
open("confusion.json", "w").write(cm.to_json())
cm.plot(normalize=True, save_dir="plots_cm")
