"""Filter raw predictions and put masks together with the functions of the utilities, then measure and save labels."""

import os

import cv2
import numpy as np
import torch
from seglab.data.converter import convert_segment_masks_to_yolo_seg
from seglab.utils import DEFAULT_CFG, ThreadingLocked, ops
from seglab.utils.checks import check_requirements
from seglab.utils.nms import non_max_suppression

from seglab import YOLO

assert check_requirements("numpy") and DEFAULT_CFG.imgsz == 640
torch.manual_seed(0)
prediction = torch.rand(1, 4 + 80 + 32, 40)
prediction[:, :4] *= 100
(kept,) = non_max_suppression(prediction, conf_thres=0.9, iou_thres=0.5, nc=80)
assert kept.shape[1] == 6 + 32 and (kept[:, 4] > 0.9).all()
masks = ops.process_mask(torch.randn(32, 40, 40), kept[:, 6:], kept[:, :4], (160, 160), upsample=True)
assert masks.shape == (len(kept), 160, 160)
polygons = ops.masks2segments(masks)
assert len(polygons) == len(kept)


@ThreadingLocked()
def class_map(source):
    result = YOLO("yolo11n-seg.pt")(source, verbose=False)[0]
    ids = np.zeros(result.orig_shape, np.uint8)
    for mask, class_id in zip(result.masks.data.numpy().astype(bool), result.boxes.cls.int().tolist()):
        ids[mask] = class_id + 1
    return ids, len(result.names)


ids, count = class_map("bus.jpg")
os.makedirs("masks", exist_ok=True)
cv2.imwrite("masks/bus.png", ids)
convert_segment_masks_to_yolo_seg(masks_dir="masks", output_dir="labels", classes=count)
classes = {int(line.split()[0]) for line in open("labels/bus.txt")}
assert classes == set((np.unique(ids[ids > 0]) - 1).tolist())
