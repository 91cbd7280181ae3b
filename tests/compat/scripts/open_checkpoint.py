"""Look into a checkpoint with torch alone, then load it and compare."""

import torch

from seglab import YOLO

ckpt = torch.load("yolo11n-seg.pt", map_location="cpu", weights_only=True)
print(sorted(ckpt))
weights = ckpt["model"] if isinstance(ckpt["model"], dict) else ckpt["model"].state_dict()
print(len(weights), "tensors,", sum(v.numel() for v in weights.values()), "values")

model = YOLO("yolo11n-seg.pt")
state = model.model.state_dict()
assert set(state) == set(weights)
for name, tensor in state.items():
    assert torch.allclose(tensor.float(), weights[name].float())
