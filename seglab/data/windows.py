"""Images too large to be held as a whole: they are read window by window, from a TIFF or from an array in memory.

Both classes have what tiled prediction needs of an array: `shape`, and `image[top:bottom, left:right]`, which is an
(h, w, 3) uint8 RGB array of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from seglab.data.image import gray_or_color, to_eight_bits
from seglab.errors import SeglabError
from seglab.image_files import DEFAULT_READING, Reading, open_image_file, read_header, unreadable

# Images above this are read by windows where they can be; below, a whole image takes at most 200 MB.
WHOLE_PIXELS = 1 << 26
KEPT_BYTES = 1 << 27  # decoded parts of a file that are kept for the next window
MAX_CHANNELS = 4


class Windows(Protocol):
    """An image that is read by windows."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, 3)."""
        ...

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        """image[top:bottom, left:right] -> (h, w, 3) uint8 RGB."""
        ...


class ArrayWindows:
    """An array in memory or mapped from a file, (H, W) or (H, W, 1 to 4) in BGR order: converted window by window."""

    def __init__(self, array: np.ndarray, sample_range: tuple[float, float] | None = None):
        self.array = array
        self.range = sample_range

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.array.shape[0], self.array.shape[1], 3

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        samples = needs_range("the array", self.array[window], self.range)
        return gray_or_color(samples, cv2.COLOR_BGR2RGB, cv2.COLOR_BGRA2RGB)


class TiffWindows:
    """A TIFF of tiles or strips, of which only those are decoded that a window touches; tifffile decodes them.

    Errors: SeglabError for a file that is no such TIFF, and without tifffile.
    """

    def __init__(self, path: str | Path, reading: Reading = DEFAULT_READING):
        with open_image_file(path) as file:
            header = read_header(path, file)
        if header.orientation != 1:
            raise unreadable(
                path, "it is rotated by its orientation tag, so it cannot be read in windows", "save it upright"
            )
        self.path = path
        self.range = reading.range
        self.page = _first_page(path)
        height, width = self.page.imagelength, self.page.imagewidth
        self._shape = (int(height), int(width), 3)
        # Rows and columns of a tile; a strip is a tile as wide as the image.
        self.block = self._block_size()
        if self.block[0] * self.block[1] > WHOLE_PIXELS:
            raise unreadable(path, "it is not stored in tiles or strips", "save it as a tiled TIFF")
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._shape

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        height, width, _ = self._shape
        top, bottom, _ = window[0].indices(height)
        left, right, _ = window[1].indices(width)
        block_height, block_width = self.block
        blocks_across = -(-width // block_width)
        whole = np.zeros((max(bottom - top, 0), max(right - left, 0), self.page.samplesperpixel), self.page.dtype)
        for row in range(top // block_height, -(-bottom // block_height)):
            for column in range(left // block_width, -(-right // block_width)):
                block = self._decoded(row * blocks_across + column)
                # The part of the block that lies in the window, in both frames.
                y, x = row * block_height, column * block_width
                y0, y1 = max(y, top), min(y + block.shape[0], bottom)
                x0, x1 = max(x, left), min(x + block.shape[1], right)
                whole[y0 - top : y1 - top, x0 - left : x1 - left] = block[y0 - y : y1 - y, x0 - x : x1 - x]
        return gray_or_color(needs_range(self.path, whole, self.range), None, cv2.COLOR_RGBA2RGB)

    def _block_size(self) -> tuple[int, int]:
        if self.page.is_tiled:
            return int(self.page.tilelength), int(self.page.tilewidth)
        return int(min(self.page.rowsperstrip, self.page.imagelength)), int(self.page.imagewidth)

    def _decoded(self, index: int) -> np.ndarray:
        """Tile or strip number `index` -> (h, w) or (h, w, channels); the recent ones stay at hand."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        file = self.page.parent.filehandle
        file.seek(self.page.dataoffsets[index])
        data = file.read(self.page.databytecounts[index])
        try:
            block = self.page.decode(data, index, jpegtables=self.page.jpegtables)[0]
        except Exception as error:  # tifffile and its codecs raise many types
            raise unreadable(self.path, f"tile {index}: {error}") from error
        if block is None:  # a tile that was never written is empty
            block = np.zeros((1, *self.block, self.page.samplesperpixel), dtype=self.page.dtype)
        block = block[0]  # (h, w, channels); the first axis is depth
        self._kept[index] = block
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return block


def needs_range(what: str | Path, samples: np.ndarray, sample_range: tuple[float, float] | None) -> np.ndarray:
    """`to_eight_bits` of a window, which alone does not say how bright the image is.

    Errors: SeglabError for anything but 8 bits without a range.
    """
    if sample_range is None and samples.dtype not in (np.uint8, bool):
        said = f"its samples are of type {samples.dtype}"
        raise unreadable(what, said, "pass range=, such as range=4095 for 12 bits or range=65535 for 16")
    return to_eight_bits(samples, sample_range)


def _first_page(path: str | Path) -> Any:
    """The first page of a TIFF as tifffile knows it. Errors: SeglabError."""
    try:
        import tifffile
    except ImportError:
        raise SeglabError(
            f"{path} is read in windows, which needs tifffile: pip install tifffile imagecodecs"
        ) from None
    try:
        page: Any = tifffile.TiffFile(path).pages[0]
    except Exception as error:  # tifffile raises many types
        raise unreadable(path, error) from error
    channels = page.samplesperpixel
    is_planar = page.planarconfig == 2 and channels > 1
    if is_planar or channels > MAX_CHANNELS or page.photometric not in (1, 2, 6):
        said = f"{channels} channels, {getattr(page.photometric, 'name', page.photometric)}"
        said = f"windows can be read from gray and RGB images only, this one has {said}"
        raise unreadable(path, said, "save it as a tiled RGB TIFF")
    return page
