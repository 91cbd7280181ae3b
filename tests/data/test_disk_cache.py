"""Decoded images in files."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from seglab.data.disk_cache import DiskCache
from seglab.errors import SeglabError


def test_an_image_is_decoded_once_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(np.full((4, 6, 3), 7, np.uint8)).save(path)
    cache = DiskCache(tmp_path / "kept")
    first = cache.read(path)
    assert first.shape == (4, 6, 3) and (first == 7).all() and cache.path_of(path).is_file()
    monkeypatch.setattr("seglab.data.disk_cache.read_image", lambda path: pytest.fail("decoded again"))
    assert np.array_equal(cache.read(path), first)
    monkeypatch.undo()

    Image.fromarray(np.full((4, 6, 3), 9, np.uint8)).save(path)
    os.utime(path, (1, 1))
    assert (cache.read(path) == 9).all()
    cache.path_of(path).write_bytes(b"cut short")
    assert (cache.read(path) == 9).all()


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_time(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(path)
    (tmp_path / "file").touch()
    assert DiskCache(tmp_path / "file").read(path).shape == (2, 2, 3)
    with pytest.raises((SeglabError, FileNotFoundError)):
        DiskCache(tmp_path / "kept").read(tmp_path / "none.png")
