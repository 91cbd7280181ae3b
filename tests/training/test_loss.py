"""Each loss term against its definition written out plainly, and the whole on batches that are hard to normalise."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seglab.model.head import RawOutput, anchor_points, boxes_from_distribution
from seglab.training import loss as loss_module
from seglab.training.loss import (
    TERMS,
    LossGains,
    box_loss,
    class_loss,
    distribution_loss,
    label_loss,
    mask_loss,
    plain_mask_loss,
    segmentation_loss,
)

HEIGHT, WIDTH, CLASSES = 64, 96, 3
POINTS, STRIDES = anchor_points(HEIGHT, WIDTH)


def random_batch(seed: int, objects_per_image: list[int]) -> tuple[RawOutput, dict]:
    """Raw outputs that ask for gradients, and a batch with that many objects in each image."""
    generator = torch.Generator().manual_seed(seed)
    images, instances = len(objects_per_image), sum(objects_per_image)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).requires_grad_()

    corners = torch.rand(instances, 2, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT])
    batch = {
        "classes": torch.randint(CLASSES, (instances,), generator=generator),
        "boxes": torch.cat((corners.amin(dim=1), corners.amax(dim=1) + 1), dim=1),
        "image_index": torch.arange(images).repeat_interleave(torch.tensor(objects_per_image)),
        "masks": torch.rand(instances, HEIGHT // 4, WIDTH // 4, generator=generator).half(),
    }
    raw = RawOutput(
        normal(images, 64, len(POINTS)),
        normal(images, CLASSES, len(POINTS)),
        normal(images, 32, len(POINTS)),
        normal(images, 32, HEIGHT // 4, WIDTH // 4),
    )
    return raw, batch


def mask_case(seed: int, instances: int, positives: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, ...]]:
    """(prototypes, coefficients) in float64 that ask for gradients, and the rest of mask_loss' arguments."""
    raw, batch = random_batch(seed, [instances, 0, instances])
    generator = torch.Generator().manual_seed(seed)
    instance = torch.randint(max(2 * instances, 1), (positives,), generator=generator)
    coefficients = torch.randn(positives, 32, generator=generator, dtype=torch.float64).requires_grad_()
    prototypes = raw.prototypes.detach().double().requires_grad_()
    return (prototypes, coefficients), (batch["masks"], batch["boxes"].double(), batch["image_index"], instance)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 40), st.sampled_from([1, 1000, 1 << 15]))
def test_mask_loss_and_gradient_equal_the_plain_ones(seed, instances, positives, at_once):
    leaves, rest = mask_case(seed, instances, positives)
    with pytest.MonkeyPatch.context() as patch:  # however the windows are grouped
        patch.setattr(loss_module, "PIXELS_AT_ONCE", at_once)
        value = mask_loss(*leaves, *rest)
    expected = plain_mask_loss(*leaves, *rest)
    torch.testing.assert_close(value, expected)
    for found, wanted in zip(torch.autograd.grad(3 * value, leaves), torch.autograd.grad(3 * expected, leaves)):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("at_once", [1, 1 << 14])
