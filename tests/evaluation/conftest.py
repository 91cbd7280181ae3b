"""A network that knows the answers: what it says of each image is the truth, so every figure is known beforehand."""

from __future__ import annotations

import pytest
import torch

from seglab.data.catalogue import load_dataset
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader


class Oracle:
    """Iterate it for batches; its `forward` answers for the batch given out last. `change` spoils it."""

    def __init__(self, dataset: SegmentationDataset, batch: int = 3, change=None):
        self.loader, self.classes, self.change = build_loader(dataset, batch), len(dataset.names), change

    def __iter__(self):
        for batch in self.loader:
            self.batch = batch
            yield batch

    def forward(self, images):
        batch, (count, _, height, width) = self.batch, images.shape
        anchors = sum(height // stride * (width // stride) for stride in (8, 16, 32))
        predictions = torch.zeros(count, 4 + self.classes + 32, anchors)
        prototypes = torch.full((count, 32, height // 4, width // 4), -4.0)
        for i in range(count):
            for slot, j in enumerate(torch.nonzero(batch["image_index"] == i).ravel().tolist()):
                left, top, right, bottom = batch["boxes"][j].tolist()
                box = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
                predictions[i, :4, slot] = torch.tensor(box)
                predictions[i, 4 + batch["classes"][j], slot] = 0.9 - 0.001 * slot
                predictions[i, 4 + self.classes + slot % 32, slot] = 1
                prototypes[i, slot % 32] = prototypes[i, slot % 32].maximum(8 * batch["masks"][j].float() - 4)
        if self.change:
            self.change(predictions, prototypes)
        return predictions, prototypes


@pytest.fixture(scope="session")
def toybox():
    """The embedded dataset: four validation scenes of ten classes."""
    return load_dataset("toybox8-seg")


@pytest.fixture
def oracle():
    return Oracle
