"""Stop a training from a callback, keep a JSON history, and change the learning rate on the way."""

import json
from pathlib import Path

from seglab import YOLO

history = []
rates = []


def on_train_start(trainer):
    trainer.best_so_far = 0.0
    print(f"training {trainer.args.model} on {trainer.device} for {trainer.epochs} epochs in {trainer.save_dir}")


def on_train_epoch_start(trainer):
    if trainer.epoch == 1:
        for group in trainer.optimizer.param_groups:
            group["lr"] *= 0.5


def on_train_batch_end(trainer):
    rates.append(trainer.optimizer.param_groups[0]["lr"])


def on_fit_epoch_end(trainer):
    row = {"epoch": trainer.epoch + 1, **{k: float(v) for k, v in trainer.metrics.items()}}
    row |= trainer.label_loss_items(trainer.tloss, prefix="train")
    row |= trainer.lr
    history.append(row)
    Path("history.json").write_text(json.dumps(history))
    trainer.best_so_far = max(trainer.best_so_far, float(trainer.fitness or 0))
    if trainer.epoch + 1 >= 2:
        trainer.stop = True


model = YOLO("yolo11n-seg.pt")
for event, function in (
    ("on_train_start", on_train_start),
    ("on_train_epoch_start", on_train_epoch_start),
    ("on_train_batch_end", on_train_batch_end),
    ("on_fit_epoch_end", on_fit_epoch_end),
):
    model.add_callback(event, function)
results = model.train(
    data="coco8-seg.yaml", epochs=5, imgsz=64, batch=4, workers=0, device="cpu", project="runs", name="stopped",
    plots=False, patience=50,
)  # fmt: skip
saved = json.loads(Path("history.json").read_text())
epochs = sorted({row["epoch"] for row in saved})
print(epochs, saved[-1])
assert epochs == [1, 2]
assert "metrics/mAP50(M)" in saved[-1] and "train/seg_loss" in saved[-1] and "lr/pg0" in saved[-1]
assert Path(model.trainer.best).exists() and Path(model.trainer.save_dir, "results.csv").exists()
assert rates and results is not None