@pytest.mark.parametrize("finer", [2, 4])
def test_finer_masks_ask_for_what_prediction_will_enlarge(finer, at_once, monkeypatch):
    """mask_loss on finer masks equals the plain one on logits that are enlarged first, and so do its gradients."""
    monkeypatch.setattr(loss_module, "PIXELS_AT_ONCE", at_once)
    leaves, (masks, boxes, image_index, instance) = mask_case(7, 3, 20)
    prototypes, coefficients = leaves
    masks = torch.rand(len(masks), finer * HEIGHT // 4, finer * WIDTH // 4, generator=torch.Generator().manual_seed(1))
    value = mask_loss(prototypes, coefficients, masks, boxes, image_index, instance)
    logits = torch.einsum("pk,pkhw->phw", coefficients, prototypes[image_index[instance]])
    logits = F.interpolate(logits[None], size=masks.shape[1:], mode="bilinear", align_corners=False)[0]  # (P, nh, nw)
    one_each = torch.arange(len(instance))
    identity = torch.eye(len(instance), dtype=torch.float64)
    expected = plain_mask_loss(
        logits[None], identity, masks[instance], finer * boxes[instance], torch.zeros_like(one_each), one_each
    )
    torch.testing.assert_close(plain_mask_loss(*leaves, masks, boxes, image_index, instance), expected)
    torch.testing.assert_close(value, expected)
    for found, wanted in zip(torch.autograd.grad(value, leaves), torch.autograd.grad(expected, leaves)):
        torch.testing.assert_close(found, wanted)


def test_mask_loss_gradient_is_its_slope():
    (prototypes, coefficients), rest = mask_case(5, 2, 4)
    prototypes = prototypes.detach()[:, :, ::4, ::4].contiguous().requires_grad_()
    masks, boxes, *indices = rest
    small = (masks[:, ::4, ::4], boxes / 4, *indices)
    assert torch.autograd.gradcheck(lambda p, c: mask_loss(p, c, *small), (prototypes, coefficients), fast_mode=True)


def test_mask_loss_of_a_box_without_a_pixel_is_zero():
    (prototypes, coefficients), (masks, boxes, image_index, instance) = mask_case(1, 1, 3)
    tiny = torch.tensor([[4.5, 4.5, 5.5, 5.5]]).double().expand_as(boxes)
    empty = torch.tensor([[8.0, 8.0, 8.0, 8.0]]).double().expand_as(boxes)
    for box in (tiny, empty):
        assert mask_loss(prototypes, coefficients, masks, box, image_index, instance) == 0


def test_mask_loss_is_least_at_the_soft_target():
    masks = torch.full((1, 16, 24), 0.25)
    prototypes = torch.ones(1, 32, 16, 24)
    box, zero = torch.tensor([[0.0, 0.0, 96.0, 64.0]]), torch.tensor([0])
    at = [
        mask_loss(prototypes, torch.full((1, 32), logit / 32), masks, box, zero, zero)
        for logit in (-1.2, torch.tensor(0.25).logit().item(), -1.0)
    ]
    assert at[1] < min(at[0], at[2])
    torch.testing.assert_close(at[1], -(0.25 * torch.tensor(0.25).log() + 0.75 * torch.tensor(0.75).log()))


def test_silent_classes_count_at_positives_only():
    logits = torch.randn(2, CLASSES, 10, dtype=torch.float64)
    image, classes, anchor = torch.tensor([0, 1]), torch.tensor([2, 0]), torch.tensor([3, 9])
    scores = torch.tensor([0.9, 0.5], dtype=torch.float64)
    counted = torch.ones_like(logits)
    counted[:, 0] = 0  # the silent class
    counted[image, 0, anchor] = 1
    target = torch.zeros_like(logits)
    target[image, classes, anchor] = scores
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    torch.testing.assert_close(
        class_loss(logits, image, classes, anchor, scores, silent=torch.arange(CLASSES) == 0), (entropy * counted).sum()
    )


def test_class_loss_equals_the_dense_one():
    logits = torch.randn(2, CLASSES, 10, dtype=torch.float64) * 8
    image, classes, anchor = torch.tensor([0, 0, 1]), torch.tensor([2, 0, 1]), torch.tensor([3, 4, 9])
    scores = torch.tensor([0.9, 0.1, 0.5], dtype=torch.float64)
    target = torch.zeros_like(logits)
    target[image, classes, anchor] = scores
    torch.testing.assert_close(
        class_loss(logits, image, classes, anchor, scores),
        F.binary_cross_entropy_with_logits(logits, target, reduction="sum"),
    )


def test_perfect_boxes_cost_nothing_and_bins_only_their_entropy():
    points, strides = torch.tensor([[100.0, 100.0]]), torch.tensor([[8.0]])
    distances = torch.tensor([3.25, 2.5, 4.0, 1.75])
    box = torch.cat((points - distances[:2] * 8, points + distances[2:] * 8), dim=1)
    share = distances - distances.floor()
    probabilities = torch.full((4, 16), 1e-12)
    probabilities[range(4), distances.long()] = (1 - share).clamp(min=1e-12)
    probabilities[range(4), distances.long() + 1] = share.clamp(min=1e-12)
    logits = probabilities.log().view(1, 64).requires_grad_()
    score = torch.tensor([0.5])
    entropy = -(torch.xlogy(share, share) + torch.xlogy(1 - share, 1 - share)).mean()

    assert box_loss(logits, points, strides, box, score) < 1e-5
    cost = distribution_loss(logits, points, strides, box, score)
    torch.testing.assert_close(cost, 0.5 * entropy)
    (gradient,) = torch.autograd.grad(cost, logits)
    assert gradient.abs().max() < 1e-6  # the least possible


def test_distances_beyond_the_last_bin_ask_for_the_last_bins():
    logits = torch.zeros(1, 64, requires_grad=True)
    box = torch.tensor([[-1000.0, -1000.0, 1000.0, 1000.0]])
    cost = distribution_loss(logits, torch.zeros(1, 2), torch.full((1, 1), 8.0), box, torch.ones(1))
    (gradient,) = torch.autograd.grad(cost, logits)
    assert (gradient.view(4, 16).argmin(dim=1) == 15).all()


@pytest.mark.parametrize("instances", [[0], [0, 0], [3, 0, 1], [12]])
def test_total_is_finite_and_every_output_gets_a_gradient(instances):
    raw, batch = random_batch(0, instances)
    total, terms = segmentation_loss(raw, batch, LossGains())
    total.backward()
    assert list(terms) == list(TERMS)
    assert all(value.shape == () and not value.requires_grad for value in terms.values())
    torch.testing.assert_close(total.detach(), sum(terms.values()) * len(instances))
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for tensor in raw)
    if not sum(instances):
        assert terms["box"] == terms["seg"] == terms["dfl"] == 0 < terms["cls"]


