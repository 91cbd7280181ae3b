"""Use the predictor class by itself, read model.predictor, and subclass nothing."""

from pathlib import Path

from seglab.models.yolo.segment import SegmentationPredictor

from seglab import YOLO

args = dict(model="yolo11n-seg.pt", source="bus.jpg", imgsz=160, save=True, project="runs", name="by_class")
predictor = SegmentationPredictor(overrides=args)
predictor.predict_cli()
assert Path("runs/by_class/bus.jpg").exists()

model = YOLO("yolo11n-seg.pt")
assert model.predictor is None
results = model.predict("images", imgsz=160, conf=0.4, save_txt=True, project="runs", name="labels")
predictor = model.predictor
assert predictor.args.conf == 0.4 and predictor.args.imgsz in (160, [160, 160], (160, 160))
assert Path(predictor.save_dir).resolve() == Path("runs/labels").resolve()
assert predictor.seen == 2
print(predictor.save_dir, predictor.args.mode, predictor.device, results[0].save_dir)
assert len(predictor.results) == len(results) or len(predictor.results) == 1
