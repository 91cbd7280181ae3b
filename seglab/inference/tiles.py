"""Prediction by tiles: a large image is looked at piece by piece, and what the pieces show is joined.

A tile gives what predicting it as an image of its own gives. Tiles overlap, so both of two neighbors see the strip they
share, and an object there is in both. Three rules join what they found, by own reasoning:

1. Two detections of one class, from different tiles, are the same object if their masks agree in the strip that the two
   tiles share: their overlap there, intersection over union, is at least SAME_OBJECT. Pairs that agree most are joined
   first, and an object has at most one detection of each tile, which its own suppression has told apart already.
2. If a tile sees the object whole, that is, its box keeps clear of the tile's inner borders, then the best-scoring such
   detection is the object. Otherwise each tile saw a part: the mask is the union of all, its box their common box, and
   its score the best of theirs.
3. A part that is still left, cut by its tile's border and covered at least half by another object of its class, is
   dropped.

No step needs more of the image than one tile: memory grows with what is found, of which run lengths are kept, not with
the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from seglab.inference.instances import Boxes, Masks
from seglab.inference.masks import MaskCrop, PackedCrop, PackedCrops, pack_crop
from seglab.inference.results import Results
from seglab.inference.sources import LargeImage, SourceImage, batches
from seglab.progress import with_progress

__all__ = ["Window", "tile_windows"]

SAME_OBJECT = 0.5  # intersection over union, in the strip that two tiles share
COVERED = 0.5  # of a cut part's own area, from which on it is no object of its own
BORDER = 0.01  # of a tile's side: a box that ends within it may have been cut

Look = Callable[[Sequence[SourceImage]], list[Results]]  # images -> their results, as of images of their own


class Window(NamedTuple):
    """A rectangle of an image: first and past-last row and column."""

    top: int
    left: int
    bottom: int
    right: int

    def shared(self, other: Window) -> Window:
        """What lies in both; empty where bottom <= top or right <= left."""
        return Window(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )

    @property
    def is_empty(self) -> bool:
        return self.bottom <= self.top or self.right <= self.left


@dataclass
class Found:
    """A detection in the frame of the whole image. tile: the number of the tile; is_cut: it may go on beyond it."""

    tile: int
    box: np.ndarray  # (4,) left, top, right, bottom
    score: float
    class_id: int
    packed: PackedCrop
    is_cut: bool

    @property
    def crop(self) -> MaskCrop:
        return self.packed.crop

    @property
    def window(self) -> Window:
        """Where the crop lies."""
        left, top, rle = self.packed
        height, width = rle["size"]
        return Window(top, left, top + height, left + width)


def predict_tiles(
    image: SourceImage | LargeImage,
    tile: int,
    overlap: float,
    look: Look,
    names: dict[int, str],
    batch: int = 1,
    agnostic: bool = False,
) -> Results:
    """The results of one image, from its tiles. look: predicts images; batch: how many tiles it is given at once.

    agnostic: detections of different classes may be one object too. The speed is that of all tiles together.
    """
    height, width = image.image.shape[:2]
    tiles = tile_windows((height, width), tile, overlap)
    found: list[Found] = []
    speed = dict.fromkeys(("preprocess", "inference", "postprocess"), 0.0)
    groups = list(batches(range(len(tiles)), batch))
    for numbers in with_progress(groups, f"tiles of {Path(image.path).name}", "batch"):
        pieces = [SourceImage(image.path, _pixels(image, tiles[number])) for number in numbers]
        for number, results in zip(numbers, look(pieces)):
            found += list(_in_image(results, number, tiles[number], (height, width)))
            for step, milliseconds in results.speed.items():
                speed[step] += milliseconds
    joined = join(found, tiles, agnostic)

    rows = [[*one.box, one.score, one.class_id] for one in joined]
    boxes = Boxes(torch.tensor(np.array(rows, dtype=np.float32).reshape(-1, 6)), (height, width))
    masks = Masks(PackedCrops(one.packed for one in joined), (height, width)) if joined else None
    results = Results.of_image(image.image, image.path, names, boxes, masks, speed)
    results.tile = tile
    return results


def tile_windows(size: tuple[int, int], tile: int, overlap: float) -> list[Window]:
    """The tiles of an image of (height, width) `size`, row by row: all of side `tile`, or the image's own if smaller.

    Neighbors share the fraction `overlap` of their side; the last ones of a row and column, which end with the image,
    may share more.
    """
    rows, columns = (_starts(side, min(tile, side), overlap) for side in size)
    height, width = (min(tile, side) for side in size)
    return [Window(top, left, top + height, left + width) for top in rows for left in columns]


def _starts(side: int, tile: int, overlap: float) -> list[int]:
    step = max(1, round(tile * (1 - overlap)))
    starts = list(range(0, side - tile, step))
    return [*starts, side - tile]


def _pixels(image: SourceImage | LargeImage, tile: Window) -> np.ndarray:
    return np.ascontiguousarray(image.image[tile.top : tile.bottom, tile.left : tile.right])


def _in_image(results: Results, number: int, tile: Window, size: tuple[int, int]) -> Iterator[Found]:
    """The detections of a tile, moved to where the tile lies in an image of (height, width) `size`."""
    rows = np.asarray(results.boxes.numpy().data).astype(np.float64)
    crops = results.masks.crops if results.masks else []
    for row, (x0, y0, mask) in zip(rows, crops):
        box = row[:4] + (tile.left, tile.top, tile.left, tile.top)
        packed = pack_crop((x0 + tile.left, y0 + tile.top, mask))
        yield Found(number, box, float(row[-2]), int(row[-1]), packed, _is_cut(box, tile, size))


def _is_cut(box: np.ndarray, tile: Window, size: tuple[int, int]) -> bool:
    """Whether a box reaches a border of its tile behind which the image goes on."""
    margin = max(2.0, BORDER * (tile.bottom - tile.top), BORDER * (tile.right - tile.left))
    left, top, right, bottom = box.tolist()
    return (
        (tile.left > 0 and left < tile.left + margin)
        or (tile.top > 0 and top < tile.top + margin)
        or (tile.right < size[1] and right > tile.right - margin)
        or (tile.bottom < size[0] and bottom > tile.bottom - margin)
    )


# --- joining ---


def join(found: Sequence[Found], tiles: Sequence[Window], agnostic: bool = False) -> list[Found]:
    """One detection per object, highest score first: the three rules above."""
    agreeing = sorted(_agreeing_pairs(found, tiles, agnostic), reverse=True)
    group_of = [{index} for index in range(len(found))]
    for _, first, second in agreeing:
        joined = group_of[first] | group_of[second]
        is_new = group_of[first] is not group_of[second]
        if is_new and len({found[index].tile for index in joined}) == len(joined):
            for index in joined:
                group_of[index] = joined

    groups = {id(group): group for group in group_of}.values()
    objects = [_object([found[index] for index in sorted(group)]) for group in groups]
    objects.sort(key=lambda one: -one.score)
    return _without_covered(objects, agnostic)


def _agreeing_pairs(
    found: Sequence[Found], tiles: Sequence[Window], agnostic: bool
) -> Iterator[tuple[float, int, int]]:
    """(agreement, index, index) of every two detections that are one object by rule 1."""
    for first, second in _overlapping([one.window for one in found]):
        a, b = found[first], found[second]
        if a.tile == b.tile or (a.class_id != b.class_id and not agnostic):
            continue
        strip = tiles[a.tile].shared(tiles[b.tile])
        if strip.is_empty:
            continue
        intersection, area_a, area_b = _areas(a, b, strip)
        union = area_a + area_b - intersection
        if intersection and intersection / union >= SAME_OBJECT:
            yield intersection / union, first, second


def _overlapping(windows: Sequence[Window]) -> Iterator[tuple[int, int]]:
    """Every two of some windows that share a pixel: swept from top to bottom, since most lie far apart."""
    order = sorted(range(len(windows)), key=lambda index: windows[index].top)
    active: list[int] = []
    for index in order:
        active = [other for other in active if windows[other].bottom > windows[index].top]
        for other in active:
            if not windows[other].shared(windows[index]).is_empty:
                yield min(other, index), max(other, index)
        active.append(index)


def _areas(a: Found, b: Found, window: Window) -> tuple[int, int, int]:
    """Pixels within a window: of both masks, of the first, of the second."""
    within_a = _cut_out(a, window.shared(a.window))
    within_b = _cut_out(b, window.shared(b.window))
    both = window.shared(a.window).shared(b.window)
    intersection = 0 if both.is_empty else int((_cut_out(a, both) & _cut_out(b, both)).sum())
    return intersection, int(within_a.sum()), int(within_b.sum())


def _cut_out(one: Found, window: Window) -> np.ndarray:
    """The part of a mask in a window that lies in its crop."""
    x0, y0, mask = one.crop
    if window.is_empty:
        return mask[:0]
    return mask[window.top - y0 : window.bottom - y0, window.left - x0 : window.right - x0]


def _object(seen: Sequence[Found]) -> Found:
    """One object from what the tiles saw of it: rule 2."""
    best = max(seen, key=lambda one: one.score)
    whole = [one for one in seen if not one.is_cut]
    if whole:
        return max(whole, key=lambda one: one.score)
    if len(seen) == 1:
        return best
    boxes = np.array([one.box for one in seen])
    box = np.concatenate((boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)))
    whole_mask = pack_crop(_united([one.crop for one in seen]))
    return Found(best.tile, box, best.score, best.class_id, whole_mask, is_cut=False)


def _united(crops: Sequence[MaskCrop]) -> MaskCrop:
    left = min(x0 for x0, _, _ in crops)
    top = min(y0 for _, y0, _ in crops)
    right = max(x0 + mask.shape[1] for x0, _, mask in crops)
    bottom = max(y0 + mask.shape[0] for _, y0, mask in crops)
    united = np.zeros((bottom - top, right - left), dtype=bool)
    for x0, y0, mask in crops:
        united[y0 - top : y0 - top + mask.shape[0], x0 - left : x0 - left + mask.shape[1]] |= mask
    return left, top, united


def _without_covered(objects: Sequence[Found], agnostic: bool) -> list[Found]:
    """Without the parts that rule 3 drops."""
    dropped: set[int] = set()
    for pair in _overlapping([one.window for one in objects]):
        for part, other in (pair, pair[::-1]):
            a, b = objects[part], objects[other]
            if not a.is_cut or a.tile == b.tile or (a.class_id != b.class_id and not agnostic):
                continue
            if part in dropped or other in dropped:
                continue
            intersection, own_area, _ = _areas(a, b, a.window)
            if intersection >= COVERED * own_area:
                dropped.add(part)
    return [one for index, one in enumerate(objects) if index not in dropped]
