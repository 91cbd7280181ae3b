"""Trails behind tracked objects and unique objects counted by class, over a video that is read by hand."""

from collections import defaultdict

import cv2
import numpy as np
from seglab.utils.plotting import Annotator, colors

from seglab import YOLO

track_history = defaultdict(lambda: [])
unique = defaultdict(set)
model = YOLO("yolo11n-seg.pt")
cap = cv2.VideoCapture("video.mp4")
w, h, fps = (int(cap.get(x)) for x in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS))
out = cv2.VideoWriter("trails.avi", cv2.VideoWriter_fourcc(*"MJPG"), fps, (w, h))
while cap.isOpened():
    success, im0 = cap.read()
    if not success:
        break
    annotator = Annotator(im0, line_width=2)
    results = model.track(im0, persist=True, tracker="bytetrack.yaml", verbose=False)
    if results[0].boxes.id is not None and results[0].masks is not None:
        assert results[0].boxes.is_track
        masks = results[0].masks.xy
        track_ids = results[0].boxes.id.int().cpu().tolist()
        clss = results[0].boxes.cls.cpu().tolist()
        for mask, box, track_id, cls in zip(masks, results[0].boxes.xywh.cpu(), track_ids, clss):
            x, y, bw, bh = box
            track = track_history[track_id]
            track.append((float(x), float(y)))
            if len(track) > 30:
                track.pop(0)
            unique[model.names[int(cls)]].add(track_id)
            points = np.hstack(track).astype(np.int32).reshape((-1, 1, 2))
            cv2.polylines(im0, [points], isClosed=False, color=(230, 230, 230), thickness=3)
            color = colors(int(track_id), True)
            annotator.seg_bbox(
                mask=mask, mask_color=color, label=str(track_id), txt_color=annotator.get_txt_color(color)
            ) if hasattr(annotator, "seg_bbox") else annotator.box_label(
                results[0].boxes.xyxy[track_ids.index(track_id)], str(track_id), color=color
            )
    out.write(annotator.result() if annotator.result() is not None else im0)
out.release()
cap.release()
print({name: len(ids) for name, ids in unique.items()})
assert unique and max(len(t) for t in track_history.values()) >= 2
