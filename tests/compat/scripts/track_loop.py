"""Follow objects through a video and keep the path of each."""

from collections import defaultdict

import cv2
import numpy as np

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
cap = cv2.VideoCapture("video.mp4")
track_history = defaultdict(lambda: [])
while cap.isOpened():
    success, frame = cap.read()
    if not success:
        break
    result = model.track(frame, persist=True, conf=0.3)[0]
    if result.boxes and result.boxes.is_track:
        boxes = result.boxes.xywh.cpu()
        track_ids = result.boxes.id.int().cpu().tolist()
        frame = result.plot()
        for box, track_id in zip(boxes, track_ids):
            x, y, w, h = box
            track = track_history[track_id]
            track.append((float(x), float(y)))
            if len(track) > 30:
                track.pop(0)
            points = np.hstack(track).astype(np.int32).reshape((-1, 1, 2))
            cv2.polylines(frame, [points], isClosed=False, color=(230, 230, 230), thickness=2)
cap.release()
print({k: len(v) for k, v in track_history.items()})
assert track_history
