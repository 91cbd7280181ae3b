"""A network of several classes, measured as one."""

from __future__ import annotations

import torch

from seglab.evaluation.one_class import as_one_class


def test_one_class_has_the_highest_score_of_all():
    predictions, prototypes = torch.rand(2, 4 + 3 + 32, 5), torch.rand(2, 32, 4, 4)
    one, same = as_one_class(lambda images: (predictions, prototypes))(torch.zeros(2, 3, 16, 16))
    assert one.shape == (2, 4 + 1 + 32, 5) and same is prototypes
    assert torch.equal(one[:, 4], predictions[:, 4:7].amax(dim=1)) and torch.equal(one[:, 5:], predictions[:, 7:])
