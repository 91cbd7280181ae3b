"""The blocks compute what they say, compared with the same thing written out plainly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seglab.model.blocks import C2PSA, SPPF, Attention, Bottleneck, C3k, C3k2, Conv, PSABlock, upsample


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("block", "channels"),
    [
        (Conv(6, 8), 8),
        (Bottleneck(6), 6),
        (C3k(6), 6),
        (C3k2(6, 10, depth=2, c3k=False), 10),
        (C3k2(6, 10, depth=1, c3k=True), 10),
        (SPPF(6), 6),
    ],
    ids=lambda value: type(value).__name__,
)
@torch.no_grad()
def test_blocks_keep_the_size_and_set_the_channels(block, channels):
    assert block.eval()(torch.rand(2, 6, 7, 9)).shape == (2, channels, 7, 9)


@torch.no_grad()
def test_a_stride_of_two_halves_the_size():
    assert Conv(3, 4, 3, 2).eval()(torch.rand(1, 3, 32, 64)).shape == (1, 4, 16, 32)


@torch.no_grad()
def test_residual_blocks_without_weights_pass_their_input_on():
    x = torch.rand(1, 128, 4, 4)
    for block in (Bottleneck(128), PSABlock(128)):
        for parameter in block.eval().parameters():
            parameter.zero_()
        assert torch.equal(block(x), x)


@torch.no_grad()
def test_pooling_three_times_sees_windows_of_5_9_and_13():
    block = SPPF(2).eval()
    seen = []
    block.cv1 = torch.nn.Identity()
    block.cv2.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.rand(1, 1, 20, 20)
    block(x)
    for part, window in zip(seen[0][0], (1, 5, 9, 13)):
        assert torch.equal(part, F.max_pool2d(x, window, 1, window // 2)[0, 0])


@torch.no_grad()
def test_attention_is_the_formula_for_every_head():
    heads = 2
    block = Attention(128, heads).eval()
    x = torch.rand(1, 128, 3, 5)
    mixed = []
    for part in block.qkv(x)[0].flatten(1).chunk(heads):  # (2K + V, HW)
        query, key, value = part.split([32, 32, 64])
        weights = torch.softmax(query.T @ key / 32**0.5, dim=1)  # each row: where one position looks
        mixed.append(value @ weights.T)
    mean = torch.cat(mixed).view(1, 128, 3, 5)
    values = torch.cat([part[64:] for part in block.qkv(x)[0].flatten(1).chunk(heads)]).view(1, 128, 3, 5)
    torch.testing.assert_close(block(x), block.proj(mean + block.pe(values)), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_half_of_the_channels_go_round_the_attention():
    block = C2PSA(128, depth=1).eval()
    x = torch.rand(1, 128, 4, 4)
    kept, attended = block.cv1(x).chunk(2, dim=1)
    expected = block.cv2(torch.cat((kept, block.m(attended)), dim=1))
    assert torch.equal(block(x), expected)


def test_upsampling_repeats_every_cell():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert torch.equal(upsample(x), x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
