"""Follow a training with callbacks that read losses, learning rates and files, and stop it early."""

from seglab import YOLO

seen = []


def on_train_start(trainer):
    frozen = [f"model.{index}." for index in range(3)]
    for name, parameter in trainer.model.named_parameters():
        parameter.requires_grad = not any(part in name for part in frozen)


def on_train_epoch_end(trainer):
    losses = trainer.label_loss_items(trainer.tloss, prefix="train")
    seen.append((trainer.epoch, sorted(losses)[0], trainer.scheduler.get_last_lr()[0], float(trainer.loss)))


def on_fit_epoch_end(trainer):
    trainer.stop = trainer.epoch >= 1


model = YOLO("yolo11n-seg.pt")
for callback in (on_train_start, on_train_epoch_end, on_fit_epoch_end):
    model.add_callback(callback.__name__, callback)
results = model.train(data="coco8-seg.yaml", epochs=9, imgsz=64, batch=4, workers=0, plots=False, optimizer="SGD")
trainer = model.trainer
assert [epoch for epoch, *_ in seen] == [0, 1] and trainer.epoch == 1
assert all(loss > 0 for *_, loss in seen) and seen[1][2] > 0
assert trainer.best.name == "best.pt" and trainer.best.exists() and results.task == "segment"
try:
    trainer.nonsense
except AttributeError as error:
    assert "best" in str(error)
