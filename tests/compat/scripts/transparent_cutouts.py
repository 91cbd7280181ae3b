"""Each object as a PNG with a transparent background."""

from pathlib import Path

import cv2
import numpy as np

from seglab import YOLO

out = Path("cutouts")
out.mkdir(exist_ok=True)
model = YOLO("yolo11n-seg.pt")
for r in model.predict("images", stream=True):
    img = np.copy(r.orig_img)
    stem = Path(r.path).stem
    for ci, c in enumerate(r):
        label = c.names[c.boxes.cls.tolist().pop()]
        b_mask = np.zeros(img.shape[:2], np.uint8)
        contour = c.masks.xy.pop().astype(np.int32).reshape(-1, 1, 2)
        cv2.drawContours(b_mask, [contour], -1, (255, 255, 255), cv2.FILLED)
        isolated = np.dstack([img, b_mask])
        x1, y1, x2, y2 = c.boxes.xyxy.cpu().numpy().squeeze().astype(np.int32)
        crop = isolated[y1:y2, x1:x2]
        if crop.size:
            cv2.imwrite(str(out / f"{stem}_{label}_{ci}.png"), crop)
files = list(out.glob("*.png"))
assert files and cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED).shape[2] == 4
