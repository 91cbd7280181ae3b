"""The scan of a split, and what of it is remembered."""

import pytest

from seglab.data.dataset import SegmentationDataset

from ..items import damage, equal


def test_a_large_dataset_is_looked_through_once(make_shelf, tmp_path, monkeypatch, capsys):
    from seglab.data import scan as module

    monkeypatch.setattr(module, "MIN_CACHED", 4)
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    spec = make_shelf()
    damage(spec)
    first = SegmentationDataset(spec, "train", 64)
    monkeypatch.setattr(module, "look_at", None)  # a second look would fail
    second = SegmentationDataset(spec, "train", 64)
    assert second.issues == first.issues and second.image_sizes == first.image_sizes
    assert equal(first[1], second[1])
    (spec.root / "labels/train/5.txt").write_text("0 0.1 0.1 0.5 0.5 0.1 0.5")
    with pytest.raises(TypeError):
        SegmentationDataset(spec, "train", 64)
