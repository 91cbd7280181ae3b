"""The pixels of mask images: which instance each belongs to, with edges that an editor or JPEG has made soft undone.

read_ids       exactly what the file says: a number for every color or value, 0 for the background
read_regions   the same, with soft edges given to the instance or the background that they are nearer to
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from seglab.errors import SeglabError
from seglab.image_files import MAX_PIXELS, check_budget, open_image_file, open_with_pillow, read_header

OPAQUE = 1 << 24  # what is added to a color where transparent pixels are the background: black can be an instance then
HALF = 128  # of alpha: what is less opaque is background
NEAR = 6  # pixels: how far a soft edge reaches
FLAT = 24  # of a channel: how much JPEG varies a plain color
LIKE = 48  # of a channel: two colors closer than this are one color in a JPEG
MIN_CONTRAST = 16  # of a channel: ids that count 1, 2, 3 are no shades between each other
MIN_SHADES = 3  # values between two others that make an edge soft
SHADES = 0.9  # of the pixels of values without a plain area: so many lie between their neighbors in soft edges
LOSSY = ("JPEG", "MPO")
NOISE = 0.8  # changes of value, right and down, for each pixel: cells of 4 x 4 pixels that nearly touch have .64
SMALL = 1 << 18  # pixels of a mask that is read whatever it shows: noise of more takes minutes
MAX_COVER = 64  # times the pixels of a mask, which the bounding boxes of its regions may have together


def read_ids(file: Path) -> np.ndarray:
    """A mask image as (h, w) int32: palette index, gray value of 8 or 16 bits, or the color packed into a number.

    Where a file has transparent pixels these are the background, whatever their color.
    Errors: SeglabError naming a file that is no image, or noise.
    """
    return _without_noise_alone(_ids(_pixels(file)[0]), file)


def read_values(file: Path) -> tuple[np.ndarray, bool]:
    """What `read_ids` gives, and whether its numbers are packed colors, else indexes. Errors: as `read_ids`."""
    pixels, _ = _pixels(file)
    return _without_noise_alone(_ids(pixels), file), pixels.ndim == 3


def read_regions(file: Path) -> np.ndarray:
    """A mask image as (h, w) int32 like `read_ids`, without the shades along soft edges. Errors: as `read_ids`."""
    pixels, is_lossy = _pixels(file)
    plain = _without_noise(pixels) if is_lossy else _without_shades(pixels)
    return _without_noise_alone(_ids(plain), file)


def _without_noise_alone(ids: np.ndarray, file: Path) -> np.ndarray:
    """The same. Errors: SeglabError for a large mask without plain areas: each of its pixels would be a region."""
    changes = np.count_nonzero(ids[:, 1:] != ids[:, :-1]) + np.count_nonzero(ids[1:] != ids[:-1])
    if ids.size > SMALL and changes > NOISE * ids.size:
        raise SeglabError(
            f"{file} looks like noise or a photo, not a mask: its value changes {changes:,} times over {ids.size:,} "
            "pixels; give mask images, or remove it"
        )
    return ids


def _pixels(file: Path) -> tuple[np.ndarray, bool]:
    """(h, w) or (h, w, 3 or 4) pixels of an image file, and whether its format changes colors."""
    with open_image_file(file) as opened:
        header = read_header(file, opened)
        check_budget(file, opened, header, MAX_PIXELS)
        with open_with_pillow(file, opened, header.kind) as image:
            if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
                return np.array(image.convert("RGB")), True
            if image.mode == "1" or _is_black_and_white(image):
                return np.array(image.convert("L")), False
            if image.mode in ("LA", "PA", "RGBa", "La"):
                return np.array(image.convert("RGBA")), False
            return np.array(image), image.format in LOSSY


def _is_black_and_white(image: Image.Image) -> bool:
    """Whether an image has a palette of which it uses black and white alone, as a GIF of white masks does."""
    if image.mode != "P" or image.palette is None or "transparency" in image.info:
        return False
    colors = np.array(image.getpalette("RGB")).reshape(-1, 3)
    indexes = np.unique(np.array(image))
    used = colors[indexes[indexes < len(colors)]].tolist()
    return sorted(used) == [[0, 0, 0], [255, 255, 255]]


def _ids(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 2:
        return pixels.astype(np.int32)
    ids = packed(pixels[..., :3])
    if pixels.shape[2] == 4 and (pixels[..., 3] < HALF).any():
        ids = np.where(pixels[..., 3] < HALF, 0, ids + OPAQUE)
    return ids


def packed(color: np.ndarray) -> np.ndarray:
    """(..., 3) RGB -> (...) int32, one number a color."""
    return np.asarray(color, dtype=np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)


# Soft edges


def _without_shades(pixels: np.ndarray) -> np.ndarray:
    """Pixels of a lossless file; where they show soft edges, every shade is replaced by the color it is nearer to.

    An editor that smooths an outline paints its edge in shades between the instance and what lies behind it. A shade
    has no plain area of its own, and lies between the plain colors around it. An instance of few pixels has no plain
    area either, but does not lie between its neighbors.
    """
    if pixels.dtype != np.uint8:
        return pixels
    channels = _channels(pixels)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        channels[channels[..., 3] < HALF] = 0
    ids = _exact_ids(channels)
    plain = _plain(channels, 0)
    cores = np.unique(ids[plain])
    is_core = np.isin(ids, cores)
    if len(np.unique(ids[~is_core])) < MIN_SHADES or len(cores) < 2:
        return pixels
    if _between(channels, is_core)[~is_core].mean() < SHADES:
        return pixels
    nearest = _nearest(channels, is_core, ids)
    return nearest[..., 0] if pixels.ndim == 2 else nearest


def _without_noise(pixels: np.ndarray) -> np.ndarray:
    """Pixels of a JPEG, each replaced by the nearest of the plain colors around it.

    JPEG spreads every color by a few values, and mixes colors along edges.
    """
    channels = _channels(pixels)
    plain = _plain(channels, FLAT)
    colors, counts = np.unique(channels[plain], axis=0, return_counts=True)
    peaks: list[np.ndarray] = []
    for color in colors[np.argsort(-counts, kind="stable")]:
        if all(np.abs(color.astype(int) - peak).max() > LIKE for peak in peaks):
            peaks.append(color.astype(int))
    if not peaks:
        return pixels
    # Black is meant by what is nearly black: the background is exactly 0.
    settled = np.array([np.where(peak <= FLAT, 0, peak) for peak in peaks], dtype=np.uint8)
    labels = np.zeros(channels.shape[:2], dtype=np.int32)
    labels[plain] = _closest(channels[plain], settled)
    image = settled[labels]
    nearest = _nearest(np.where(plain[..., None], image, channels), plain, labels)
    return nearest[..., 0] if pixels.ndim == 2 else nearest


def _closest(colors: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """(n, c) colors -> (n,) the place of the nearest of a palette (p, c)."""
    best = np.full(len(colors), np.inf)
    place = np.zeros(len(colors), dtype=np.int32)
    for number, color in enumerate(palette):
        distance = np.abs(colors.astype(float) - color).sum(axis=1)
        place[distance < best] = number
        best = np.minimum(best, distance)
    return place


def _channels(pixels: np.ndarray) -> np.ndarray:
    """(h, w) or (h, w, c) -> a copy (h, w, c)."""
    return pixels.reshape(*pixels.shape[:2], -1).copy()


def _exact_ids(channels: np.ndarray) -> np.ndarray:
    """(h, w, c) uint8 -> (h, w) int64, one number for every combination of values."""
    return channels.astype(np.int64) @ (256 ** np.arange(channels.shape[2], dtype=np.int64))


def _plain(channels: np.ndarray, tolerance: int) -> np.ndarray:
    """(h, w) bool: whether the 3 x 3 pixels around each differ by no more than the tolerance in any channel."""
    kernel = np.ones((3, 3), np.uint8)
    spans = []
    for channel in np.moveaxis(channels, 2, 0):
        channel = np.ascontiguousarray(channel)
        spans.append(cv2.dilate(channel, kernel).astype(int) - cv2.erode(channel, kernel))
    return np.max(spans, axis=0) <= tolerance


def _between(channels: np.ndarray, is_core: np.ndarray) -> np.ndarray:
    """(h, w) bool: whether each pixel lies between the plain colors around it, which differ, in every channel."""
    kernel = np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8)
    inside = np.ones(is_core.shape, dtype=bool)
    differs = np.zeros(is_core.shape, dtype=bool)
    for channel in np.moveaxis(channels, 2, 0):
        low = cv2.erode(np.where(is_core, channel, 255).astype(np.uint8), kernel)
        high = cv2.dilate(np.where(is_core, channel, 0).astype(np.uint8), kernel)
        inside &= (channel >= low) & (channel <= high)
        differs |= high.astype(int) - low >= MIN_CONTRAST
    return inside & differs


def _nearest(channels: np.ndarray, is_core: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(h, w, c): every pixel that is not of a plain color has the most similar plain color within NEAR pixels.

    labels: (h, w) a number for each plain color. What has no plain color around it becomes the background, 0.
    """
    settled = np.where(is_core[..., None], channels, 0)
    best = np.where(is_core, -1.0, np.inf)
    kernel = np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8)
    for label in np.unique(labels[is_core]):
        own = is_core & (labels == label)
        left, top, width, height = cv2.boundingRect(own.astype(np.uint8))
        rows = slice(max(0, top - NEAR), top + height + NEAR)
        columns = slice(max(0, left - NEAR), left + width + NEAR)
        color = channels[own][0]
        reach = cv2.dilate(own[rows, columns].astype(np.uint8), kernel).astype(bool)
        distance = np.abs(channels[rows, columns].astype(float) - color).sum(axis=2)
        nearer = reach & (distance < best[rows, columns])
        best[rows, columns][nearer] = distance[nearer]
        settled[rows, columns][nearer] = color
    return settled


