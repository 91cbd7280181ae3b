"""Train and predict by the task's own classes, as the reference pages show."""

import os

from seglab.models.yolo.segment import SegmentationPredictor, SegmentationTrainer, SegmentationValidator

args = dict(
    model="yolo11n-seg.pt",
    data="coco8-seg.yaml",
    epochs=1,
    imgsz=160,
    batch=2,
    workers=0,
    project=f"{os.getcwd()}/out",
    name="cls",
)
trainer = SegmentationTrainer(overrides=args)
trainer.train()
assert trainer.best.exists()

validator = SegmentationValidator(
    args=dict(model="yolo11n-seg.pt", data="coco8-seg.yaml", imgsz=160, batch=2, workers=0)
)
validator()

predictor = SegmentationPredictor(overrides=dict(model="yolo11n-seg.pt", source="images", imgsz=160))
predictor.predict_cli()
