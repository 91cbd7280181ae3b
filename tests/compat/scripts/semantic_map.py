"""Stack the mask tensor into one class map and save each mask as an image of its own."""

import cv2
import numpy as np
import torch

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
result = model.predict("bus.jpg", classes=[0, 1, 2], retina_masks=True)[0]
h, w = result.orig_shape
semantic = np.full((h, w), 255, np.uint8)
if result.masks is not None:
    clss = result.boxes.data[:, 5]
    masks = result.masks.data
    for i, mask in enumerate(masks.cpu().numpy()):
        mask = cv2.resize(mask.astype(np.float32), (w, h), interpolation=cv2.INTER_NEAREST)
        semantic[mask > 0.5] = int(clss[i])
        cv2.imwrite(f"mask_{i}.png", (mask * 255).astype("uint8"))
    first = torch.where(clss == clss[0])[0]
    one_class = torch.any(masks[first], dim=0).int() * 255
    cv2.imwrite("one_class.png", one_class.cpu().numpy())
cv2.imwrite("semantic.png", semantic)
print(np.unique(semantic))
assert set(np.unique(semantic)) <= {0, 1, 2, 255}
