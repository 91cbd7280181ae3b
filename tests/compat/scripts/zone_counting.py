"""Count objects inside polygon zones of a video, frame by frame, and draw zones and counts."""

from collections import Counter, defaultdict

import cv2
import numpy as np
from seglab.utils.plotting import Annotator, colors

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
model.conf = 0.25
names = model.model.names
cap = cv2.VideoCapture("video.mp4")
w = int(cap.get(cv2.CAP_PROP_FRAME_WIDTH))
h = int(cap.get(cv2.CAP_PROP_FRAME_HEIGHT))
zones = {
    "left": np.array([[0, 0], [w // 2, 0], [w // 2, h], [0, h]], np.int32),
    "right": np.array([[w // 2, 0], [w, 0], [w, h], [w // 2, h]], np.int32),
}
counts = defaultdict(Counter)
seen = 0
frame_nr = 0
while True:
    ret, frame = cap.read()
    if not ret:
        break
    frame_nr += 1
    result = model.predict(frame, verbose=False, classes=list(names.keys()))[0]
    annotator = Annotator(frame, line_width=2, font_size=10, example=str(names))
    boxes = result.boxes.cpu().numpy()
    for xyxy, cls, conf in zip(boxes.xyxy, boxes.cls, boxes.conf):
        x1, y1, x2, y2 = map(int, xyxy)
        center = (int((x1 + x2) / 2), int((y1 + y2) / 2))
        seen += 1
        for zone, points in zones.items():
            if cv2.pointPolygonTest(points, center, False) >= 0:
                counts[zone][names[int(cls)]] += 1
                break
        annotator.box_label([x1, y1, x2, y2], f"{names[int(cls)]} {conf:.2f}", color=colors(int(cls), True))
    drawn = annotator.result()
    for number, (zone, points) in enumerate(zones.items()):
        cv2.polylines(drawn, [points.reshape((-1, 1, 2))], True, colors(number), 2)
        cv2.putText(drawn, f"{zone}: {sum(counts[zone].values())}", (10, 20 + 20 * number), 0, 0.6, (255, 255, 255), 2)
cap.release()
cv2.destroyAllWindows() if False else None
cv2.imwrite("zones.png", drawn)
print({zone: dict(c) for zone, c in counts.items()})
assert frame_nr == 4
assert seen > 0 and sum(sum(c.values()) for c in counts.values()) == seen
