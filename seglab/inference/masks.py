"""From prototypes and coefficients to masks at the image's own resolution, computed only inside their boxes.

A mask is the sign of a weighted sum of prototypes, read between the prototype cells by bilinear interpolation at the
center of every image pixel. Interpolation is linear and separable, so inside a window it is two small matrix products:
(rows of the window x prototype rows) @ (prototype rows x columns) @ (prototype columns x columns of the window).

Which pixels the window of a box holds depends on the targets that the weights were trained with. Hard targets reach one
input pixel beyond the outline on every side. At the right and bottom of a box, training shows the network where a mask
ends: the last cell that counts is covered in part, and often background. At the left and top only whole cells count, so
nothing but the window ends the mask there, and it has to begin inside the box. Soft targets reach no further than the
outline. Measured in docs/decisions/0014.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
import torch
from torch import Tensor

from seglab.device import one_thread
from seglab.errors import SeglabError
from seglab.geometry.letterbox import Letterbox
from seglab.geometry.rle import Rle, decode, encode
from seglab.inference.nms import Detections
from seglab.sizes import Size

MaskCrop = tuple[int, int, np.ndarray]  # left, top, (h, w) bool: the mask inside its window, False outside


class PackedCrop(NamedTuple):
    """A mask crop as run lengths, which take bytes for its outline and none for its area."""

    left: int
    top: int
    rle: Rle

    @property
    def crop(self) -> MaskCrop:
        return self.left, self.top, decode(self.rle)


def pack_crop(crop: MaskCrop) -> PackedCrop:
    """A crop of at least one pixel, packed."""
    left, top, mask = crop
    return PackedCrop(left, top, encode(mask))


class PackedCrops(Sequence[MaskCrop]):
    """Mask crops of a large image, each unpacked when it is asked for, so that thousands of them take little memory."""

    def __init__(self, packed: Iterable[PackedCrop]):
        self.packed = list(packed)

    def __len__(self) -> int:
        return len(self.packed)

    @overload
    def __getitem__(self, index: int) -> MaskCrop: ...
    @overload
    def __getitem__(self, index: slice) -> PackedCrops: ...
    def __getitem__(self, index: int | slice) -> MaskCrop | PackedCrops:
        if isinstance(index, slice):
            return PackedCrops(self.packed[index])
        return self.packed[index].crop


# By the targets of training: how far inside a box, from its left and top, its mask may begin, in input pixels.
INSET = {"soft": 0.0, "hard": 0.75}


def assemble(
    prototypes: Tensor, detections: Detections, letterbox: Letterbox, mask_targets: str = "soft"
) -> list[MaskCrop]:
    """Prototypes (32, h, w) and N detections of one image -> N mask crops in the image frame.

    A pixel belongs to the mask when it lies in the window of the box (see `windows`) and the interpolated sum is
    positive (probability one half). mask_targets: "soft" or "hard", what the weights were trained with. Any device and
    float type; arithmetic is float32.
    """
    return thresholded(cell_sums(prototypes, detections, letterbox.size), letterbox, mask_targets)


def thresholded(sums: CellSums, letterbox: Letterbox, mask_targets: str = "soft") -> list[MaskCrop]:
    """The mask crops of sums at the prototype cells, in the image frame of the letterbox."""
    with one_thread():  # a product takes microseconds, less than a second thread takes to join in
        return [(x0, y0, values > 0) for x0, y0, values in interpolated(sums, letterbox, mask_targets)]


def check_mask_targets(given: str) -> None:
    """Errors: SeglabError for anything but the two types of targets."""
    if given not in INSET:
        raise SeglabError(f"mask_targets={given!r} is unknown: choose one of {', '.join(INSET)}")


def windows(boxes: np.ndarray, scale: tuple[float, float], mask_targets: str) -> np.ndarray:
    """Boxes (N, 4) xyxy in image pixels -> (N, 4) int: the first and past-last columns and rows that masks may have.

    These are the pixels whose centers lie in the box, less INSET input pixels at its left and top. A box at the image's
    left or top border keeps its first pixel, since the instance goes on there. scale: (x, y) input pixels per image
    pixel.
    """
    inset = INSET[mask_targets] / np.array(scale, dtype=boxes.dtype)  # in image pixels
    first = boxes[:, :2] + np.minimum(boxes[:, :2], inset)
    first = np.minimum(first, boxes[:, 2:])  # a box narrower than that has no pixel, and stays in the image
    return np.ceil(np.concatenate((first, boxes[:, 2:]), axis=1) - 0.5).astype(int)


def weighted_sums(
    prototypes: Tensor, detections: Detections, letterbox: Letterbox, mask_targets: str = "soft"
) -> Iterator[tuple[int, int, np.ndarray]]:
    """What `assemble` thresholds, mask by mask: left, top and the sums (h, w) float32 in the box's window."""
    return interpolated(cell_sums(prototypes, detections, letterbox.size), letterbox, mask_targets)


