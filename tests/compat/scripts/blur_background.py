"""Blur all that is not an object, and paint one object over the original frame in place."""

import cv2
import numpy as np

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
results = model.predict("bus.jpg", conf=0.25)
r = results[0]
img = r.orig_img
mask = np.zeros(img.shape[:2], np.uint8)
for seg in r.masks.xy:
    cv2.fillPoly(mask, [seg.astype(np.int32)], 255)
blurred = cv2.GaussianBlur(img, (31, 31), 0)
out = np.where(mask[..., None] == 255, img, blurred)
cv2.imwrite("portrait.jpg", out)

before = r.orig_img.copy()
cv2.rectangle(r.orig_img, (0, 0), (20, 20), (0, 0, 255), -1)
assert (r.orig_img[5, 5] == (0, 0, 255)).all() and not (before[5, 5] == (0, 0, 255)).all()
r.orig_img = out
drawn = r.plot(boxes=False)
assert drawn.shape == out.shape
