"""Test-time augmentation: what several views see, in one frame."""

from __future__ import annotations

import torch

from seglab.inference.augmented import VIEWS, View, augmented


def test_two_views_are_put_into_one_frame():
    """A forward that finds one box per image at a place it was told, seen straight and mirrored."""
    assert VIEWS == (View(1.0), View(1.0, mirrored=True))

    def forward(batch):
        bright = batch[:, 0].flatten(1).argmax(dim=1)  # the brightest pixel is the object
        x, y = bright % batch.shape[3] + 0.5, bright // batch.shape[3] + 0.5
        predictions = torch.zeros(len(batch), 4 + 2 + 32, 1)
        predictions[:, :4, 0] = torch.stack((x, y, torch.full_like(x, 8.0), torch.full_like(x, 8.0)), dim=1)
        predictions[:, 4] = 0.9
        predictions[:, 6] = 1.0
        return predictions, batch[:, :1, 2::4, 2::4].expand(-1, 32, -1, -1)

    batch = torch.zeros(1, 3, 64, 96)
    batch[0, :, 22, 14] = 1.0
    predictions, prototypes = augmented(forward)(batch)
    assert predictions.shape == (1, 4 + 2 + 64, 2) and prototypes.shape == (1, 64, 16, 24)
    assert torch.allclose(predictions[0, :4, 0], torch.tensor([14.5, 22.5, 8.0, 8.0]))
    assert torch.allclose(predictions[0, :4, 1], predictions[0, :4, 0])  # the mirrored view found it at the same place
    assert predictions[0, 6:38, 0].any() and not predictions[0, 38:, 0].any()  # each has its own view's coefficients
    assert not predictions[0, 6:38, 1].any() and predictions[0, 38:, 1].any()
    mirrored = augmented(forward)(batch.flip(3))[1]
    assert torch.allclose(mirrored[:, 32:].flip(3), forward(batch)[1])


def test_a_smaller_view_is_put_into_the_same_frame(monkeypatch):
    """Boxes grow back, and prototypes are read at the same places: here a ramp, which bilinear reading keeps."""
    monkeypatch.setattr("seglab.inference.augmented.VIEWS", (View(1.0), View(0.5, mirrored=True)))

    def forward(batch):
        predictions = torch.zeros(1, 4 + 2 + 32, 1)
        predictions[:, :4, 0] = torch.tensor([8.0, 12.0, 4.0, 6.0])
        ramp = torch.nn.functional.avg_pool2d(batch[:, :1], 4)
        return predictions, ramp.expand(-1, 32, -1, -1)

    batch = torch.linspace(0.2, 0.8, 128).expand(1, 3, 64, 128)
    predictions, prototypes = augmented(forward)(batch)
    assert torch.allclose(predictions[0, :4, 1], torch.tensor([128 - 16.0, 24.0, 8.0, 12.0]))
    inner = slice(2, -2)
    assert torch.allclose(prototypes[:, 32:, :, inner], prototypes[:, :32, :, inner], atol=0.01)
