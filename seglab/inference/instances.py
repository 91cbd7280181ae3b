"""The instances found in one image, without the image: their boxes, scores and classes, and their masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import torch

from seglab.errors import SeglabError
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.letterbox import letterbox
from seglab.geometry.outline import mask_to_outline
from seglab.geometry.rle import Rle, crop_to_rle
from seglab.inference.masks import MaskCrop, PackedCrops
from seglab.sizes import size_text

Array = torch.Tensor | np.ndarray
Moved = TypeVar("Moved", bound="Movable")


def positions(index: Any, count: int) -> np.ndarray:
    """Which of `count` instances an index means: a number, slice, list, numbers or a boolean choice -> (n,) int.

    Errors: IndexError beyond the end, or for a choice of another length.
    """
    # A tensor of one value would be taken for that number, also where it is a boolean choice.
    chosen = np.asarray(index.cpu()) if isinstance(index, torch.Tensor) else index
    return np.atleast_1d(np.arange(count)[chosen])


class Movable:
    """What has a method `to`, with the two short names of it that people know from tensors."""

    def to(self: Moved, *args: Any, **kwargs: Any) -> Moved:
        """The same with its tensors on a device, of a type, or both, as torch.Tensor.to takes them."""
        raise NotImplementedError

    def cpu(self: Moved) -> Moved:
        """The same with its tensors on the CPU."""
        return self.to("cpu")

    def cuda(self: Moved) -> Moved:
        """The same with its tensors on the GPU."""
        return self.to("cuda")


class Boxes(Movable):
    """(N, 6) rows of left, top, right, bottom in the image frame, score, class: a tensor, or numpy after .numpy().

    Of tracked instances (N, 7), with the number of the track before the score.
    """

    def __init__(self, boxes: Array, orig_shape: tuple[int, int]):
        """boxes: rows as above, or a single one; orig_shape: (height, width) of the image."""
        rows = boxes[None] if boxes.ndim == 1 else boxes
        if rows.ndim != 2 or rows.shape[1] not in (6, 7):
            raise SeglabError(
                f"boxes must be rows of 6 values (left, top, right, bottom, score, class), or 7 with a track id "
                f"before the score, not of shape {tuple(boxes.shape)}"
            )
        self.data = rows
        self.orig_shape = orig_shape

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, 6), or (N, 7) of tracked instances."""
        return self.data.shape

    @property
    def boxes(self) -> Array:
        """`data`, under its older name."""
        return self.data

    @property
    def is_track(self) -> bool:
        """Whether the rows have the numbers of tracks."""
        return self.data.shape[1] == 7

    @property
    def id(self) -> Array | None:
        """(N,) numbers of the tracks, as floats; None where nothing was tracked."""
        return self.data[:, 4] if self.is_track else None

    @property
    def xyxy(self) -> Array:
        """(N, 4) left, top, right, bottom in pixels."""
        return self.data[:, :4]

    @property
    def conf(self) -> Array:
        """(N,) scores in 0..1."""
        return self.data[:, -2]

    @property
    def cls(self) -> Array:
        """(N,) class ids, as floats."""
        return self.data[:, -1]

    @property
    def xywh(self) -> Array:
        """(N, 4) center x, center y, width, height in pixels."""
        top_left, bottom_right = self.data[:, :2], self.data[:, 2:4]
        center, size = (top_left + bottom_right) / 2, bottom_right - top_left
        if isinstance(center, torch.Tensor):
            return torch.cat((center, cast(torch.Tensor, size)), dim=1)
        return np.concatenate((center, size), axis=1)

    @property
    def xyxyn(self) -> Array:
        """`xyxy` as fractions of the image's width and height."""
        return self.xyxy / self._width_height_twice()

    @property
    def xywhn(self) -> Array:
        """`xywh` as fractions of the image's width and height."""
        return self.xywh / self._width_height_twice()

    def _width_height_twice(self) -> Array:
        height, width = self.orig_shape
        size = (width, height, width, height)
        if isinstance(self.data, torch.Tensor):
            return self.data.new_tensor(size)
        return np.array(size, dtype=self.data.dtype)

    def numpy(self) -> Boxes:
        """The same boxes in numpy arrays."""
        return Boxes(self.data.cpu().numpy() if isinstance(self.data, torch.Tensor) else self.data, self.orig_shape)

    def to(self, *args: Any, **kwargs: Any) -> Boxes:
        """The same boxes in tensors on a device or of a type, as torch.Tensor.to takes them."""
        return Boxes(torch.as_tensor(self.data).to(*args, **kwargs), self.orig_shape)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Boxes:
        return Boxes(self.data[positions(index, len(self))], self.orig_shape)

    def __repr__(self) -> str:
        text = np.array2string(np.asarray(self.numpy().data), precision=3, suppress_small=True, threshold=70)
        columns = "x1, y1, x2, y2, track, score, class" if self.is_track else "x1, y1, x2, y2, score, class"
        return f"Boxes({len(self)} in an image of {size_text(self.orig_shape)}; columns {columns})\n{text}"


