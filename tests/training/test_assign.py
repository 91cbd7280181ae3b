"""Assignment against a slow, literal reading of its definition, and what follows from it."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seglab.geometry.boxes import complete_iou
from seglab.model.head import anchor_points
from seglab.training.assign import POINTS_PER_INSTANCE, Assignment, assign, plain_assign

HEIGHT, WIDTH, CLASSES = 96, 160, 3
POINTS, STRIDES = anchor_points(HEIGHT, WIDTH)
A = len(POINTS)


def random_case(seed: int, images: int, instances: int, largest: float) -> tuple[Tensor, ...]:
    """Predictions near the ground truth and instances of up to `largest` pixels, in the order `assign` takes them."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    center = uniform(instances, 2) * torch.tensor([WIDTH, HEIGHT])
    side = 1 + uniform(instances, 2) * (largest - 1)
    boxes = torch.cat((center - side / 2, center + side / 2), dim=1)
    image_index = (uniform(instances) * images).long().sort().values
    classes = (uniform(instances) * CLASSES).long()
    reach = uniform(images, A, 4) * 5 * STRIDES
    predicted = torch.cat((POINTS - reach[..., :2], POINTS + reach[..., 2:]), dim=-1)
    logits = torch.randn(images, CLASSES, A, generator=generator)
    return logits, predicted, POINTS, classes, boxes, image_index


def slow_assign(logits, predicted, points, classes, boxes, image_index) -> Assignment:
    """One image, one instance, one point at a time."""
    batch = len(logits)
    owner, scores = torch.full((batch, A), -1), torch.zeros(batch, A)
    for image in range(batch):
        rows = (image_index == image).nonzero()[:, 0].tolist()
        if not rows:
            continue
        overlap, alignment = torch.zeros(len(rows), A), torch.zeros(len(rows), A)
        for k, row in enumerate(rows):
            center = (boxes[row, :2] + boxes[row, 2:]) / 2
            half = (boxes[row, 2:] - boxes[row, :2]).clamp(min=16) / 2
            inside = ((points - center).abs() < half).all(dim=1)
            overlap[k] = complete_iou(boxes[row].expand(A, 4), predicted[image]).clamp(min=0) * inside
            alignment[k] = logits[image, classes[row]].sigmoid() ** 0.5 * overlap[k] ** 6
        chosen = torch.zeros(len(rows), A, dtype=torch.bool)
        for k in range(len(rows)):
            best = alignment[k].argsort(descending=True)[:POINTS_PER_INSTANCE]
            chosen[k, best] = alignment[k, best] > 0
        for anchor in range(A):
            if chosen[:, anchor].sum() > 1:
                winner = overlap[:, anchor].argmax()
                chosen[:, anchor] = False
                chosen[winner, anchor] = True
        for k, anchor in chosen.nonzero().tolist():
            owner[image, anchor] = rows[k]
            mine = chosen[k]
            best = alignment[k, mine].max() + 1e-9
            scores[image, anchor] = alignment[k, anchor] / best * overlap[k, mine].max()
    return Assignment(owner, scores)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(0, 12), st.sampled_from([1.0, 12.0, 60.0, 150.0]))
