"""The area of every object in pixels, from the polygon and from the mask, and its part of the image."""

import cv2
import numpy as np

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
frame = cv2.imread("bus.jpg")
result = model(frame, retina_masks=True, verbose=False)[0]
height, width = frame.shape[:2]

if result.masks is not None:
    for i, (polygon, box) in enumerate(zip(result.masks.xy, result.boxes)):
        canvas = np.zeros((height, width), dtype=np.uint8)
        cv2.fillPoly(canvas, [np.int32([polygon])], 1)
        from_polygon = int(canvas.sum())
        from_mask = int(result.masks.data[i].sum().item())
        name = model.names[int(box.cls)]
        percent = 100 * from_polygon / (height * width)
        print(f"{name} {float(box.conf):.2f}: {from_polygon} px = {percent:.2f} % (mask tensor: {from_mask} px)")
        assert from_mask <= from_polygon < 1.02 * from_mask + 5
