"""Holes and parts of each mask by OpenCV's contours, at the image's own size."""

import cv2
import numpy as np

from seglab import YOLO

results = YOLO("yolo11n-seg.pt").predict(source="bus.jpg", conf=0.3, retina_masks=True, verbose=False)
for result in results:
    height, width = result.orig_shape
    for i, mask in enumerate(result.masks):
        binary = (mask.data[0].cpu().numpy() * 255).astype(np.uint8)
        assert binary.shape == (height, width)
        contours, hierarchy = cv2.findContours(binary, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        holes = sum(1 for h in hierarchy[0] if h[3] >= 0)
        name = result.names[int(result.boxes.cls[i])]
        print(f"{name}: {len(contours) - holes} parts, {holes} holes")
        assert len(contours) - holes >= 1
