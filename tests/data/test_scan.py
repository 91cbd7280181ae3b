"""The scan of a split, and what of it is remembered."""

import errno
import os

import pytest

from seglab.data.dataset import SegmentationDataset
from seglab.errors import SeglabError

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


def test_a_disk_that_fails_decides_nothing(make_shelf, monkeypatch, tmp_path):
    """An image that cannot be read today is not left out for good, nor its labels taken for none."""
    from seglab.data import scan as module

    monkeypatch.setattr(module, "MIN_CACHED", 4)
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    spec = make_shelf()

    def fail(image, reading):
        try:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        except OSError as error:
            raise SeglabError(f"cannot read image {image}") from error

    with monkeypatch.context() as patch:
        patch.setattr(module, "look_at", fail)
        with pytest.raises(SeglabError, match=r"cannot be read now .*check the disk"):
            SegmentationDataset(spec, "train", 64)
    assert all(SegmentationDataset(spec, "train", 64).image_sizes)
