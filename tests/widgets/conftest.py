"""One image seen by the course weights, for all tests of the tools."""

from __future__ import annotations

import pytest

from seglab import YOLO
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.sample import Sample
from seglab.widgets.explored_image import ExploredImage, predict_candidates
from seglab.widgets.forward_pass import ForwardPass, run_network


@pytest.fixture(scope="session")
def model() -> YOLO:
    return YOLO("toybox-n")


@pytest.fixture(scope="session")
def sample() -> Sample:
    return SegmentationDataset(load_dataset("toybox8-seg"), "val", 320).sample(0)


@pytest.fixture(scope="session")
def forward_pass(model, sample) -> ForwardPass:
    return run_network(model, sample)


@pytest.fixture
def explored(model, sample) -> ExploredImage:
    return predict_candidates(model, sample)
