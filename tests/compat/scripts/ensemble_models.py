"""Two models on the same image: boxes and masks put together, thinned out by torchvision's NMS, as new Results."""

import torch
from seglab.engine.results import Results
from torchvision.ops import batched_nms

from seglab import YOLO

models = [YOLO("yolo11n-seg.pt"), YOLO("yolo11n-seg.pt", task="segment")]
image = "bus.jpg"
predictions = [m(image, imgsz=size, conf=0.3, retina_masks=True)[0] for m, size in zip(models, (320, 256))]
boxes = torch.cat([p.boxes.data for p in predictions])
masks = torch.cat([p.masks.data for p in predictions if p.masks is not None])
assert boxes.shape[1] == 6 and len(boxes) == len(masks)

keep = batched_nms(boxes[:, :4], boxes[:, 4], boxes[:, 5], iou_threshold=0.6)
merged = Results(
    orig_img=predictions[0].orig_img,
    path=image,
    names=models[0].names,
    boxes=boxes[keep],
    masks=masks[keep],
)
print(merged.verbose())
assert max(len(p) for p in predictions) <= len(merged) <= len(boxes)
merged.save(filename="merged.jpg")
best = merged[merged.boxes.conf > 0.5]
assert len(best) <= len(merged)
assert merged.masks.data.shape[-2:] == merged.orig_shape
votes = (masks.float().mean(0) > 0).sum().item()
print("pixels that any model saw:", votes)
