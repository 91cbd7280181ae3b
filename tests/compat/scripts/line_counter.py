"""Counts objects that cross a line, with ids that persist, and writes a video."""

from collections import defaultdict

import cv2
import numpy as np
from seglab.utils.plotting import Annotator, colors

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
cap = cv2.VideoCapture("video.mp4")
w, h, fps = (int(cap.get(x)) for x in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS))
out = cv2.VideoWriter("tracked.avi", cv2.VideoWriter_fourcc(*"MJPG"), fps, (w, h))
history, crossed, per_frame = defaultdict(list), set(), []
while True:
    ret, im0 = cap.read()
    if not ret:
        break
    annotator = Annotator(im0, line_width=2)
    results = model.track(im0, persist=True, verbose=False)
    if results[0].boxes.id is not None and results[0].masks is not None:
        track_ids = results[0].boxes.id.int().cpu().tolist()
        per_frame.append(len(track_ids))
        for mask, track_id, box in zip(results[0].masks.xy, track_ids, results[0].boxes.xywh):
            annotator.seg_bbox(mask=mask, mask_color=colors(track_id, True), label=str(track_id))
            history[track_id].append(float(box[0]))
            if len(history[track_id]) > 1 and (history[track_id][-2] - w / 2) * (history[track_id][-1] - w / 2) < 0:
                crossed.add(track_id)
            cv2.polylines(im0, [np.int32([[x, h / 2] for x in history[track_id]])], False, (0, 255, 0), 2)
    out.write(im0)
out.release()
cap.release()
print(sorted(history), per_frame, crossed)
assert len(per_frame) == 4 and per_frame[0] > 0  # the first frame has ids too
assert any(len(xs) == 4 for xs in history.values())
model.predictor.trackers[0].reset()
