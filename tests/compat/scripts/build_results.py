"""Make Results by hand from arrays of another model, and draw and save them."""

import numpy as np
import torch
from seglab.engine.results import Boxes, Masks, Results

image = np.full((80, 120, 3), 60, np.uint8)
masks = torch.zeros(2, 80, 120)
masks[0, 10:40, 10:50] = 1
masks[1, 30:70, 60:110] = 1
boxes = torch.tensor([[10, 10, 50, 40, 0.9, 0], [60, 30, 110, 70, 0.8, 1]], dtype=torch.float32)
r = Results(orig_img=image, path="made.jpg", names={0: "cat", 1: "dog"}, boxes=boxes, masks=masks)
assert len(r) == 2
assert r.plot().shape == image.shape
r.save("made_drawn.jpg")
r.save_txt("made.txt")
b = Boxes(boxes, orig_shape=(80, 120))
assert b.xywhn.shape == (2, 4) and b.cls.tolist() == [0, 1]
m = Masks(masks, orig_shape=(80, 120))
assert len(m.xy) == 2 and m.xyn[0].max() <= 1
print(r, b, m)
