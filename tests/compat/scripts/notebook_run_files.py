"""The files that a training notebook shows one after the other."""

import glob
import os

from PIL import Image

from seglab import YOLO

HOME = os.getcwd()
model = YOLO("yolo11n-seg.pt")
model.train(data=f"{HOME}/coco8-seg.yaml", epochs=1, imgsz=160, batch=2, workers=0, plots=True)
runs = sorted(glob.glob(f"{HOME}/runs/segment/train*"), key=os.path.getmtime)
latest = runs[-1]
for name in (
    "results.png",
    "confusion_matrix.png",
    "confusion_matrix_normalized.png",
    "labels.jpg",
    "train_batch0.jpg",
    "val_batch0_labels.jpg",
    "val_batch0_pred.jpg",
    "BoxPR_curve.png",
    "BoxF1_curve.png",
    "BoxP_curve.png",
    "BoxR_curve.png",
    "MaskPR_curve.png",
    "MaskF1_curve.png",
    "MaskP_curve.png",
    "MaskR_curve.png",
):
    with Image.open(f"{latest}/{name}") as image:
        image.load()
        print(name, image.size)
assert os.path.isfile(f"{latest}/args.yaml") and os.path.isfile(f"{latest}/results.csv")
assert os.path.isfile(f"{latest}/weights/best.pt")