@dataclass(frozen=True)
class CellSums:
    """Of N instances of one image the weighted sums of prototypes, at the cells that pixels of their boxes read.

    These are small, and masks of any resolution come from them.
    """

    boxes: Tensor  # (N, 4) float32 xyxy, letterbox frame
    size: Size  # of the letterbox, in pixels
    grid: Size  # of the prototypes, in cells
    corners: list[tuple[int, int]]  # N times left and top, in cells
    values: list[Tensor]  # N times (h, w) float32

    def pick(self, chosen: Sequence[int]) -> CellSums:
        """Those of some of the instances."""
        corners = [self.corners[index] for index in chosen]
        values = [self.values[index] for index in chosen]
        return CellSums(self.boxes[list(chosen)], self.size, self.grid, corners, values)


def cell_sums(prototypes: Tensor, detections: Detections, size: Size) -> CellSums:
    """Prototypes (32, h, w) and N detections in the letterbox frame of (height, width) `size` -> their sums on the CPU.

    Any device and float type; arithmetic is float32.
    """
    cells = prototypes.detach().float().cpu().permute(1, 2, 0)  # (h, w, 32), as a network leaves them in memory
    coefficients = detections.coefficients.detach().float().cpu()  # (N, 32)
    boxes = detections.boxes.detach().float().cpu()  # (N, 4)

    # A pixel reads the two cells whose centers lie around its own; a little room for rounding.
    grid = (cells.shape[0], cells.shape[1])
    limit = torch.tensor([grid[1], grid[0]])  # columns, rows
    cells_per_pixel = limit / torch.tensor([size[1], size[0]])  # (2,)
    position = boxes.view(-1, 2, 2) * cells_per_pixel - 0.5  # (N, 2, 2) of the boxes' corners
    first = (position[:, 0] - 1e-3).floor().minimum(limit - 2).clamp(min=0)  # (N, 2)
    past_last = ((position[:, 1] + 1e-3).floor() + 2).minimum(limit).maximum(first)  # (N, 2)

    corners = []
    values = []
    with one_thread():
        for own, (left, top), (right, bottom) in zip(coefficients, first.int().tolist(), past_last.int().tolist()):
            corners.append((left, top))
            values.append(cells[top:bottom, left:right] @ own)
    return CellSums(boxes, size, grid, corners, values)


def interpolated(
    sums: CellSums, letterbox: Letterbox, mask_targets: str = "soft"
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Sums at prototype cells -> left, top and the sums (h, w) float32 at the pixels of each box's window."""
    boxes = letterbox.boxes_to_image(sums.boxes).numpy()
    corners = windows(boxes, letterbox.scale, mask_targets)

    # Matrices that interpolate along each axis of the whole image; a window takes its rows of them.
    height, width = letterbox.image_size
    top, left = letterbox.pad
    scale_x, scale_y = letterbox.scale
    cells_y = sums.grid[0] / letterbox.size[0]  # cells per input pixel
    cells_x = sums.grid[1] / letterbox.size[1]
    row_cell, row_weights = interpolation(height, sums.grid[0], scale_y * cells_y, top * cells_y)
    column_cell, column_weights = interpolation(width, sums.grid[1], scale_x * cells_x, left * cells_x)
    # Products in PyTorch and not in numpy, whose threads would go on spinning between these small products and take
    # the cores from PyTorch's own.
    rows = torch.from_numpy(row_weights)  # (height, h)
    columns = torch.from_numpy(column_weights)  # (width, w)

    for (cell_x, cell_y), values, (x0, y0, x1, y1) in zip(sums.corners, sums.values, corners.tolist()):
        if x1 <= x0 or y1 <= y0:
            yield x0, y0, np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), dtype=np.float32)
            continue
        # Only the cells that pixels of the window read.
        first_y, past_y = row_cell[y0], row_cell[y1 - 1] + 2
        first_x, past_x = column_cell[x0], column_cell[x1 - 1] + 2
        read = values[first_y - cell_y : past_y - cell_y, first_x - cell_x : past_x - cell_x]
        along_x = read @ columns[x0:x1, first_x:past_x].T
        yield x0, y0, (rows[y0:y1, first_y:past_y] @ along_x).numpy()


def interpolation(pixels: int, cells: int, scale: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear interpolation along one axis as a matrix: the center of pixel p lies at (p + .5) * scale + offset cells.

    Returns the first of the two cells each pixel reads (pixels,) and the weights (pixels, cells) float32, whose rows
    sum to 1. Cell centers lie at .5; beyond the outer ones the edge value continues (align_corners=False).
    """
    position = np.clip((np.arange(pixels) + 0.5) * scale + offset - 0.5, 0, cells - 1)
    first = np.minimum(position.astype(int), max(cells - 2, 0))
    weights = np.zeros((pixels, cells), dtype=np.float32)
    pixel = np.arange(pixels)
    weights[pixel, np.minimum(first + 1, cells - 1)] = position - first
    weights[pixel, first] = 1 - (position - first)
    return first, weights
