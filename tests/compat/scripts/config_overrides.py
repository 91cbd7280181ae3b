"""Settings of a run from a YAML file, some of them overridden by keywords."""

from pathlib import Path

import yaml

from seglab import YOLO

Path("my_cfg.yaml").write_text(
    yaml.safe_dump({"task": "segment", "mode": "train", "epochs": 5, "imgsz": 64, "batch": 4, "workers": 0,
                    "plots": False, "fliplr": 0.0, "project": "experiments", "name": "from_yaml"})
)  # fmt: skip
model = YOLO("yolo11n-seg.pt")
model.train(cfg="my_cfg.yaml", data="coco8-seg.yaml", epochs=1)
args = yaml.safe_load((Path(model.trainer.save_dir) / "args.yaml").read_text())
assert args["epochs"] == 1 and args["imgsz"] == 64 and args["fliplr"] == 0.0
assert Path(model.trainer.save_dir).name == "from_yaml" and model.trainer.epochs == 1
assert (Path(model.trainer.save_dir) / "weights/last.pt").exists()
