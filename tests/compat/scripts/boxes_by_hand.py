"""Functions on boxes that forum answers call: letterbox, conversions, intersection over union."""

import cv2
import numpy as np
import torch
from seglab.utils import ops
from seglab.utils.metrics import bbox_iou, box_iou

from seglab.data.augment import LetterBox

image = cv2.imread("bus.jpg")
square = LetterBox((320, 320), auto=False, stride=32)(image=image)
assert square.shape == (320, 320, 3) and (square[0] == 114).all()
assert LetterBox(new_shape=320, auto=True)(image=image).shape == (256, 320, 3)
boxes = torch.tensor([[10.0, 20, 110, 80], [0, 0, 50, 60]])
back = ops.scale_boxes(square.shape[:2], boxes.clone(), image.shape[:2])
assert back.shape == (2, 4)
assert torch.equal(ops.xywh2xyxy(ops.xyxy2xywh(boxes)), boxes)
pairs = bbox_iou(boxes[:1], boxes[1:], xywh=False)
assert pairs.shape == (1, 1) and np.isclose(pairs.item(), box_iou(boxes, boxes)[0, 1].item(), atol=1e-3)
assert bbox_iou(boxes, boxes.flip(0), xywh=False, CIoU=True).max() < pairs.item()
