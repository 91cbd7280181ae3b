"""One model a thread, a deep copy, and results that go through pickle to another process."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

from seglab import YOLO


def predict_in_thread(path):
    local_model = YOLO("yolo11n-seg.pt")
    return len(local_model.predict(path, verbose=False)[0].boxes)


with ThreadPoolExecutor(2) as pool:
    counts = list(pool.map(predict_in_thread, ["bus.jpg", "bus.jpg"]))
assert counts[0] == counts[1]

model = YOLO("yolo11n-seg.pt")
result = model("bus.jpg")[0]
twin = copy.deepcopy(model)
assert len(twin("bus.jpg")[0]) == len(result) == counts[0]
again = pickle.loads(pickle.dumps(result))
assert len(again) == len(result) and (again.boxes.xyxy == result.boxes.xyxy).all()
reborn = pickle.loads(pickle.dumps(model))
assert len(reborn("bus.jpg")[0]) == len(result)
