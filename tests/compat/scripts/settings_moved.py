"""Settings are changed at the top of a script, and runs go where they say."""

from pathlib import Path

from seglab.utils import SETTINGS

from seglab import YOLO, settings

settings.update({"runs_dir": "my_runs", "sync": False, "tensorboard": False})
assert settings["runs_dir"] == SETTINGS["runs_dir"] == "my_runs"
model = YOLO("yolo11n-seg.pt")
model.overrides["conf"] = 0.5
model.overrides["max_det"] = 3
result = model.predict("bus.jpg", verbose=False, save=True)[0]
assert len(result) == 3 and bool((result.boxes.conf >= 0.5).all())
assert Path("my_runs/segment/predict/bus.jpg").is_file()
settings.reset()
assert settings["runs_dir"] == "runs"
