"""A network from YAML with the weights of a checkpoint, saved and opened again; features by a hook."""

import torch

from seglab import YOLO

a = YOLO("yolo11n-seg.yaml").load("yolo11n-seg.pt")
b = YOLO("yolo11n-seg.pt")
state, other = a.model.state_dict(), b.model.state_dict()
assert list(state) == list(other) and all(torch.equal(state[name], other[name]) for name in state)
assert a.overrides["model"] == "yolo11n-seg.yaml" and b.ckpt_path.endswith("yolo11n-seg.pt")
b.save("copy.pt")
assert len(YOLO("copy.pt")("bus.jpg", verbose=False)[0]) == len(b("bus.jpg", verbose=False)[0]) > 0

shapes = {}
handle = b.model.model[9].register_forward_hook(lambda module, inputs, output: shapes.update(x=output.shape))
b.predict("bus.jpg", imgsz=64, verbose=False)
handle.remove()
assert shapes.pop("x")[:2] == (1, 256)
b.predict("bus.jpg", imgsz=64, verbose=False)
assert not shapes
for name, parameter in b.model.named_parameters():
    parameter.requires_grad = not name.startswith("model.0.")
assert not next(b.model.parameters()).requires_grad
