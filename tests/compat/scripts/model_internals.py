"""What forum answers read from inside a model: its YAML, names, stride, arguments, layers and overrides."""

import copy
import pickle

import torch

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
assert model.overrides["task"] == "segment" and model.overrides["model"] == "yolo11n-seg.pt"
print(model.model.yaml["nc"], model.model.yaml["backbone"][0], model.model.yaml["head"][-1])
assert model.model.yaml["nc"] == len(model.model.names) == 10
assert model.model.stride.tolist() == [8, 16, 32] and model.model.args["imgsz"] == 320
head = model.model.model[-1]
print(head.nc, head.nm, head.nl, head.reg_max, head.stride, head.i, head.f)
for layer in model.model.model:
    print(layer.i, layer.f, layer.type, layer.np)
print(next(model.model.parameters()).device, model.model.task, model.model.is_fused())

again = pickle.loads(pickle.dumps(model))
other = copy.deepcopy(model)
first, second, third = (m.predict("bus.jpg", verbose=False)[0] for m in (model, again, other))
assert len(first) == len(second) == len(third) > 0
inner = copy.deepcopy(model.model).float().eval()
assert sum(p.numel() for p in inner.parameters()) == sum(layer.np for layer in model.model.model)
with torch.no_grad():
    inner(torch.zeros(1, 3, 64, 64))
model.fuse()
model.model.info()
