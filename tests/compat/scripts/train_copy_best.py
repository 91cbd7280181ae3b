"""Train, then put the best weights into a place of their own, zip the run and load the copy."""

import os
import shutil

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
results = model.train(
    data="coco8-seg.yaml",
    epochs=1,
    imgsz=160,
    batch=2,
    workers=0,
    project=f"{os.getcwd()}/runs_here",
    name="first",
    exist_ok=True,
)

best = os.path.join(str(results.save_dir), "weights", "best.pt")
last = "runs_here/first/weights/last.pt"
assert os.path.exists(best) and os.path.exists(last)
os.makedirs("deploy", exist_ok=True)
shutil.copy(best, "deploy/my_model.pt")
shutil.make_archive("run", "zip", str(results.save_dir))
assert os.path.getsize("run.zip") > os.path.getsize(best) / 2

trained = YOLO("deploy/my_model.pt")
assert trained.names == model.names
print(trained("bus.jpg", verbose=False)[0].verbose())
print(f"mAP50-95(M): {results.seg.map:.3f}  best: {model.trainer.best}")
