"""Draw with the annotator of the utilities instead of plot()."""

import cv2
import numpy as np
from seglab.utils.ops import scale_boxes, xywh2xyxy, xyxy2xywh
from seglab.utils.plotting import Annotator, colors

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
names = model.names
im0 = cv2.imread("bus.jpg")
untouched = im0.copy()
results = model.predict(im0)
annotator = Annotator(im0, line_width=2)
if results[0].masks is not None:
    clss = results[0].boxes.cls.cpu().tolist()
    for mask, cls, box in zip(results[0].masks.xy, clss, results[0].boxes.xyxy):
        color = colors(int(cls), True)
        annotator.box_label(box, label=names[int(cls)], color=color)
        cv2.polylines(annotator.im, [np.int32([mask]).reshape(-1, 1, 2)], True, color, 1)
annotated = annotator.result()
assert annotated.shape == untouched.shape and (annotated != untouched).any()
cv2.imwrite("annotator.jpg", annotated)
boxes = results[0].boxes.xyxy
assert np.allclose(xywh2xyxy(xyxy2xywh(boxes)), boxes, atol=1e-3)
same = scale_boxes(im0.shape[:2], boxes.clone(), im0.shape[:2])
assert np.allclose(same, boxes, atol=1e-3)
