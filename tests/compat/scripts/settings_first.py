"""Settings at the top of a script: loggers off, folders set, read back; the version and a check."""

from pathlib import Path

import seglab
from seglab import YOLO, checks, settings

print("version", seglab.__version__)
checks()
assert isinstance(settings["runs_dir"], str)
settings.update({"wandb": False, "mlflow": False, "comet": False, "clearml": False, "dvc": False, "tensorboard": False})
settings.update({"datasets_dir": str(Path("datasets").resolve())})
assert settings["datasets_dir"] == str(Path("datasets").resolve())
assert settings["tensorboard"] is False and settings.get("wandb") is False
print(settings)

model = YOLO("yolo11n-seg.pt")
model.info()
model.train(
    data=str(Path("coco8-seg.yaml").resolve()), epochs=1, imgsz=64, batch=4, workers=0, plots=False, name="quiet"
)
events = list(Path("runs").rglob("events.out.tfevents*"))
assert not events, "TensorBoard was switched off"
settings.reset()
