"""Color every instance differently with the annotator, label centers, write with save()."""

import cv2
import numpy as np
import torch
from seglab.utils.plotting import Annotator, Colors, colors, save_one_box

from seglab import YOLO

model = YOLO("yolo11n-seg.pt", task="segment")
im0 = cv2.imread("bus.jpg")
result = model.predict(im0, retina_masks=True)[0]
clean = im0.copy()

annotator = Annotator(im0, line_width=2)
palette = [colors(i, True) for i in range(len(result))]
assert all(len(c) == 3 and all(0 <= v <= 255 for v in c) for c in palette)
overlay = im0.copy()
for i, (contour, cls) in enumerate(zip(result.masks.xy, result.boxes.cls.cpu().tolist())):
    points = np.array(contour, dtype=np.int32).reshape((-1, 1, 2))
    cv2.drawContours(overlay, [points], -1, palette[i], cv2.FILLED)
    center = points.mean(axis=0)[0].astype(int)
    cv2.circle(im0, tuple(int(v) for v in center), 3, palette[i], -1)
    annotator.text((int(center[0]), int(center[1])), model.names[int(cls)], txt_color=(255, 255, 255))
blended = cv2.addWeighted(overlay, 0.4, im0, 0.6, 0)
assert (blended != clean).any()
annotator.rectangle([5, 5, 60, 40], outline=(0, 255, 0), width=2) if hasattr(annotator, "draw") else None
annotator.save("annotated.png")
assert cv2.imread("annotated.png").shape == clean.shape

second = Annotator(np.ascontiguousarray(clean), line_width=1, pil=True)
for box, conf, cls in zip(result.boxes.xyxy, result.boxes.conf, result.boxes.cls):
    second.box_label(box, f"{model.names[int(cls)]} {conf:.2f}", color=colors(int(cls), True))
drawn = np.asarray(second.result())
assert drawn.shape == clean.shape

hex_color = Colors.hex2rgb("#FF3838")
assert hex_color == (255, 56, 56)
crop = save_one_box(torch.tensor(result.boxes.xyxy[0]).clone(), clean, file="crops/one.jpg", BGR=True, save=True)
assert crop.size and cv2.imread("crops/one.jpg") is not None
