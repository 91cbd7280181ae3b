"""Small helpers that scripts import from the utilities: box formats, polygons to masks, timing, files, devices."""

from pathlib import Path

import numpy as np
import torch
from seglab.data.utils import polygons2masks
from seglab.utils import LOGGER, ops
from seglab.utils.files import increment_path
from seglab.utils.ops import Profile, scale_masks, segments2boxes, xyxy2xywh
from seglab.utils.torch_utils import get_num_params, model_info, select_device, time_sync

from seglab import YOLO

device = select_device("cpu")
model = YOLO("yolo11n-seg.pt").to(device)
t1 = time_sync()
with Profile() as dt:
    result = model("bus.jpg", imgsz=160, verbose=False)[0]
assert 0 < dt.t <= time_sync() - t1 + 1e-3
LOGGER.info(f"{dt.t * 1e3:.1f} ms")

boxes = result.boxes.xyxy.cpu()
assert torch.allclose(ops.xywh2xyxy(xyxy2xywh(boxes)), boxes, atol=1e-3)
normalized = ops.xyxy2xywhn(boxes.clone(), w=result.orig_shape[1], h=result.orig_shape[0])
assert normalized.max() <= 1
assert ops.make_divisible(161, 32) == 192
around = segments2boxes([xy for xy in result.masks.xy])
assert np.abs(around - xyxy2xywh(boxes).numpy()).max() < 20

h, w = result.orig_shape
masks = polygons2masks((h, w), [xy.reshape(-1) for xy in result.masks.xy], color=1)
assert masks.shape == (len(result), h, w)
both = (masks.astype(bool) & result.masks.data.bool().cpu().numpy()).sum()
assert both / masks.sum() > 0.9

small = torch.zeros(1, 3, 64, 64)
assert scale_masks(small, (h, w)).shape[-2:] == (h, w)
folder = increment_path(Path("runs") / "exp", mkdir=True)
assert increment_path(Path("runs") / "exp", exist_ok=False).name == "exp2" and folder.exists()
assert get_num_params(model.model) > 1e6
model_info(model.model)
