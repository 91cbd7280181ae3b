"""Export to ONNX and predict with the exported file; then run it without the library."""

import numpy as np
import onnxruntime as ort

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
path = model.export(format="onnx", imgsz=160)
assert str(path).endswith(".onnx")
onnx_model = YOLO(path)
exported = onnx_model("bus.jpg", imgsz=160)
torch_model = model("bus.jpg", imgsz=160)
assert len(exported[0]) == len(torch_model[0])

session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
meta = session.get_modelmeta().custom_metadata_map
print({k: meta[k][:60] for k in ("task", "stride", "imgsz", "names")})
outputs = session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, 160, 160), np.float32)})
print([o.shape for o in outputs])
assert outputs[0].shape[1] == 4 + len(model.names) + 32
assert outputs[1].shape == (1, 32, 40, 40)
