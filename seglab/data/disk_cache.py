"""Decoded images as files: reading one back is a copy, where decoding a JPEG is most of what a data loader does."""

from __future__ import annotations

import contextlib
import hashlib
import io
from pathlib import Path

import numpy as np

from seglab.data.image import read_image
from seglab.files import atomic_write, cache_dir
from seglab.image_files import DEFAULT_READING, Reading

FOLDER = "images"  # within the cache folder


class DiskCache:
    """Decoded images in a folder, by default that of seglab's cache; each is written when it is first read.

    A file is named after the image's path, size, time and range, so that a changed image is decoded again. The
    dataset's own folder stays as it is. It may be deleted at any time.
    """

    def __init__(self, folder: Path | None = None, reading: Reading = DEFAULT_READING):
        self.folder = folder or cache_dir() / FOLDER
        self.reading = reading

    def path_of(self, image: Path) -> Path:
        """Where an image is kept, or will be."""
        status = image.stat()
        key = f"{image.resolve()} {status.st_size} {status.st_mtime_ns} {self.reading.range}"
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"

    def read(self, image: Path) -> np.ndarray:
        """(H, W, 3) uint8 RGB, as `read_image` gives it. Errors: those of `read_image`."""
        try:
            kept = self.path_of(image)
            return np.load(kept, allow_pickle=False)
        except (OSError, ValueError, EOFError):  # not there yet, or cut short
            pixels = read_image(image, self.reading)
        data = io.BytesIO()
        np.save(data, pixels, allow_pickle=False)
        with contextlib.suppress(OSError):  # no room, or not ours to write in: then images are decoded every time
            atomic_write(kept, data.getvalue())
        return pixels
