"""Export to two formats, load what export returned, and compare with the weights on the same image."""

import os

import numpy as np
from torchvision.ops import box_iou

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
before = model.predict("bus.jpg", imgsz=160, verbose=False)[0]
assert model.predictor is not None

for fmt, kwargs in (("onnx", {"opset": 17, "simplify": True, "dynamic": False}), ("torchscript", {})):
    path = model.export(format=fmt, imgsz=160, **kwargs)
    assert isinstance(path, str) and os.path.isfile(path), path
    size = os.path.getsize(path) / 1e6
    exported = YOLO(path, task="segment")
    after = exported(source="bus.jpg", imgsz=160, conf=before.boxes.conf.min().item() - 1e-3)[0]
    print(f"{fmt}: {size:.1f} MB, {len(before)} and {len(after)} objects, {after.speed['inference']:.1f} ms")
    assert abs(len(before) - len(after)) <= 1
    same = box_iou(before.boxes.xyxy, after.boxes.xyxy).max(dim=1).values  # shapes of the input differ a little
    assert np.median(same.numpy()) > 0.8
    assert exported.names == model.names
    metrics = exported.val(data="coco8-seg.yaml", imgsz=160, batch=1, workers=0, plots=False, verbose=False)
    assert 0 <= metrics.seg.map50 <= 1
