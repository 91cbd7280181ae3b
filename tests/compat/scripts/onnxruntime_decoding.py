"""Run an exported file with onnxruntime alone, by the names of its tensors, and decode masks by hand."""

import ast

import cv2
import numpy as np
import onnxruntime as ort

from seglab import YOLO

path = YOLO("yolo11n-seg.pt").export(format="onnx", imgsz=160, opset=17, simplify=True)
session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
meta = session.get_modelmeta().custom_metadata_map
names = ast.literal_eval(meta["names"])
size = ast.literal_eval(meta["imgsz"])
assert (
    names[0] == YOLO(path).names[0] and size == [160, 160] and int(meta["stride"]) == 32 and meta["task"] == "segment"
)

image = cv2.imread("bus.jpg")
height, width = image.shape[:2]
ratio = 160 / max(height, width)
small = cv2.resize(image, (round(width * ratio), round(height * ratio)))
top, left = (160 - small.shape[0]) // 2, (160 - small.shape[1]) // 2
canvas = np.full((160, 160, 3), 114, np.uint8)
canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
blob = cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True)

dense, protos = session.run(["output0", "output1"], {session.get_inputs()[0].name: blob})
rows = dense[0].T
scores = rows[:, 4 : 4 + len(names)].max(axis=1)
rows, scores = rows[scores > 0.4], scores[scores > 0.4]
corners = rows[:, :4].copy()
corners[:, :2] -= corners[:, 2:] / 2
keep = cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), 0.4, 0.5)
assert len(keep) > 0
for index in np.array(keep).reshape(-1):
    mask = rows[index, 4 + len(names) :] @ protos[0].reshape(32, -1)
    mask = cv2.resize(mask.reshape(40, 40), (160, 160)) > 0
    x, y, w, h = corners[index].astype(int).clip(0)
    print(
        names[int(rows[index, 4 : 4 + len(names)].argmax())],
        round(float(scores[index]), 2),
        mask[y : y + h, x : x + w].mean(),
    )
    assert mask[y : y + h, x : x + w].any()

expected = YOLO(path)("bus.jpg", imgsz=160, conf=0.4, iou=0.5, rect=False, agnostic_nms=True, verbose=False)[0]
assert abs(len(expected) - len(keep)) <= 1
