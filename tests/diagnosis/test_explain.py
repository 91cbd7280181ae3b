"""The gap between the two protocols, split into its rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.config import ValidateConfig
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.diagnosis.explain import explain
from seglab.evaluation.validate import validate


@pytest.fixture(scope="module")
def dataset(toybox):
    return SegmentationDataset(toybox, "val", 640, rect=True)


def test_the_gap_between_the_protocols_is_split_without_remainder(dataset, oracle):
    perfect = oracle(dataset)
    explanation = explain(perfect.forward, perfect, dataset, dataset.names)
    config = ValidateConfig(protocol="yolo")
    first = validate(perfect.forward, perfect, dataset, dataset.names, config)
    last = validate(perfect.forward, perfect, dataset, dataset.names)
    for label, start, end in (("box", first.box.map, last.box.map), ("mask", first.seg.map, last.seg.map)):
        assert explanation.yolo[label] == pytest.approx(start) and explanation.coco[label] == pytest.approx(end)
        steps = [step[label] for step in explanation.steps.values()]
        assert sum(steps) == pytest.approx(end - start)
    assert explanation.steps["AP rule"]["box"] == pytest.approx(0.005)
    assert explanation.errors.ap50 == pytest.approx(last.seg.map50)
    assert "COCO protocol" in str(explanation) and "localization" in str(explanation)


def test_crowds_are_set_aside_by_coco_and_unknown_to_the_yolo_protocol(datasets_folder, oracle):
    spec = load_dataset(datasets_folder / "coco38" / "annotations" / "instances_train2017.json")
    dataset = SegmentationDataset(spec, "train", 320, rect=True)
    crowds = {i: [o for o in dataset.instances(i) if o.crowd] for i in range(len(dataset))}
    (index, (crowd, *_)) = next((i, found) for i, found in crowds.items() if found)

    class OnCrowd(oracle):
        """Perfect, and one confident box more on the crowd."""

        def forward(self, images):
            predictions, prototypes = super().forward(images)
            for i, info in enumerate(self.batch["samples"]):
                if info["index"] == index:
                    points = info["letterbox"].points_to_letterbox(np.concatenate(crowd.rings))
                    low, high = points.min(axis=0), points.max(axis=0)
                    middle, half = (low + high) / 2, (high - low) / 6
                    predictions[i, :4, 50] = torch.tensor([*middle, *half])
                    predictions[i, 4 + crowd.class_id, 50] = 0.99
            return predictions, prototypes

    seeing = OnCrowd(dataset)
    explanation = explain(seeing.forward, seeing, dataset, dataset.names)
    assert explanation.coco["box"] == pytest.approx(1) and explanation.yolo["box"] < 0.995
    assert explanation.steps["crowds"]["box"] == pytest.approx(0.995 - explanation.yolo["box"], abs=2e-3)


def test_val_prints_the_explanation_after_the_table(capsys):
    """The facade puts the two together: validation does not know of explanations."""
    metrics = YOLO("toybox-n").val(data="toybox8-seg", imgsz=320, explain=True, workers=0)
    table, _, explanation = capsys.readouterr().out.partition("YOLO protocol, mAP50-95")
    assert metrics.table() in table
    (row,) = [line for line in explanation.splitlines() if line.startswith("COCO protocol, mAP50-95")]
    assert row.split()[-2:] == [f"{metrics.box.map:.4f}", f"{metrics.seg.map:.4f}"]
