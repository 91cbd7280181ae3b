"""Keep the objects of one class, by masks of scores and classes that may have a single value, and count them."""

import numpy as np

from seglab import YOLO

model = YOLO("yolo11n-seg")
for result in model.predict(["bus.jpg", "images/1.jpg"], conf=0.25, verbose=False):
    boxes = result.boxes
    kept = 0
    for class_id in boxes.cls.unique().tolist():
        of_class = result[boxes.cls == class_id]
        wrong = of_class[of_class.boxes.cls != class_id]
        assert len(wrong) == 0 and wrong.verbose() == "(no detections), "
        one = of_class[of_class.boxes.conf.argmax()]
        assert len(one) == 1 and len(one[one.boxes.conf > 2]) == 0
        assert len(one.boxes[one.boxes.conf < 0.01]) == 0 and len(one[one.boxes.conf >= 0.25]) == 1
        kept += len(of_class)
        print(of_class.verbose()[:-2])
    assert kept == len(result)
    indices = np.where(boxes.conf.cpu().numpy() > 0.5)[0]
    assert len(result[indices]) == len(result[boxes.conf > 0.5]) == int((boxes.conf > 0.5).sum())
