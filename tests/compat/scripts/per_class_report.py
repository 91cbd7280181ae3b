"""AP of each class, as a table in Markdown."""

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
metrics = model.val(data="coco8-seg.yaml", imgsz=160, batch=2, plots=False, verbose=False)
lines = ["| class | box AP50-95 | mask AP50-95 |", "|---|---|---|"]
for i, c in enumerate(metrics.ap_class_index):
    p, r, ap50, ap = metrics.seg.class_result(i)
    assert 0 <= p <= 1 and 0 <= r <= 1 and ap <= ap50 + 1e-9
    lines.append(f"| {metrics.names[c]} | {metrics.box.maps[c]:.3f} | {ap:.3f} |")
print("\n".join(lines))
assert len(lines) > 3
mp, mr, map50, map95 = metrics.seg.mean_results()
assert abs(map95 - metrics.seg.map) < 1e-9 and abs(map50 - metrics.seg.map50) < 1e-9
