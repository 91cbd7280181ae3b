"""Read a video frame by frame, draw, and write the annotated video with a frame rate on it."""

import time

import cv2

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
cap = cv2.VideoCapture("video.mp4")
assert cap.isOpened(), "Error reading video file"
w, h, fps = (int(cap.get(x)) for x in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS))
out = cv2.VideoWriter("annotated.avi", cv2.VideoWriter_fourcc(*"MJPG"), fps, (w, h))
count = 0
while cap.isOpened():
    success, frame = cap.read()
    if not success:
        break
    start = time.perf_counter()
    results = model(frame, conf=0.3, verbose=False)
    annotated = results[0].plot()
    rate = 1 / (time.perf_counter() - start)
    cv2.putText(annotated, f"FPS: {rate:.0f}", (5, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 255, 0), 1)
    out.write(annotated)
    count += 1
cap.release()
out.release()
print("frames:", count)
assert count == 4
