"""The scan of a split, and what of it is remembered."""

import numpy as np
import pytest

from seglab.data.dataset import SegmentationDataset


def equal(a, b):
    return all(np.array_equal(a[key], b[key]) for key in ("image", "classes", "boxes", "masks"))


def damage(spec):
    images, labels = spec.root / "images/train", spec.root / "labels/train"
    (labels / "0.txt").write_text("0 0.1 0.1 0.2\n5 0.1 0.2 0.5 0.2 0.5 0.6\n1 0.1 0.2 0.5 0.2 0.5 0.6\n")
    (images / "1.png").write_bytes((images / "1.png").read_bytes()[:200])
    (images / "2.png").write_text("no image")
    (labels / "3.txt").unlink()
    (labels / "4.txt").write_text("")


def test_a_large_dataset_is_looked_through_once(make_shelf, tmp_path, monkeypatch, capsys):
    from seglab.data import scan as module

    monkeypatch.setattr(module, "MIN_CACHED", 4)
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    spec = make_shelf()
    damage(spec)
    first = SegmentationDataset(spec, "train", 64)
    monkeypatch.setattr(module, "image_size", None)  # a second look would fail
    second = SegmentationDataset(spec, "train", 64)
    assert second.problems == first.problems and second.image_sizes == first.image_sizes
    assert equal(first[1], second[1])
    (spec.root / "labels/train/5.txt").write_text("0 0.1 0.1 0.5 0.5 0.1 0.5")
    with pytest.raises(TypeError):
        SegmentationDataset(spec, "train", 64)
