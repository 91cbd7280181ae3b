"""A large image in overlapping tiles, and detections put together with NMS; an image without any."""

import cv2
import numpy as np
import torch
import torchvision

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
image = cv2.imread("bus.jpg")
tile, step = 320, 200
crops = [
    (x, y, image[y : y + tile, x : x + tile])
    for y in range(0, image.shape[0] - tile // 2, step)
    for x in range(0, image.shape[1] - tile // 2, step)
]
results = model.predict([crop for _, _, crop in crops], verbose=False, conf=0.3)
assert len(results) == len(crops) and results[1].path == "image1.jpg"
boxes = np.concatenate([r.boxes.xyxy.cpu().numpy() + np.array([x, y, x, y]) for (x, y, _), r in zip(crops, results)])
scores = np.concatenate([r.boxes.conf.cpu().numpy() for r in results])
keep = torchvision.ops.nms(torch.from_numpy(boxes).double(), torch.from_numpy(scores).double(), 0.5)
assert 0 < len(keep) < len(boxes)

empty = model.predict(np.zeros((100, 100, 3), np.uint8), verbose=False, conf=0.99)[0]
assert len(empty) == 0 and empty.masks is None and empty.boxes.xyxy.shape == (0, 4)
assert empty.summary() == [] and empty.plot().shape == (100, 100, 3) and "no detections" in empty.verbose()
