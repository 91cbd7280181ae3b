"""Cut every object out of an image, once on black and once on a transparent background."""

from pathlib import Path

import cv2
import numpy as np

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
results = model.predict(source="bus.jpg")
Path("isolated").mkdir(exist_ok=True)

for r in results:
    image = np.copy(r.orig_img)
    stem = Path(r.path).stem
    for number, one in enumerate(r):
        label = one.names[one.boxes.cls.tolist().pop()]
        binary = np.zeros(image.shape[:2], np.uint8)
        contour = one.masks.xy.pop()
        contour = contour.astype(np.int32)
        contour = contour.reshape(-1, 1, 2)
        _ = cv2.drawContours(binary, [contour], -1, (255, 255, 255), cv2.FILLED)
        mask3ch = cv2.cvtColor(binary, cv2.COLOR_GRAY2BGR)
        on_black = cv2.bitwise_and(mask3ch, image)
        transparent = np.dstack([image, binary])
        x1, y1, x2, y2 = one.boxes.xyxy.cpu().numpy().squeeze().astype(np.int32)
        crop = transparent[y1:y2, x1:x2]
        assert crop.shape[2] == 4 and crop[..., 3].any()
        cv2.imwrite(f"isolated/{stem}_{label}_{number}.png", crop)
        cv2.imwrite(f"isolated/{stem}_{label}_{number}_black.jpg", on_black)
print("wrote", len(list(Path("isolated").iterdir())), "files")
