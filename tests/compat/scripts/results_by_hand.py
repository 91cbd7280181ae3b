"""Results made and changed by hand."""

import torch
from seglab.engine.results import Boxes, Masks, Results

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
r = model("bus.jpg", verbose=False)[0]
new = Results(orig_img=r.orig_img, path=r.path, names=r.names, boxes=r.boxes.data.clone(), masks=r.masks.data.clone())
assert len(new) == len(r) and new.masks.data.shape == r.masks.data.shape
r.boxes.data[:, 5] = 0
assert r.boxes.cls.unique().tolist() == [0]
box = Boxes(torch.tensor([[1.0, 2, 30, 40, 0.9, 1]]), (100, 100))
assert box.id is None and box.xywh.tolist() == [[15.5, 21.0, 29.0, 38.0]] and box.orig_shape == (100, 100)
tracked = Boxes(torch.tensor([[1.0, 2, 30, 40, 5, 0.9, 1]]), (100, 100))
assert tracked.id.tolist() == [5] and tracked.is_track
assert len(Masks(torch.zeros(1, 10, 10), (10, 10)).xy) == 1
assert type(r.numpy().boxes.xyxy).__name__ == "ndarray" and type(r.cpu().masks.data).__name__ == "Tensor"
best = sorted(r, key=lambda one: float(one.boxes.conf), reverse=True)[0]
assert len(best) == 1 and best.masks.xy[0].shape[1] == 2
r.update(boxes=r.boxes.data[:1], masks=r.masks.data[:1])
assert len(r.boxes) == len(r.masks) == 1
r.names[0] = "renamed"
assert r.plot().shape == r.orig_img.shape
