"""A network of several classes, measured as if they were one."""

from __future__ import annotations

import torch
from torch import Tensor

from seglab.inference.predictor import Forward


def as_one_class(forward: Forward) -> Forward:
    """A forward whose predictions have one score, the highest of all classes: (B, 4 + C + 32, A) -> (B, 4 + 1 + 32, A).

    NMS then knows one class only, so that two detections of an instance under two names are one.
    """

    def one_class(images: Tensor) -> tuple[Tensor, Tensor]:
        predictions, prototypes = forward(images)
        boxes = predictions[:, :4]
        rest = predictions[:, 4:]
        scores, coefficients = rest.split((rest.shape[1] - prototypes.shape[1], prototypes.shape[1]), dim=1)
        highest = scores.amax(dim=1, keepdim=True)
        return torch.cat((boxes, highest, coefficients), dim=1), prototypes

    return one_class
