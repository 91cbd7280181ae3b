"""Stop a run after its first epoch, as if the machine had gone, and take it up again from last.pt."""

from pathlib import Path

from seglab import YOLO


class Gone(Exception):
    pass


def interrupt(trainer):
    if trainer.epoch == 0:
        raise Gone


model = YOLO("yolo11n-seg.pt")
model.add_callback("on_train_epoch_start", lambda trainer: None)
model.add_callback("on_model_save", interrupt)
try:
    model.train(
        data="coco8-seg.yaml",
        epochs=2,
        imgsz=160,
        batch=2,
        workers=0,
        project=f"{Path.cwd()}/out",
        name="resumed",
        exist_ok=True,
    )
except Gone:
    print("interrupted")
last = Path("out/resumed/weights/last.pt")
assert last.exists()

model = YOLO(str(last))
results = model.train(resume=True)
last_row = (Path("out/resumed") / "results.csv").read_text().splitlines()[-1]
assert int(last_row.split(",")[0]) == 2
print(results.save_dir)
