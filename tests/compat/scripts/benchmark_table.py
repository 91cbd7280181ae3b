"""Benchmark one format and read the table that comes back."""

from seglab.utils.benchmarks import benchmark

frame = benchmark(
    model="yolo11n-seg.pt", data="coco8-seg.yaml", imgsz=64, half=False, quantize=32, device="cpu", format="onnx"
)
print(frame)
assert any("ONNX" in str(name) for name in frame["Format"])
speed = [c for c in frame.columns if "Inference time" in c]
assert speed and float(frame[speed[0]][0]) > 0
