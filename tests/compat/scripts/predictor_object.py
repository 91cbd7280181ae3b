"""The predictor behind a model: pairs of result and image by a callback, streams, arguments, the last folder."""

from seglab import YOLO

model = YOLO("yolo11n-seg.pt")


def on_predict_batch_end(predictor):
    paths, images, texts = predictor.batch
    print(predictor.dataset.mode, predictor.seen, texts)
    predictor.results = list(zip(predictor.results, images))


model.add_callback("on_predict_batch_end", on_predict_batch_end)
for result, image in model.predict("images", stream=True, verbose=False):
    assert image.shape[:2] == result.orig_shape
model.clear_callback("on_predict_batch_end")

model.predict("images", verbose=False, conf=0.4, save=True, project="out", name="a", exist_ok=True)
predictor = model.predictor
assert predictor.args.conf == 0.4 and predictor.args.mode == "predict" and predictor.imgsz == [320, 320]
assert predictor.save_dir.name == "a" and len(list(predictor.save_dir.glob("*.jpg"))) == 2 and predictor.seen == 2
frames = model("video.mp4", stream=True, verbose=False)
first = next(frames)
assert first.boxes is not None and len(list(frames)) == 3
assert model.predictor.dataset.mode == "video"
