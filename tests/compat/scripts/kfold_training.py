"""Cross-validation: split the images into folds, write a YAML for each, train on each, gather the metrics."""

import datetime
import random
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import yaml

from seglab import YOLO

config = yaml.safe_load(open("coco8-seg.yaml", encoding="utf8"))
classes = config["names"]
train_dir = Path(config.get("path", ".")) / config["train"]
images = sorted(p for p in train_dir.rglob("*") if p.suffix in (".jpg", ".png"))
labels = [Path(str(p).replace("/images/", "/labels/")).with_suffix(".txt") for p in images]
assert images and all(label.exists() for label in labels)

counts = pd.DataFrame([], columns=list(range(len(classes))), index=[p.stem for p in labels])
for label in labels:
    found = Counter(int(line.split(" ", 1)[0]) for line in label.read_text().splitlines())
    counts.loc[label.stem] = found
counts = counts.fillna(0.0)
assert counts.values.sum() > 0

random.seed(0)
random.shuffle(images)
ksplit = 2
save_path = Path(f"{datetime.date.today().isoformat()}_{ksplit}-Fold")
yamls = []
for k in range(ksplit):
    split_dir = save_path / f"split_{k + 1}"
    for number, image in enumerate(images):
        part = "val" if number % ksplit == k else "train"
        for kind, file in (("images", image), ("labels", labels[[p.stem for p in labels].index(image.stem)])):
            (split_dir / part / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, split_dir / part / kind / file.name)
    path = split_dir / f"split_{k + 1}_dataset.yaml"
    with open(path, "w") as f:
        yaml.safe_dump({"path": split_dir.resolve().as_posix(), "train": "train", "val": "val", "names": classes}, f)
    yamls.append(path)

results = {}
for k, path in enumerate(yamls):
    model = YOLO("yolo11n-seg.pt", task="segment")
    results[k] = model.train(
        data=path, epochs=1, batch=2, imgsz=64, workers=0, project="kfold_demo", name=f"fold_{k + 1}"
    )
maps = [r.seg.map for r in results.values()]
frame = pd.DataFrame({f"fold_{k + 1}": r.results_dict for k, r in results.items()})
print(frame.mean(axis=1))
assert len(maps) == ksplit and frame.shape[1] == ksplit
assert all(Path(r.save_dir, "weights", "best.pt").is_file() for r in results.values())
