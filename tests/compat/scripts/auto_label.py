"""Label images with a model: one polygon a line, normalized, ready to train on."""

from pathlib import Path

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
out = Path("auto/labels")
out.mkdir(parents=True, exist_ok=True)
for result in model("images", stream=True, device="cpu"):
    class_ids = result.boxes.cls.int().tolist()
    if not len(class_ids):
        continue
    polygons = result.masks.xyn
    with open(out / f"{Path(result.path).stem}.txt", "w", encoding="utf-8") as f:
        for i, s in enumerate(polygons):
            if s.any():
                flat = map(str, s.reshape(-1).tolist())
                f.write(f"{class_ids[i]} " + " ".join(flat) + "\n")
written = list(out.glob("*.txt"))
assert written
values = [float(v) for v in written[0].read_text().splitlines()[0].split()[1:]]
assert len(values) % 2 == 0 and min(values) >= 0 and max(values) <= 1
