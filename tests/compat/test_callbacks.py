"""The objects that callbacks get; tests/test_yolo.py has the events of whole runs."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from seglab import YOLO
from seglab.compat.arguments import DEFAULTS
from seglab.compat.callbacks import Exporter, Predictor, followed
from seglab.config import PredictConfig
from seglab.events import PREDICT_EVENTS, Events
from seglab.inference.instances import Boxes
from seglab.inference.results import Results

NAMES = {0: "cup"}


def results(count: int):
    """As `predict` gives them, one after the other."""
    for number in range(count):
        image = torch.zeros(8, 8, 3, dtype=torch.uint8).numpy()
        yield Results(image, f"{number}.jpg", NAMES, Boxes(torch.zeros(0, 6), (8, 8)))


@pytest.mark.parametrize(("count", "batch", "sizes"), [(5, 2, [2, 2, 1]), (4, 4, [4]), (0, 3, []), (3, 1, [1, 1, 1])])
def test_batches_are_told_as_they_come(count, batch, sizes):
    told, seen = [], []
    functions = {event: [lambda _, event=event: told.append(event)] for event in PREDICT_EVENTS}
    functions["on_predict_batch_end"].append(lambda predictor: seen.append(len(predictor.results)))
    predictor = Predictor(asdict(PredictConfig()), None, torch.device("cpu"))
    found = list(followed(results(count), iter, Events(functions), predictor, batch))
    assert [result.path for result in found] == [f"{number}.jpg" for number in range(count)]
    assert seen == sizes and predictor.seen == count
    around = ["on_predict_postprocess_end", "on_predict_batch_end"]
    assert told == ["on_predict_start", *around * len(sizes), "on_predict_end"]


def test_a_callback_may_change_results_before_they_are_saved():
    saved = []

    def save(found):
        for result in found:
            saved.append(result.path)
            yield result

    def drop_first(predictor):
        predictor.results = predictor.results[1:]

    events = Events({"on_predict_postprocess_end": [drop_first]})
    predictor = Predictor(asdict(PredictConfig()), None, torch.device("cpu"))
    found = list(followed(results(4), save, events, predictor, 2))
    assert saved == [result.path for result in found] == ["1.jpg", "3.jpg"]


def test_a_run_has_every_argument_that_scripts_may_ask_for():
    predictor = Predictor(asdict(PredictConfig(conf=0.4)), None, torch.device("cpu"))
    exporter = Exporter({"format": "onnx", "imgsz": 96}, None)
    assert predictor.args.conf == 0.4 and predictor.args.mode == "predict" and predictor.args.lr0 == DEFAULTS["lr0"]
    assert exporter.args.imgsz == 96 and exporter.args.task == "segment"
    assert set(DEFAULTS) <= vars(predictor.args).keys() and set(DEFAULTS) <= vars(exporter.args).keys()


def test_names_that_are_not_there_end_in_what_is():
    predictor = Predictor(asdict(PredictConfig()), None, torch.device("cpu"))
    with pytest.raises(
        AttributeError, match="the predictor of a callback has no windows: it has args, batch, dataset, device, "
    ):
        _ = predictor.windows
    assert not hasattr(predictor, "_nothing")


def test_what_a_training_tells(tmp_path):
    told = []

    def look(trainer):
        terms = sum(float(value) for value in trainer.loss_items.values())
        assert float(trainer.loss) == pytest.approx(terms, rel=1e-5) and trainer.loss.ndim == 0
        assert trainer.scheduler.get_last_lr() == [group["lr"] for group in trainer.optimizer.param_groups]
        told.append((trainer.start_epoch, trainer.epoch))

    def train(**arguments):
        model = YOLO("toybox-n")
        if told:
            model.add_callback("on_train_epoch_end", look)
        model.train("toybox8-seg", imgsz=64, batch=4, workers=0, plots=False, val=False, **arguments)
        return model.trainer

    silent = train(epochs=2, project=tmp_path, name="silent", save=False)
    assert (silent.start_epoch, silent.epoch) == (0, 1)  # also where nobody listened
    told.append((0, 0))
    train(epochs=1, project=tmp_path, name="heard", save=False)
    assert told == [(0, 0)] * 2
