"""Watch a training run by callbacks: losses, metrics and where the files are."""

from seglab import YOLO

seen = []
history = []


def on_train_start(trainer):
    seen.append("train_start")
    print("training on", trainer.device, "for", trainer.epochs, "epochs; data:", trainer.args.data)


def on_train_batch_end(trainer):
    seen.append("batch_end")
    assert len(trainer.loss_items) == len(trainer.loss_names)


def on_train_epoch_end(trainer):
    rate = [group["lr"] for group in trainer.optimizer.param_groups]
    history.append(
        {"epoch": trainer.epoch + 1, "lr": rate[0], **trainer.label_loss_items(trainer.tloss, prefix="train")}
    )


def on_fit_epoch_end(trainer):
    seen.append("fit_epoch_end")
    history[-1].update(trainer.metrics)
    print(
        f"epoch {trainer.epoch + 1}/{trainer.epochs}: {trainer.metrics['metrics/mAP50-95(M)']:.3f}",
        f"fitness {trainer.fitness}",
    )


def on_model_save(trainer):
    seen.append("model_save")
    assert trainer.last.parent == trainer.wdir


def on_train_end(trainer):
    seen.append("train_end")
    print("best weights:", trainer.best, "in", trainer.save_dir)


model = YOLO("yolo11n-seg.pt")
model.add_callback("on_train_start", on_train_start)
model.add_callback("on_train_batch_end", on_train_batch_end)
model.add_callback("on_train_epoch_end", on_train_epoch_end)
model.add_callback("on_fit_epoch_end", on_fit_epoch_end)
model.add_callback("on_model_save", on_model_save)
model.add_callback("on_train_end", on_train_end)
model.train(data="coco8-seg.yaml", epochs=2, imgsz=160, batch=2, workers=0, plots=False, verbose=False)

assert seen[0] == "train_start" and seen[-1] == "train_end"
assert seen.count("fit_epoch_end") >= 2
assert seen.count("model_save") == 2
assert seen.count("batch_end") >= 4
assert [h["epoch"] for h in history] == [1, 2]
assert {"train/box_loss", "train/seg_loss", "train/cls_loss", "train/dfl_loss"} <= set(history[0])
