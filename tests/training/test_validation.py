"""The validation after an epoch: its losses are those of the images it validates on."""

from __future__ import annotations

import pytest
import torch

from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.datasets.load import load_dataset
from seglab.model.yolo11 import fuse
from seglab.toybox.dataset import generate_dataset
from seglab.training.arguments import make_config
from seglab.training.distributed import ALONE
from seglab.training.loss import LossGains, segmentation_loss
from seglab.training.validation import make_validate

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("ratio", [4, 2])
def test_validation_losses_of_a_batch_larger_than_the_network_is_run_on(worker, tmp_path, ratio):
    spec = load_dataset(generate_dataset(tmp_path / "seven", 7, size=(96, 128), val=1))
    model = worker.new_model()
    dataset = SegmentationDataset(spec, "val", 128, rect=True, mask_ratio=ratio)
    config = make_config(batch=7, imgsz=128, mask_ratio=ratio)
    figures = make_validate(dataset, config, LossGains(), ALONE, "soft")(model)[1]
    terms = []
    for batch in build_loader(dataset, 4):  # 4 and 3 images
        with torch.no_grad():
            terms.append(segmentation_loss(fuse(model)(batch["images"].float() / 255), batch, LossGains())[1])
    for name in ("box", "seg", "cls", "dfl"):
        expected = torch.stack([values[name] for values in terms]).mean()
        assert figures[f"val/{name}_loss"] == pytest.approx(expected.item(), rel=1e-4)
