"""Work on masks.data: one class's mask, resized to the image, the union, a cutout on white, pixels by class."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
img = cv2.imread("bus.jpg")
H, W, _ = img.shape
results = model(img, stream=False)

for result in results:
    masks = result.masks.data
    boxes = result.boxes.data
    clss = boxes[:, 5]
    first = clss[0]
    indices = torch.where(clss == first)
    chosen = masks[indices]
    mask = torch.any(chosen, dim=0).int() * 255
    cv2.imwrite("one_class.png", mask.cpu().numpy())

    everything = masks.sum(dim=0).clamp(max=1)
    full = F.interpolate(masks.unsqueeze(1).float(), size=(H, W), mode="bilinear").squeeze(1) > 0.5
    assert full.shape == (len(result), H, W)
    ratio = everything.float().mean().item()
    print(f"{ratio:.1%} of the image is covered")
    assert 0 < ratio <= 1

    m = result.masks.data[0].cpu().numpy()
    m = cv2.resize(m, (W, H))
    cutout = np.where(m[..., None] > 0.5, img, 255).astype("uint8")
    assert cutout.shape == img.shape and (cutout == 255).any()

    as_numpy = result.masks.cpu().numpy()
    assert isinstance(as_numpy.data, np.ndarray) and as_numpy.shape == tuple(masks.shape)
    per_class = {}
    for mask_raw, cls in zip(as_numpy.data, result.boxes.cls.cpu().numpy().astype(int)):
        name = result.names[cls]
        per_class[name] = per_class.get(name, 0) + int(np.count_nonzero(mask_raw))
    assert all(v > 0 for v in per_class.values())

    for j, single in enumerate(result.masks):
        assert single.data.shape[0] == 1 and len(single.xy) == 1
        assert single.orig_shape == (H, W)
    overlap = (masks.flatten(1).float() @ masks.flatten(1).float().T).cpu()
    assert torch.allclose(overlap.diag(), masks.flatten(1).float().sum(1).cpu())
assert cv2.imread("one_class.png", 0).max() == 255
