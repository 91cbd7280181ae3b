"""Arrays and tensors of the types that pipelines hand over."""

import cv2
import numpy as np
import torch
from PIL import Image

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
bgr = cv2.imread("bus.jpg")
rgb = bgr[..., ::-1]
tensor = torch.from_numpy(cv2.resize(rgb, (320, 320)).copy()).permute(2, 0, 1)[None].float() / 255
count = len(model.predict(bgr, verbose=False)[0])
assert count > 0
for image in (
    rgb[..., ::-1],
    bgr.astype(np.float32),
    bgr.astype(np.float64) / 255,
    bgr.astype(np.int32),
    cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA),
    Image.fromarray(rgb),
):
    result = model.predict(image, verbose=False)[0]
    assert len(result) == count and result.orig_shape == bgr.shape[:2] and result.path == "image0.jpg"
found = [len(model.predict(t, verbose=False)[0]) for t in (tensor, tensor[0], tensor * 255, tensor.half())]
assert len(set(found)) == 1 and found[0] > 0
results = model.predict([bgr, bgr[:100, :150], Image.fromarray(rgb), "bus.jpg"], verbose=False)
assert [r.orig_shape for r in results] == [bgr.shape[:2], (100, 150), bgr.shape[:2], bgr.shape[:2]]