class Masks(Movable):
    """N masks at the image's own resolution, kept as crops; the forms below are made when asked for."""

    def __init__(
        self,
        masks: Array | Sequence[MaskCrop],
        orig_shape: tuple[int, int],
        device: str | torch.device | None = "cpu",
        dtype: torch.dtype = torch.uint8,
    ):
        """masks: crops, or full masks (N, H, W) whose values above 0.5 are the instance. Those of another size than
        `orig_shape`, the image's (height, width), are taken as masks of the letterboxed image, and are what `data`
        gives. device, dtype: of `data`; device None makes it a numpy array.
        """
        # Masks (N, h, w) of the letterboxed image, or what makes them once they are asked for.
        self.given: np.ndarray | Callable[[], np.ndarray] | None = None
        if isinstance(masks, (torch.Tensor, np.ndarray)):
            device = masks.device if isinstance(masks, torch.Tensor) else None
            full = np.asarray(masks.cpu()) if isinstance(masks, torch.Tensor) else masks
            full = full[None] if full.ndim == 2 else full
            if full.ndim != 3:
                raise SeglabError(f"masks must be of shape (N, H, W), not {tuple(masks.shape)}")
            self.given = None if full.shape[1:] == tuple(orig_shape) else full
            masks = _crops_of(full, orig_shape)
        self.crops: Sequence[MaskCrop] = masks if isinstance(masks, PackedCrops) else list(masks)
        self.orig_shape = orig_shape
        self.device = device
        self.dtype = dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W), of `data`."""
        given = self._given()
        shape = (len(self), *self.orig_shape) if given is None else given.shape
        return shape if self.device is None else torch.Size(shape)

    def _given(self) -> np.ndarray | None:
        """(N, h, w) masks of the letterboxed image, where `data` is to be that."""
        if callable(self.given):
            self.given = self.given()
        return self.given

    @cached_property
    def data(self) -> Array:
        """(N, H, W) uint8, 1 on the instance. The one form whose size grows with the image: prefer `crops`."""
        given = self._given()
        if given is not None:
            full = (given > 0.5).astype(np.uint8)
        else:
            full = np.zeros((len(self.crops), *self.orig_shape), dtype=np.uint8)
            for canvas, (x0, y0, crop) in zip(full, self.crops):
                canvas[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
        return full if self.device is None else torch.from_numpy(full).to(self.device, self.dtype)

    @property
    def masks(self) -> Array:
        """`data`, under its older name."""
        return self.data

    @cached_property
    def rings(self) -> list[list[np.ndarray]]:
        """For every instance its contours along pixel edges, (n, 2) float64 xy; holes turn the other way."""
        return [mask_to_rings(crop, x0, y0) for x0, y0, crop in self.crops]

    @property
    def xy(self) -> list[np.ndarray]:
        """For every instance one closed line through the centers of its outermost pixels, (n, 2) float32 xy in pixels.

        cv2.fillPoly of it is the whole mask, holes included; between parts that do not touch, a line of single pixels
        comes on top. `rings` are exact for several parts too.
        """
        return list(self._outlines)

    @cached_property
    def _outlines(self) -> list[np.ndarray]:
        return [mask_to_outline(crop, x0, y0).astype(np.float32) for x0, y0, crop in self.crops]

    @property
    def xyn(self) -> list[np.ndarray]:
        """`xy` as fractions of the image's width and height."""
        return [outline / np.array(self.orig_shape[::-1], dtype=np.float32) for outline in self._outlines]

    @property
    def segments(self) -> list[np.ndarray]:
        """`xyn`, under its older name."""
        return self.xyn

    @property
    def rle(self) -> list[Rle]:
        """For every instance its mask as COCO RLE."""
        return [crop_to_rle(x0, y0, crop, *self.orig_shape) for x0, y0, crop in self.crops]

    def numpy(self) -> Masks:
        """The same masks, with `data` as a numpy array."""
        return self._with(np.arange(len(self)), None, self.dtype)

    def to(self, *args: Any, **kwargs: Any) -> Masks:
        """The same masks, with `data` on a device or of a type, as torch.Tensor.to takes them."""
        like = torch.empty(0, device=self.device or "cpu", dtype=self.dtype).to(*args, **kwargs)
        return self._with(np.arange(len(self)), like.device, like.dtype)

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: Any) -> Masks:
        return self._with(positions(index, len(self)), self.device, self.dtype)

    def _with(self, chosen: np.ndarray, device: str | torch.device | None, dtype: torch.dtype) -> Masks:
        """Some of the masks, with `data` elsewhere."""
        if isinstance(self.crops, PackedCrops):
            crops: Sequence[MaskCrop] = PackedCrops(self.crops.packed[index] for index in chosen)
        else:
            crops = [self.crops[index] for index in chosen]
        masks = Masks(crops, self.orig_shape, device, dtype)
        given = self._given()
        if given is not None:
            masks.given = given[chosen]
        return masks

    def __repr__(self) -> str:
        pixels = ", ".join(str(np.count_nonzero(crop)) for _, _, crop in self.crops[:10])
        more = ", ..." if len(self) > 10 else ""
        return f"Masks({len(self)} in an image of {size_text(self.orig_shape)}; pixels: {pixels}{more})"


def _crops_of(masks: np.ndarray, orig_shape: tuple[int, int]) -> list[MaskCrop]:
    """(N, h, w) masks of an image of (height, width) `orig_shape`, or of its letterbox -> their crops in the image."""
    crops = []
    for mask in masks:
        full = mask > 0.5
        if full.shape != tuple(orig_shape):
            box = letterbox((orig_shape[0], orig_shape[1]), (full.shape[0], full.shape[1]))
            top, left = box.pad
            inside = full[top : top + box.resized[0], left : left + box.resized[1]]
            nearest = cv2.resize(inside.astype(np.uint8), orig_shape[::-1], interpolation=cv2.INTER_NEAREST)
            full = nearest.astype(bool)
        rows = np.flatnonzero(full.any(axis=1))
        columns = np.flatnonzero(full.any(axis=0))
        if not len(rows):
            crops.append((0, 0, np.zeros((0, 0), bool)))
            continue
        x0, y0 = int(columns[0]), int(rows[0])
        crops.append((x0, y0, full[y0 : rows[-1] + 1, x0 : columns[-1] + 1].copy()))
    return crops
