"""The network against the published figures and against itself."""

from __future__ import annotations

import pytest
import torch

from seglab.errors import SeglabError
from seglab.model.yolo11 import SCALES, YOLO11Seg, architecture_of, count_flops, count_parameters, fuse, parse_name

PARAMETERS = {"n": 2_876_848, "s": 10_113_248, "m": 22_420_896, "l": 27_678_368, "x": 62_142_656}
FLOPS = {"n": 9.7e9, "s": 33.0e9, "m": 113.2e9, "l": 132.2e9, "x": 296.4e9}  # published, at 640


@pytest.mark.parametrize("scale", SCALES)
def test_size_and_work_are_the_published_ones(scale):
    with torch.device("meta"):
        model = YOLO11Seg(scale)
    assert count_parameters(model) == PARAMETERS[scale]
    assert count_flops(model) == pytest.approx(FLOPS[scale], rel=0.02)
    assert architecture_of(model.state_dict()) == (scale, 80, model.class_width)


@pytest.fixture(scope="module")
def model() -> YOLO11Seg:
    torch.manual_seed(0)
    model = YOLO11Seg("n", 7)
    for module in model.modules():  # statistics as after training, so that folding them away means something
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def test_shapes_at_a_size_that_is_not_square(model):
    raw = model(torch.rand(2, 3, 96, 160))
    cells = 12 * 20 + 6 * 10 + 3 * 5
    assert raw.boxes.shape == (2, 64, cells)
    assert raw.classes.shape == (2, 7, cells)
    assert raw.coefficients.shape == (2, 32, cells)
    assert raw.prototypes.shape == (2, 32, 24, 40)


def test_a_size_the_network_cannot_take_is_refused_with_the_way_out(model):
    with pytest.raises(SeglabError, match="multiples of 32"):
        model(torch.rand(1, 3, 100, 96))
    with pytest.raises(SeglabError, match="scale 'q'"):
        YOLO11Seg("q")


def test_a_batch_gives_what_its_images_give_alone(model):
    images = torch.rand(3, 3, 64, 64)
    together, alone = model(images), [model(image[None]) for image in images]
    for i, one in enumerate(alone):
        for part, whole in zip(one, together):
            torch.testing.assert_close(part[0], whole[i], rtol=1e-4, atol=1e-5)


def test_fusing_changes_the_steps_and_not_the_function(model):
    images = torch.rand(1, 3, 64, 96)
    fused = fuse(model)
    for a, b in zip(model(images), fused(images)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fused.modules())
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())  # the original stays trainable


def test_every_parameter_but_the_bin_values_learns():
    model = YOLO11Seg("n", 2)
    sum(part.square().mean() for part in model(torch.rand(2, 3, 64, 64))).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None]
    assert idle == ["model.23.dfl.conv.weight"]


def test_official_names_are_understood_and_others_are_not():
    assert parse_name("yolo11n-seg.yaml") == parse_name("yolo11n-seg.pt") == parse_name("yolo11n-seg") == "n"
    assert parse_name("yolo11n.pt") is None and parse_name("yolo12x-seg.pt") is None
