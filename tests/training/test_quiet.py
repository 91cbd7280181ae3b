"""Steps that surveyed images do not notice, for every kind of convolution the network has."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import seglab.training.quiet as quiet
from seglab.training.quiet import QuietSteps, patches, survey

LAYERS = {
    "plain": lambda: nn.Conv2d(6, 4, 1, bias=False),
    "window": lambda: nn.Conv2d(6, 4, 3, stride=2, padding=1, bias=False),
    "depthwise": lambda: nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False),
    "grouped": lambda: nn.Conv2d(6, 4, 3, padding=1, groups=2, bias=False),
    "transposed": lambda: nn.ConvTranspose2d(6, 4, 2, 2, bias=False),
}


def features(seed=0, images=2, side=8, rank=2):
    """(B, 6, side, side) of which every cell is a mixture of `rank` vectors."""
    draw = torch.Generator().manual_seed(seed)
    cells = torch.randn(images, side, side, rank, generator=draw) @ torch.randn(rank, 6, generator=draw)
    return cells.permute(0, 3, 1, 2)


@pytest.mark.parametrize("kind", LAYERS)
def test_patches_are_what_a_layer_weighs(kind):
    layer, x = LAYERS[kind](), features()
    found = patches(layer, x)  # (G, d, n)
    if kind == "transposed":
        outputs = layer.weight.flatten(1).T @ found[0, :, 0]  # (4 * 4, n): a cell becomes 2 x 2
        expected = layer(x).unfold(2, 2, 2).unfold(3, 2, 2)  # (B, 4, H, W, 2, 2)
        expected = expected.permute(1, 4, 5, 0, 2, 3).reshape(16, -1)
    else:
        flat = found.flatten(1, 2)  # (G, c * t, n)
        outputs = (layer.weight.reshape(len(flat), -1, flat.shape[1]) @ flat).flatten(0, 1)
        expected = layer(x).permute(1, 0, 2, 3).flatten(1)
    assert torch.allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_quiet_step_is_the_shortest_compromise(kind):
    """It minimises |T - S|^2 + E|T x|^2 / f: no step nearby does better."""
    torch.manual_seed(0)
    network, x = nn.Sequential(LAYERS[kind]()), features()
    steps = QuietSteps(network, [x])
    channels, cells = (found.double() for found in survey(network, {"0": network[0]}, [x])["0"])
    total = channels.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None]
    C = torch.stack([torch.kron(*factors) for factors in zip(channels, cells)]) / total  # (G, c * t, c * t)
    f = quiet.SOFTNESS * C.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    wanted = torch.randn(network[0].weight.shape)
    got = steps.bent("0.weight", wanted)

    def matrix(step):
        if kind == "transposed":
            return step.flatten(1).T[None].double()
        return step.reshape(len(C), -1, C.shape[1]).double()

    def cost(step):
        T, S = matrix(step), matrix(wanted)
        seen = (T @ C @ T.transpose(1, 2)).diagonal(dim1=1, dim2=2).sum(dim=1) / f.flatten()
        return ((T - S).square().sum(dim=(1, 2)) + seen).sum()

    assert cost(got) < cost(wanted)
    for seed in range(5):
        other = got + 1e-2 * torch.randn(got.shape, generator=torch.Generator().manual_seed(seed))
        assert cost(got) < cost(other)


@pytest.mark.parametrize("kind", ["plain", "window", "transposed"])
def test_old_images_hardly_notice_and_others_do(kind):
    torch.manual_seed(0)
    layer = LAYERS[kind]()
    network, old, other = nn.Sequential(layer), features(seed=1), features(seed=2)
    steps = QuietSteps(network, [old])
    before, before_other, start = layer(old).detach(), layer(other).detach(), layer.weight.detach().clone()
    with torch.no_grad(), steps.around(network):
        layer.weight += torch.randn(layer.weight.shape)
    moved = layer.weight.detach() - start
    assert moved.norm() > 0.3 * start.norm()
    noticed = (layer(old) - before).norm() / before.norm()
    noticed_other = (layer(other) - before_other).norm() / before_other.norm()
    assert noticed < 0.25 * noticed_other


def test_what_is_no_convolution_or_frozen_stays():
    network = nn.Sequential(nn.Conv2d(6, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)).eval()
    network[2].requires_grad_(False)
    steps = QuietSteps(network, [features()])
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    with torch.no_grad(), steps.around(network):
        for tensor in network.parameters():
            if tensor.requires_grad:
                tensor += 1.0
    changed = {name for name, tensor in network.named_parameters() if not torch.equal(tensor, before[name])}
    assert changed == {"0.weight"}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_survey_sums_what_patches_share(kind):
    """Channels over the cells of a window, and cells over its channels: exact where there is one of either."""
    layer, x = LAYERS[kind](), features()
    channels, cells = survey(nn.Sequential(layer), {"0": layer}, [x[:1], x[1:]])["0"]
    flat = patches(layer, x).flatten(1, 2)  # (G, c * t, n)
    C = (flat @ flat.mT / flat.shape[2]).unflatten(1, (channels.shape[1], -1)).unflatten(3, (channels.shape[1], -1))
    torch.testing.assert_close(channels, torch.einsum("gctdt->gcd", C))
    torch.testing.assert_close(cells, torch.einsum("gctcu->gtu", C))


def test_inputs_that_are_never_there_are_free():
    layer = nn.Conv2d(6, 4, 1)
    x = features()
    x[:, 3:] = 0
    steps = QuietSteps(nn.Sequential(layer), [x])
    wanted = torch.randn(4, 6, 1, 1)
    found = steps.bent("0.weight", wanted)
    assert torch.allclose(found[:, 3:], wanted[:, 3:], atol=1e-6)
    assert found[:, :3].norm() < wanted[:, :3].norm()


def test_many_patches_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr(quiet, "POSITIONS", 10)
    layer, x = nn.Conv2d(1, 1, 1), torch.arange(100.0).reshape(1, 1, 10, 10)
    found = patches(layer, x)[0, 0, 0]
    assert found.tolist() == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
