"""What a script asks of the model itself: size, names, device, precision, parameters."""

import torch

from seglab import YOLO

model = YOLO("yolo11n-seg.pt", task="segment")
print(model.task, model.device, model.ckpt_path, len(model.names))
assert model.task == "segment" and isinstance(model.names, dict)
info = model.info(detailed=False, verbose=True)
assert len(info) == 4
model.to("cpu")
total = sum(p.numel() for p in model.parameters())
assert total == info[1]
print(f"{total / 1e6:.1f} M parameters, stride {model.model.stride.tolist()}")
model.fuse()
model.eval()
with torch.no_grad():
    out = model.model(torch.zeros(1, 3, 160, 160))
print(type(out))
vector = model.embed("bus.jpg")
print(vector[0].shape)
assert vector[0].ndim == 1
metrics = model.val(data="coco8-seg.yaml", imgsz=160, batch=2, workers=0, plots=False, verbose=False)
speed = metrics.speed["inference"]
assert speed > 0
