"""The task's own classes do what the verbs do; a script of test_scripts.py trains with them."""

from __future__ import annotations

import pytest

from seglab import YOLO
from seglab.compat.tasks import SegmentationPredictor, SegmentationTrainer, SegmentationValidator, segmentation_model
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError


def test_a_predictor_and_its_callbacks():
    told = []
    overrides = {"model": "toybox-n", "task": "segment", "mode": "predict", "imgsz": 64, "source": "toybox8-seg"}
    predictor = SegmentationPredictor(overrides=overrides, _callbacks={"on_predict_end": [told.append]})
    assert len(predictor()) == 4 and len(told) == 1
    image = str(load_dataset("toybox8-seg").images("val")[0])
    assert len(predictor(image)) == len(list(predictor(image, stream=True))) == 1
    predictor.predict_cli()
    assert len(told) == 4 and predictor.model is predictor.yolo.network


def test_a_validator_gives_its_metrics_by_name():
    validator = SegmentationValidator(args={"model": "toybox-n", "data": "toybox8-seg", "imgsz": 64, "verbose": False})
    values = validator()
    assert values == validator.metrics.results_dict
    assert values["fitness"] == YOLO("toybox-n").val("toybox8-seg", imgsz=64, verbose=False).fitness


def test_a_trainer_knows_nothing_before_it_trained():
    trainer = SegmentationTrainer(overrides={"model": "toybox-n"})
    with pytest.raises(AttributeError, match=r"no best before train\(\)"):
        _ = trainer.best


def test_a_network_by_the_name_of_its_architecture():
    assert segmentation_model("yolo11s-seg.yaml", nc=3).classes == 3 and segmentation_model().classes == 80
    with pytest.raises(SeglabError, match="has YOLO11"):
        segmentation_model("yolov8n-seg.yaml")


def test_a_class_that_replaces_what_nothing_calls_is_refused():
    with pytest.raises(SeglabError, match=r"Mine replaces optimizer_step, which seglab would not call: .*add_callback"):

        class Mine(SegmentationTrainer):
            def optimizer_step(self):
                raise AssertionError

    class Named(SegmentationTrainer):
        def name(self):
            return "mine"

    assert Named(overrides={"model": "toybox-n"}).name() == "mine"
    for verb, argument in (("train", "trainer"), ("val", "validator"), ("predict", "predictor")):
        with pytest.raises(SeglabError, match=f"{verb} does not take {argument}=.*add_callback"):
            getattr(YOLO("toybox-n"), verb)(**{argument: Named})
