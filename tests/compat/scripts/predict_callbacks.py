"""Give every result its frame by a callback at the end of a batch, as the documentation's example does."""

from seglab import YOLO

counts = {"start": 0, "batches": 0, "end": 0}


def on_predict_start(predictor):
    counts["start"] += 1


def on_predict_batch_end(predictor):
    _, image, _, _ = predictor.batch if len(predictor.batch) == 4 else (None, predictor.batch[1], None, None)
    image = image if isinstance(image, list) else [image]
    predictor.results = zip(predictor.results, image)
    counts["batches"] += 1


def on_predict_end(predictor):
    counts["end"] += 1


model = YOLO("yolo11n-seg.pt")
model.add_callback("on_predict_start", on_predict_start)
model.add_callback("on_predict_batch_end", on_predict_batch_end)
model.add_callback("on_predict_end", on_predict_end)

shapes = []
for result, frame in model.predict("images"):
    assert frame.shape == result.orig_img.shape
    shapes.append(result.orig_shape)
print(shapes)
assert counts["start"] == 1 and counts["end"] == 1 and counts["batches"] >= 1

model.clear_callback("on_predict_batch_end")
assert len(model.predict("bus.jpg")[0].boxes) >= 0
model.reset_callbacks()
