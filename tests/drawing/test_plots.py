"""Plots give images and say what is wrong with their input."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seglab.drawing import plots


def is_image(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and len(np.unique(array)) > 5


def test_training_curves(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text(
        "epoch, time,train/box_loss,val/box_loss,metrics/mAP50(M),lr/pg0\n1,2,3.0,3.5,0.1,0.01\n2,4,2.0,nan,,0.005\n"
    )
    assert is_image(plots.training_curves(path))
    path.write_text("epoch,time\n")
    with pytest.raises(ValueError, match=r"results\.csv"):
        plots.training_curves(path)


@pytest.mark.parametrize("classes", [1, 3, 80])
def test_class_curves_and_confusion(classes):
    x = np.linspace(0, 1, 101)
    y = np.stack([1 - x ** (k + 1) for k in range(classes)])
    names = [f"class {k}" for k in range(classes)]
    assert is_image(plots.curves(x, y, names, "F1", "confidence", "F1"))
    counts = np.random.default_rng(0).poisson(1, (classes + 1, classes + 1))
    assert is_image(plots.confusion(counts, names))
    assert is_image(plots.confusion(np.eye(classes + 1), names))
    assert (plots.confusion(counts, names) != plots.confusion(counts, names, normalize=True)).any()


def test_names_of_classes_are_words_and_no_formulas():
    names = ["$\\frac{$", "$x^2$", "price in $"]
    x = np.linspace(0, 1, 11)
    assert is_image(plots.curves(x, np.stack([x, x**2, x**3]), names, "F1", "confidence", "F1"))
    assert is_image(plots.confusion(np.eye(4), names))
    assert is_image(plots.label_statistics(np.arange(3), np.full((3, 4), 0.3), names))


@pytest.mark.parametrize("count", [0, 1, 50])
def test_label_statistics(count):
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0.1, 0.5, (count, 4))
    assert is_image(plots.label_statistics(rng.integers(0, 3, count), boxes, ["a", "b", "c"]))


def test_contact_sheet_places_images():
    images = [np.full((40, 80, 3), 10, np.uint8), np.full((80, 40, 3), 90, np.uint8), np.full((8, 8, 3), 170, np.uint8)]
    sheet = plots.contact_sheet(images, columns=2, cell=80)
    assert sheet.shape == (80 + 80 + 3 * 4, 2 * 84 + 4, 3)
    for level, pixels in ((10, 40 * 80), (90, 80 * 40), (170, 80 * 80)):
        assert (sheet == level).all(axis=-1).sum() == pixels
    titled = plots.contact_sheet(images, ["a", "a title longer than its image is wide, by far", "c"], 2, 80)
    assert titled.shape[0] == sheet.shape[0] + 2 * 18 and titled.shape[1] == sheet.shape[1]
    with pytest.raises(ValueError, match="at least one"):
        plots.contact_sheet([])


def test_batch_mosaic():
    masks = torch.zeros(2, 16, 16)
    masks[0, 4:12, 4:12] = masks[1, :3, :3] = 1
    batch = {
        "images": torch.randint(0, 255, (3, 3, 64, 64), dtype=torch.uint8),
        "classes": torch.tensor([0, 1]),
        "boxes": torch.tensor([[16.0, 16, 48, 48], [0, 0, 12, 12]]),
        "image_index": torch.tensor([0, 2]),
        "masks": masks.half(),
    }
    mosaic = plots.batch_mosaic(batch, ["a", "b"])
    assert is_image(mosaic)
    untouched = batch["images"][1].permute(1, 2, 0).numpy()
    side = 64 + 4
    assert np.array_equal(mosaic[4:68, 4 + side : 68 + side], untouched)
