"""Test-time augmentation: the same image looked at several times, and everything seen of it put together.

Every view is the letterboxed input again, smaller and perhaps mirrored. Its boxes go back into the input's frame, and
so do its prototypes; NMS then keeps the best of what all views found. The prototypes of all views lie behind each
other, and a detection has coefficients for those of its own view and zeros for the rest: so its mask is made of what
its own view saw, and all that comes after the network needs to know nothing of views.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seglab.geometry.letterbox import PADDING_GRAY
from seglab.inference.predictor import Forward
from seglab.model.head import COEFFICIENTS, PROTOTYPE_STRIDE
from seglab.sizes import STRIDE, Size


class View(NamedTuple):
    """One look at the input."""

    scale: float
    mirrored: bool = False


# Smaller views besides were tried: they find no more, and their coarser masks cost a little (docs/LOG.md).
VIEWS = (View(1.0), View(1.0, mirrored=True))


def augmented(forward: Forward) -> Forward:
    """A forward that looks at its images in every view of VIEWS.

    images (B, 3, H, W) -> predictions (B, 4 + C + 32 V, A of all views) and prototypes (B, 32 V, H/4, W/4), V views.
    """

    def looked_at(images: Tensor) -> tuple[Tensor, Tensor]:
        size = (images.shape[2], images.shape[3])
        predictions = []
        prototypes = []
        for number, view in enumerate(VIEWS):
            seen, shown = apply_view(images, view)
            found, own_prototypes = forward(seen)
            found = to_input_frame(found, view, shown, size[1])
            predictions.append(with_own_coefficients(found, number))
            prototypes.append(prototypes_in_input_frame(own_prototypes, view, shown, size))
        return torch.cat(predictions, dim=2), torch.cat(prototypes, dim=1)

    return looked_at


def apply_view(images: Tensor, view: View) -> tuple[Tensor, Size]:
    """Images (B, 3, H, W) as a view sees them, padded to the stride, and the (height, width) that they fill of it."""
    if view.mirrored:
        images = images.flip(3)
    height, width = images.shape[2:]
    shown = (round(height * view.scale), round(width * view.scale))
    if shown == (height, width):
        return images, shown
    smaller = F.interpolate(images, shown, mode="bilinear", align_corners=False)
    below, right = (math.ceil(side / STRIDE) * STRIDE - side for side in shown)
    return F.pad(smaller, (0, right, 0, below), value=PADDING_GRAY / 255), shown


def to_input_frame(predictions: Tensor, view: View, shown: Size, width: int) -> Tensor:
    """Predictions (B, 4 + C + 32, A) of a view with their boxes in the frame of the input, so many pixels wide."""
    boxes = predictions[:, :4] * (width / shown[1])
    rest = predictions[:, 4:]
    if view.mirrored:
        boxes = torch.cat((width - boxes[:, :1], boxes[:, 1:]), dim=1)  # the center's x
    return torch.cat((boxes, rest), dim=1)


def with_own_coefficients(predictions: Tensor, number: int) -> Tensor:
    """Predictions (B, 4 + C + 32, A) of view `number` -> (B, 4 + C + 32 V, A): zeros for the other views."""
    others = torch.zeros_like(predictions[:, -COEFFICIENTS:])
    columns = [others] * len(VIEWS)
    columns[number] = predictions[:, -COEFFICIENTS:]
    return torch.cat((predictions[:, :-COEFFICIENTS], *columns), dim=1)


def prototypes_in_input_frame(prototypes: Tensor, view: View, shown: Size, size: Size) -> Tensor:
    """Prototypes (B, 32, h, w) of a view -> (B, 32, H/4, W/4) of the input of `size`."""
    if shown == size and not view.mirrored:
        return prototypes
    # Without what lies over the padding: the rest are cells of the image, the last ones perhaps in part.
    cells = [side / PROTOTYPE_STRIDE for side in shown]
    target = (size[0] // PROTOTYPE_STRIDE, size[1] // PROTOTYPE_STRIDE)
    y, x = (_sample_positions(count, length, n) for count, length, n in zip(target, cells, prototypes.shape[2:]))
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1).to(prototypes)  # (H/4, W/4, 2) xy in -1..1
    grid = grid.expand(len(prototypes), *grid.shape)
    resampled = F.grid_sample(prototypes, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return resampled.flip(3) if view.mirrored else resampled


def _sample_positions(count: int, length: float, cells: int) -> Tensor:
    """(count,) where the centers of `count` cells over the first `length` of `cells` cells lie, from -1 to 1."""
    centers = (torch.arange(count) + 0.5) * (length / count)
    return 2 * centers / cells - 1
