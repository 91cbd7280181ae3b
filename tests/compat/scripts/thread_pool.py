"""Workers that each make a model of their own, and a queue that feeds one model from another thread."""

import glob
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from pathlib import Path

import cv2

from seglab import YOLO

files = sorted(glob.glob("images/*.jpg")) * 2
local = threading.local()


def thread_safe_predict(path):
    if not hasattr(local, "model"):
        local.model = YOLO("yolo11n-seg.pt")
    result = local.model.predict(path, imgsz=160, verbose=False)[0]
    return Path(path).name, len(result.boxes)


with ThreadPool(2) as pool:
    found = pool.map(thread_safe_predict, files)
with ThreadPoolExecutor(max_workers=2) as executor:
    again = list(executor.map(thread_safe_predict, files))
assert found == again and len(found) == len(files)
assert dict(found) == dict(found[: len(files) // 2])

frames = queue.Queue(maxsize=2)


def reader():
    cap = cv2.VideoCapture("video.mp4")
    while True:
        ok, frame = cap.read()
        frames.put(frame if ok else None)
        if not ok:
            break


thread = threading.Thread(target=reader, daemon=True)
thread.start()
model = YOLO("yolo11n-seg.pt")
numbers = []
while (frame := frames.get()) is not None:
    numbers.append(len(model(frame, imgsz=160, verbose=False)[0]))
thread.join()
print(numbers)
assert len(numbers) == 4