def test_gains_weigh_their_terms():
    raw, batch = random_batch(1, [4, 2])
    one = segmentation_loss(raw, batch, LossGains(1, 1, 1))[1]
    weighted = segmentation_loss(raw, batch, LossGains(2, 3, 5))[1]
    for name, gain in {"box": 2.0, "seg": 2.0, "cls": 3.0, "dfl": 5.0}.items():
        torch.testing.assert_close(weighted[name], one[name] * gain)
    assert weighted.keys() == one.keys()


def test_gains_are_taken_from_training_arguments():
    assert LossGains.from_arguments({"box": 1.0, "dfl": 2.0, "epochs": 3}) == LossGains(box=1.0, dfl=2.0)


def test_autocast_changes_nothing():
    raw, batch = random_batch(2, [4, 2])
    half = RawOutput(*(tensor.detach().bfloat16() for tensor in raw))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, _ = segmentation_loss(half, batch, LossGains())
    expected, _ = segmentation_loss(RawOutput(*(tensor.float() for tensor in half)), batch, LossGains())
    assert total.dtype == torch.float32 and total == expected


def test_a_better_prediction_costs_less_in_every_term():
    gains = LossGains(**dict.fromkeys((field.name for field in fields(LossGains)), 1.0))  # of optional terms too
    raw, batch = random_batch(3, [1])
    batch["boxes"] = torch.tensor([[16.0, 16.0, 64.0, 48.0]])
    batch["masks"] = torch.ones(1, HEIGHT // 4, WIDTH // 4)
    before = segmentation_loss(raw, batch, gains)[1]
    distances = torch.cat((POINTS - batch["boxes"][:, :2], batch["boxes"][:, 2:] - POINTS), dim=1) / STRIDES  # (A, 4)
    bins = -8 * (torch.arange(16) - distances.clamp(0, 15)[..., None]).abs()  # (A, 4, 16)
    boxes = bins.reshape(len(POINTS), 64).T[None].contiguous()
    inside = ((POINTS > batch["boxes"][0, :2]) & (POINTS < batch["boxes"][0, 2:])).all(dim=1)
    classes = torch.full_like(raw.classes, -9.0)
    classes[0, batch["classes"][0], inside] = 2.0
    good = RawOutput(boxes, classes, torch.ones_like(raw.coefficients), torch.ones_like(raw.prototypes))
    decoded = boxes_from_distribution(boxes, POINTS, STRIDES)[0, inside]
    torch.testing.assert_close(decoded, batch["boxes"].expand_as(decoded), atol=0.5, rtol=0)
    after = segmentation_loss(good, batch, gains)[1]
    assert all(after[name] < before[name] for name in before)


def test_masks_of_another_resolution_are_refused():
    raw, batch = random_batch(4, [2])
    batch["masks"] = batch["masks"][:, ::2, ::2]
    with pytest.raises(ValueError, match="1/4"):
        segmentation_loss(raw, batch, LossGains())


PROCESS = """
import sys, torch
from torch import distributed
from seglab.model.head import RawOutput
from seglab.training.loss import LossGains, segmentation_loss

folder, rank = sys.argv[1], int(sys.argv[2])
distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
raw, batch = torch.load(f"{folder}/{rank}.pt", weights_only=True)
raw = RawOutput(*(tensor.requires_grad_() for tensor in raw))
total, terms = segmentation_loss(raw, batch, LossGains())
total.backward()
with torch.no_grad():
    alone = segmentation_loss(raw, batch, LossGains())[0] if rank == 0 else None  # must not wait for the other
torch.save(([tensor.grad for tensor in raw], terms), f"{folder}/{rank}.result.pt")
distributed.destroy_process_group()
"""


def test_two_processes_give_the_gradient_of_one(tmp_path):
    """Halves as unlike as can be: one of two images full of objects, the other of one image without any."""
    raw, batch = random_batch(6, [7, 4, 0])
    total, terms = segmentation_loss(raw, batch, LossGains())
    total.backward()

    for rank, images in enumerate((slice(0, 2), slice(2, 3))):
        rows = (batch["image_index"] >= images.start) & (batch["image_index"] < images.stop)
        part = {name: values[rows] for name, values in batch.items()}
        part["image_index"] = part["image_index"] - images.start
        torch.save(([tensor.detach()[images].clone() for tensor in raw], part), tmp_path / f"{rank}.pt")
    command, environment = [sys.executable, "-c", PROCESS, str(tmp_path)], {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [subprocess.Popen([*command, str(rank)], env=environment) for rank in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]

    results = [torch.load(tmp_path / f"{rank}.result.pt", weights_only=True) for rank in range(2)]
    for k, tensor in enumerate(raw):
        averaged = torch.cat([gradients[k] for gradients, _ in results]) / 2  # what DistributedDataParallel does
        torch.testing.assert_close(averaged, tensor.grad)
    for name, value in terms.items():
        torch.testing.assert_close((results[0][1][name] + results[1][1][name]) / 2, value)


def test_a_region_to_ignore_is_neither_positive_nor_background():
    """No score in it is pushed down; outside it, and at points assigned to an instance, nothing changes."""
    raw, batch = random_batch(3, [3, 2])
    _, plain = segmentation_loss(raw, batch, LossGains())
    total, _ = segmentation_loss(raw, batch, LossGains())
    everywhere = torch.autograd.grad(total, raw.classes, retain_graph=True)[0]  # (B, C, A)

    ignored = torch.zeros(2, HEIGHT // 4, WIDTH // 4, dtype=torch.bool)
    ignored[0, :, : WIDTH // 8] = True  # the left half of the first image
    total, terms, assigned = label_loss(raw, batch | {"ignored": ignored}, LossGains())
    around = torch.autograd.grad(total, raw.classes)[0]
    in_region = torch.zeros(2, len(POINTS), dtype=torch.bool)
    in_region[0] = POINTS[:, 0] < WIDTH / 2
    silenced = in_region & ~assigned
    assert silenced.any() and (assigned & in_region).any()
    assert not around.transpose(1, 2)[silenced].any() and everywhere.transpose(1, 2)[silenced].all()
    torch.testing.assert_close(around.transpose(1, 2)[~silenced], everywhere.transpose(1, 2)[~silenced])
    assert terms["cls"] < plain["cls"] and all(terms[name] == plain[name] for name in ("box", "seg", "dfl"))
