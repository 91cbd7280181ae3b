"""Count objects per class, keep the confident ones, update boxes and write a report."""

from collections import Counter

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
results = model("bus.jpg", conf=0.1, iou=0.6, max_det=50)
r = results[0]
counter = Counter(r.names[int(c)] for c in r.boxes.cls)
print(r.verbose(), counter)
sure = r[r.boxes.conf > 0.5]
assert len(sure) <= len(r) and (sure.boxes.conf > 0.5).all()
person = r[r.boxes.cls == r.boxes.cls[0]]
assert len(person.masks) == len(person.boxes) >= 1
first = r[0]
assert first.boxes.xyxy.shape == (1, 4) and first.boxes.is_track is False and first.boxes.id is None
left_half = r.boxes.xywhn[:, 0] < 0.5
print("left half:", int(left_half.sum()), "of", len(r))
r.update(boxes=r.boxes.data[:1].clone())
assert len(r.boxes) == 1
for key, value in r.speed.items():
    print(f"{key} {value:.1f} ms")
