"""The same weights give the same outputs in ultralytics and here, for all five scales."""

from __future__ import annotations

import pytest
import torch

from seglab.geometry.boxes import xyxy_to_xywh
from seglab.model.head import anchor_points, boxes_from_distribution
from seglab.model.transfer import transfer
from seglab.model.weights import load_weights
from seglab.model.yolo11 import SCALES, YOLO11Seg, fuse

peer = pytest.importorskip("ultralytics", reason="ultralytics is not installed: pip install 'seglab[parity]'")


def trained_like(model: torch.nn.Module) -> torch.nn.Module:
    """Batch-normalization statistics and gains away from their start, so that every number takes part."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
    return model.eval()


def predictions(model: YOLO11Seg, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    raw = model(images)
    boxes = boxes_from_distribution(raw.boxes, *anchor_points(*images.shape[-2:]))
    parts = xyxy_to_xywh(boxes).transpose(1, 2), raw.classes.sigmoid(), raw.coefficients
    return torch.cat(parts, dim=1), raw.prototypes


def worst_relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


@pytest.mark.parametrize("scale", SCALES)
@torch.inference_mode()
def test_outputs_equal_the_peers_before_and_after_fusion(scale):
    theirs = trained_like(peer.YOLO(f"yolo11{scale}-seg.yaml").model)
    ours = YOLO11Seg(scale).eval()
    ours.load_state_dict(theirs.state_dict())  # strict: the names and shapes are all there
    fused_ours = fuse(ours)
    for size in ((640, 640), (320, 416)):
        images = torch.rand(1, 3, *size)
        (expected, expected_prototypes), _ = theirs(images)
        for model in (ours, fused_ours):
            values, prototypes = predictions(model, images)
            assert values.shape == expected.shape and prototypes.shape == expected_prototypes.shape
            for part in (slice(0, 4), slice(4, 84), slice(84, 116)):
                assert worst_relative(values[:, part], expected[:, part]) < 1e-4
            assert worst_relative(prototypes, expected_prototypes) < 1e-4
    fused_theirs = theirs.fuse(verbose=False)
    (expected, expected_prototypes), _ = fused_theirs(images)
    values, prototypes = predictions(fused_ours, images)
    assert worst_relative(values, expected) < 1e-4 and worst_relative(prototypes, expected_prototypes) < 1e-4


def test_a_checkpoint_the_peer_wrote_is_read_number_for_number(tmp_path):
    theirs = peer.YOLO("yolo11n-seg.yaml")
    trained_like(theirs.model)
    theirs.save(tmp_path / "peer.pt")
    weights = load_weights(tmp_path / "peer.pt")
    model = YOLO11Seg("n")
    report = transfer(model, weights.state)
    assert len(report.loaded) == 561 and not (report.mismatched or report.missing or report.unused)
    for name, expected in theirs.model.half().float().state_dict().items():  # it stores half precision
        assert torch.equal(model.state_dict()[name], expected), name


def test_weights_to_the_peer_and_back_is_the_identity():
    ours = trained_like(YOLO11Seg("n"))
    theirs = peer.YOLO("yolo11n-seg.yaml").model
    theirs.load_state_dict(ours.state_dict())
    back = YOLO11Seg("n")
    back.load_state_dict(theirs.state_dict())
    assert all(torch.equal(v, back.state_dict()[k]) for k, v in ours.state_dict().items())
