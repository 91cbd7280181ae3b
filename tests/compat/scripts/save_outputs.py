"""Write text labels, crops, images and JSON for each result by hand."""

from pathlib import Path

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")
results = model(["bus.jpg", "images/0.jpg"])
for i, result in enumerate(results):
    result.save(filename=f"result_{i}.jpg")
    result.save_txt(f"label_{i}.txt", save_conf=True)
    result.save_crop(save_dir="crops", file_name=f"crop_{i}")
    Path(f"result_{i}.json").write_text(result.to_json())
    cpu = result.cpu()
    arrays = result.numpy()
    print(cpu.boxes.xyxy.shape, type(arrays.boxes.xyxy), arrays.masks.data.dtype if arrays.masks else None)

first = Path("label_0.txt").read_text().split("\n")[0].split()
assert len(first) >= 1 + 6 + 1 and 0 <= float(first[-1]) <= 1
assert list(Path("crops").rglob("*.jpg"))