# Regions


def regions_of(ids: np.ndarray, file: Path | str = "a mask") -> Iterator[tuple[int, int, int, np.ndarray]]:
    """Every value of an (h, w) array but 0: (value, x0, y0, bool crop of its bounding box). See `plain_regions`.

    Errors: SeglabError naming the file where values are so strewn over it that the crops would be endless.
    """
    flat = ids.ravel()
    order = np.argsort(flat, kind="stable")  # pixels of one value stand together: one pass over the image for all
    values, starts = np.unique(flat[order], return_index=True)
    left_to_cover = MAX_COVER * max(ids.size, SMALL)
    for value, pixels in zip(values.tolist(), np.split(order, starts[1:])):
        if not value:
            continue
        rows, columns = np.divmod(pixels, ids.shape[1])
        top, left = rows.min(), columns.min()
        height, width = rows.max() - top + 1, columns.max() - left + 1
        left_to_cover -= height * width
        if left_to_cover < 0:
            raise SeglabError(
                f"{file} has {len(values):,} values that are strewn all over it, as noise is: give mask images, or "
                "remove it"
            )
        crop = np.zeros((height, width), dtype=bool)
        crop[rows - top, columns - left] = True
        yield value, int(left), int(top), crop


def plain_regions(ids: np.ndarray) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """What `regions_of` gives, by one look over the image for every value."""
    for value in np.unique(ids[ids != 0]).tolist():
        mask = ids == value
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        yield value, left, top, mask[top : rows[-1] + 1, left : columns[-1] + 1]


def components(ids: np.ndarray, file: Path | str = "a mask") -> np.ndarray:
    """(h, w) values -> (h, w) int32 numbers from 1 of their connected regions, corners connecting too.

    Errors: as `regions_of`.
    """
    numbers = np.zeros(ids.shape, dtype=np.int32)
    count = 0
    for _, x0, y0, crop in regions_of(ids, file):
        found, regions = cv2.connectedComponents(crop.astype(np.uint8), connectivity=8)
        numbers[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]][crop] = regions[crop] + count
        count += found - 1
    return numbers
