"""Validate on the test split of a YAML made in the script, and print a table of the classes."""

from pathlib import Path

import yaml

from seglab import YOLO

config = yaml.safe_load(Path("coco8-seg.yaml").read_text())
config["test"] = config["val"]
config.setdefault("nc", len(config["names"]))
with open("test.yaml", "w") as f:
    yaml.dump(config, f, sort_keys=False)

if __name__ == "__main__":
    model = YOLO("yolo11n-seg.pt")
    metrics = model.val(
        data="test.yaml", split="test", imgsz=160, batch=2, conf=0.25, iou=0.6, device="cpu", workers=0, plots=False
    )
    print("mAP50-95:", metrics.seg.map, "mAP50:", metrics.seg.map50, "mAP75:", metrics.seg.map75)
    assert len(metrics.seg.maps) == len(model.names)
    p, r, map50, map_ = metrics.seg.mean_results()
    assert abs(map_ - metrics.seg.map) < 1e-9
    rows = []
    for i, c in enumerate(metrics.ap_class_index):
        box, seg = metrics.class_result(i)[:4], metrics.class_result(i)[4:]
        rows.append((metrics.names[c], *[round(float(x), 3) for x in (*box, *seg)]))
    for row in rows:
        print("%-12s" % row[0], *row[1:])
    assert rows and all(len(row) == 9 for row in rows)
    f1 = metrics.seg.f1
    assert len(f1) == len(metrics.seg.ap_class_index)
    print("F1:", f1.mean(), "fitness:", metrics.fitness, "speed:", metrics.speed["inference"])
    assert set(metrics.keys) <= set(metrics.results_dict)
    val_again = model.val(data="test.yaml", split="val", imgsz=160, batch=2, conf=0.25, iou=0.6, workers=0, plots=False)
    assert abs(val_again.box.map - metrics.box.map) < 1e-6
