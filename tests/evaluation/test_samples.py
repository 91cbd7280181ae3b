"""Sheets of validation images, as labeled and as predicted."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from seglab.config import PredictConfig
from seglab.data.dataset import SegmentationDataset
from seglab.evaluation.samples import draw_validation_batches, labeled_image


def nothing_found(images):
    return torch.zeros(len(images), 46, 8400), torch.zeros(len(images), 32, 160, 160)


def test_two_sheets_a_batch(toybox, tmp_path):
    dataset = SegmentationDataset(toybox, "val", 640)
    draw_validation_batches(nothing_found, dataset, toybox.names, 3, PredictConfig(rect=False), tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == [f"val_batch{number}_{what}.jpg" for number in (0, 1) for what in ("labels", "pred")]
    labels, pred = (cv2.imread(str(tmp_path / f"val_batch0_{what}.jpg")) for what in ("labels", "pred"))
    assert labels.shape == pred.shape and (labels != pred).mean() > 0.1  # nothing is drawn on the second


def test_ground_truth_is_drawn_where_it_is(toybox):
    sample = SegmentationDataset(toybox, "val", 640).sample(0)
    drawn = labeled_image(sample, toybox.names)
    changed = (drawn != sample.image).any(axis=2)
    assert changed.any() and not changed.all() and drawn.shape == sample.image.shape
    inside = np.round(sample.instances[0].rings[0].mean(axis=0)).astype(int)
    assert changed[inside[1], inside[0]] or len(sample.instances[0].rings) > 1
