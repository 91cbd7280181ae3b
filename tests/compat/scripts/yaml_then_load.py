"""Build from a YAML and take over weights, arguments in a dictionary, then validate, save and open again."""

import yaml

from seglab import YOLO

hyp = {
    "lr0": 0.001, "lrf": 0.1, "momentum": 0.9, "weight_decay": 0.0005, "warmup_epochs": 0, "box": 7.5, "cls": 0.5,
    "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0, "degrees": 5.0, "translate": 0.1, "scale": 0.2, "fliplr": 0.5,
    "mosaic": 0.0, "mixup": 0.0, "copy_paste": 0.1, "optimizer": "AdamW", "cos_lr": True, "close_mosaic": 0,
}  # fmt: skip
with open("hyp.yaml", "w") as f:
    yaml.dump(hyp, f)

model = YOLO("yolo11n-seg.yaml").load("yolo11n-seg.pt")
with open("hyp.yaml") as f:
    overrides = yaml.safe_load(f)
results = model.train(data="coco8-seg.yaml", epochs=1, imgsz=64, batch=4, workers=0, plots=False, **overrides)
args = yaml.safe_load(open(f"{results.save_dir}/args.yaml"))
assert args["degrees"] == 5.0 and str(args["optimizer"]).lower() == "adamw" and args["epochs"] == 1

metrics = model.val()
print(metrics.box.map, metrics.seg.map)
model.save("mine.pt")
again = YOLO("mine.pt")
assert again.names == model.names
assert again.task == "segment"
first, second = (m.predict("bus.jpg", imgsz=160, conf=0.1, verbose=False)[0] for m in (model, again))
assert len(first) == len(second)
params = sum(p.numel() for p in again.model.parameters())
assert params > 2e6
