"""A packed network is the same function, at every size and batch, and where it cannot be had nothing changes."""

from __future__ import annotations

import pytest
import torch

from seglab import YOLO
from seglab.model import packed
from seglab.model.head import Prototypes
from seglab.model.packed import PackedConv, PackedPrototypes, pack
from seglab.model.yolo11 import YOLO11Seg, fuse

needs_operators = pytest.mark.skipif(not packed.available(), reason="this build of PyTorch lacks oneDNN's operators")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return YOLO11Seg("n", 5).eval()


@needs_operators
@pytest.mark.parametrize("shape", [(1, 64, 96), (3, 96, 64), (2, 160, 160)])
def test_the_same_function(network, shape):
    batch, height, width = shape
    images = torch.rand(batch, height, width, 3).permute(0, 3, 1, 2)
    fused = fuse(network).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected, found = fused(images), pack(fuse(network).to(memory_format=torch.channels_last))(images)
        plain = pack(fuse(network))(images.contiguous())
    for a, b, c in zip(expected, found, plain):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(c, a, rtol=1e-4, atol=1e-4)


@needs_operators
@pytest.mark.parametrize("shape", [(1, 8, 1, 1), (2, 8, 1, 5), (1, 8, 7, 2), (3, 8, 12, 16)])
def test_prototypes_from_the_coarse_grid_are_the_same_at_the_border_too(shape):
    torch.manual_seed(1)
    plain = Prototypes(8, 24)
    for conv in (plain.cv1, plain.cv2, plain.cv3):  # as `fuse` leaves them
        conv.conv.bias = torch.nn.Parameter(torch.randn(conv.conv.out_channels))
        conv.bn = torch.nn.Identity()
    torch.nn.init.normal_(plain.upsample.bias)
    x = torch.randn(shape)
    with torch.inference_mode():
        expected = plain(x)
        for layout in (torch.channels_last, torch.contiguous_format):
            found = PackedPrototypes(plain)(x.contiguous(memory_format=layout))
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@needs_operators
def test_every_convolution_but_the_bins_and_the_upsampling_is_packed(network):
    whole = pack(fuse(network))
    count = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    assert sum(isinstance(module, PackedConv) for module in whole.modules()) == count - 1
    assert not any(isinstance(module, PackedConv) for module in network.modules())


def test_without_the_operators_the_network_stays(network, monkeypatch):
    monkeypatch.setattr(packed, "available", lambda: False)
    fused = fuse(network)
    assert pack(fused) is fused and not any(isinstance(module, PackedConv) for module in fused.modules())


def test_the_facade_packs_on_a_processor_and_packs_again_after_a_change():
    model = YOLO("toybox-n")
    images = torch.rand(1, 3, 64, 64)
    before = model._forward("cpu")(images)[1]
    assert (
        any(isinstance(module, PackedConv) for module in model._inference_cache.model.modules()) == packed.available()
    )
    with torch.no_grad():
        model.network.state_dict()["model.23.proto.cv3.bn.bias"].add_(1)
    after = model._forward("cpu")(images)[1]
    assert (after - before).abs().max() > 0.1
    assert model._forward("cpu", torch.float16) is not None, "half precision takes the plain layout"
    assert not any(isinstance(module, PackedConv) for module in model._inference_cache.model.modules())