def test_equals_the_definition(seed, images, instances, largest):
    case = random_case(seed, images, instances, largest)
    expected = slow_assign(*case)
    for found in (assign(*case), plain_assign(*case)):
        useful = found.scores > 1e-6  # points without any alignment teach nothing and may be chosen or not
        assert torch.equal(found.instance_index[useful], expected.instance_index[useful])
        torch.testing.assert_close(found.scores, expected.scores, atol=2e-5, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_batch_equals_its_images_one_by_one(seed):
    logits, predicted, points, classes, boxes, image_index = random_case(seed, 3, 9, 60)
    together = assign(logits, predicted, points, classes, boxes, image_index)
    for image in range(3):
        rows = (image_index == image).nonzero()[:, 0]
        alone = assign(
            logits[image : image + 1], predicted[image : image + 1], points, classes[rows], boxes[rows], rows * 0
        )
        expected = torch.where(alone.instance_index >= 0, alone.instance_index + (image_index < image).sum(), -1)
        assert torch.equal(together.instance_index[image], expected[0])
        torch.testing.assert_close(together.scores[image], alone.scores[0], atol=1e-7, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_scores_are_the_best_overlap_at_most_and_only_at_points_inside(seed):
    case = random_case(seed, 2, 10, 80)
    _, predicted, points, _, boxes, image_index = case
    found = assign(*case)
    image, anchor = (found.instance_index >= 0).nonzero(as_tuple=True)
    owner = found.instance_index[image, anchor]
    assert torch.equal(image_index[owner], image)
    overlap = complete_iou(boxes[owner], predicted[image, anchor]).clamp(min=0)
    for row in owner.unique():
        best, score = overlap[owner == row].max(), found.scores[image, anchor][owner == row].max()
        assert score <= best * (1 + 1e-5)
        if best > 0.2:  # far above the guard against division by zero
            torch.testing.assert_close(score, best, atol=0, rtol=1e-3)
    useful = found.scores[image, anchor] > 0
    widened = torch.maximum((boxes[owner, 2:] - boxes[owner, :2]) / 2, torch.tensor(8.0))
    offset = (points[anchor] - (boxes[owner, :2] + boxes[owner, 2:]) / 2).abs()
    assert (offset < widened)[useful].all()
    assert (found.scores[found.instance_index < 0] == 0).all()


def test_one_pixel_instance_finds_points_of_two_strides():
    logits, predicted, points, *_ = random_case(0, 1, 0, 1)
    box = torch.tensor([[70.3, 40.2, 71.3, 41.2]])
    reach = 0.7 * STRIDES
    predicted = torch.cat((points - reach, points + reach), dim=1)[None]
    found = assign(logits, predicted, points, torch.tensor([1]), box, torch.tensor([0]))
    near = (points - (box[0, :2] + box[0, 2:]) / 2).abs().amax(dim=1) < 8
    assert near.sum() == 5  # four of stride 8 and one of stride 16
    positive = found.instance_index[0] == 0
    assert positive.any() and not positive[~near].any()


def test_contested_point_goes_to_the_larger_overlap():
    boxes = torch.tensor([[20.0, 20.0, 60.0, 60.0], [30.0, 30.0, 70.0, 70.0]])
    contested = int((POINTS - 44).abs().sum(dim=1).argmin())
    predicted = torch.tensor([900.0, 900.0, 910.0, 910.0]).repeat(1, A, 1)
    predicted[0, contested] = torch.tensor([28.0, 28.0, 68.0, 68.0])
    found = assign(torch.zeros(1, 1, A), predicted, POINTS, torch.tensor([0, 0]), boxes, torch.tensor([0, 0]))
    assert found.instance_index[0, contested] == 1
    assert found.instance_index[0].max() == 1 and (found.scores > 0).sum() == 1


def test_nothing_to_learn():
    logits, predicted, points, classes, boxes, image_index = random_case(1, 2, 0, 10)
    for function in (assign, plain_assign):
        found = function(logits, predicted, points, classes, boxes, image_index)
        assert found.instance_index.shape == found.scores.shape == (2, A)
        assert (found.instance_index == -1).all() and (found.scores == 0).all()


def test_diverged_predictions_are_survived_and_show():
    logits, predicted, points, classes, boxes, image_index = random_case(2, 2, 8, 60)
    found = assign(logits * torch.nan, predicted * torch.nan, points, classes, boxes, image_index)
    assert found.instance_index.max() < len(boxes)
    assert found.scores.isnan().any()


def test_carries_no_gradient():
    logits, predicted, *rest = random_case(3, 1, 4, 60)
    found = assign(logits.requires_grad_(), predicted.requires_grad_(), *rest)
    assert not found.scores.requires_grad
