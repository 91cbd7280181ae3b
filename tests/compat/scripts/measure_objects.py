"""Length, width, angle and center of each object from its outline."""

import cv2
import numpy as np

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
r = model("bus.jpg", retina_masks=True)[0]
for points, box in zip(r.masks.xy, r.boxes.xyxy.cpu().numpy()):
    contour = points.astype(np.float32)
    (cx, cy), (a, b), angle = cv2.minAreaRect(contour)
    m = cv2.moments(contour.astype(np.int32))
    perimeter = cv2.arcLength(contour, True)
    hull = cv2.convexHull(contour)
    print(
        f"center {cx:.0f},{cy:.0f} size {max(a, b):.1f} x {min(a, b):.1f} angle {angle:.0f} perimeter {perimeter:.0f}"
    )
    assert m["m00"] >= 0 and len(hull) >= 1
    assert box[0] - 8 <= cx <= box[2] + 8 and box[1] - 8 <= cy <= box[3] + 8
