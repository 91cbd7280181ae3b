"""Validate and read every figure: means, per class, and the curves themselves."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
metrics = model.val(data="coco8-seg.yaml", imgsz=160, batch=2, workers=0)

print(metrics.box.map, metrics.box.map50, metrics.box.map75, metrics.box.maps)
print(metrics.seg.map, metrics.seg.map50, metrics.seg.map75, metrics.seg.maps)
print(metrics.seg.mp, metrics.seg.mr, metrics.seg.p, metrics.seg.r, metrics.seg.f1, metrics.seg.ap50)
for i, c in enumerate(metrics.seg.ap_class_index):
    p, r, ap50, ap = metrics.seg.class_result(i)
    print(f"{metrics.names[c]:>12} P {p:.3f} R {r:.3f} AP50 {ap50:.3f} AP {ap:.3f}")
print({k: round(v, 3) for k, v in metrics.results_dict.items()})
assert metrics.results_dict["metrics/mAP50(M)"] == metrics.seg.map50
assert list(metrics.speed) == ["preprocess", "inference", "loss", "postprocess"]

assert len(metrics.curves) == len(metrics.curves_results) == 8
for name, (x, y, xlabel, ylabel) in zip(metrics.curves, metrics.curves_results):
    plt.figure()
    plt.plot(x, y.T)
    plt.xlabel(xlabel)
    plt.ylabel(ylabel)
    plt.title(name)
    plt.savefig(f"{name.replace('(', '_').replace(')', '')}.png")
    plt.close()
print("saved to", metrics.save_dir, "fitness", metrics.fitness, "keys", metrics.keys)
assert len(metrics.mean_results()) == len(metrics.keys) == 8
