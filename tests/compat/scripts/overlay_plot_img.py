"""Draw results on another image than the one predicted on, and stack the styles side by side."""

import cv2
import numpy as np
from PIL import Image

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
frame = cv2.imread("bus.jpg")
results = model(frame)

gray = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
on_gray = results[0].plot(img=gray.copy(), line_width=1, font_size=8)
black = np.zeros_like(frame)
masks_only = results[0].plot(img=black.copy(), boxes=False, labels=False, conf=False)
by_instance = results[0].plot(color_mode="instance", probs=False, kpt_radius=3, kpt_line=False)
panel = np.hstack([on_gray, masks_only, by_instance])
assert panel.shape == (frame.shape[0], frame.shape[1] * 3, 3)
cv2.imwrite("panel.jpg", panel)

image = results[0].plot(pil=True)
Image.fromarray(np.asarray(image)[..., ::-1]).save("overlay.png")
results[0].save(filename="saved.jpg")
results[0].plot(save=True, filename="by_plot.jpg")
