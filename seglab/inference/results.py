"""The detections in one image: boxes, masks, and ways to view, save and convert them.

The classes here hold the data; how it is written to files and other formats is in `results_io`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import torch

from seglab.config import refuse_unknown
from seglab.data.image import write_image
from seglab.drawing.overlays import draw_instances
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import ring_area
from seglab.geometry.rle import Rle, crop_to_rle
from seglab.inference import results_io
from seglab.inference.masks import MaskCrop
from seglab.wording import pluralize

Array = torch.Tensor | np.ndarray
Moved = TypeVar("Moved", bound="Movable")


def positions(index: Any, count: int) -> np.ndarray:
    """Which of `count` instances an index means: a number, slice, list, numbers or a boolean choice -> (n,) int.

    Errors: IndexError beyond the end, or for a choice of another length.
    """
    return np.atleast_1d(np.arange(count)[index.cpu() if isinstance(index, torch.Tensor) else index])


class Movable:
    """What has a method `to`, with the two short names of it that people know from tensors."""

    def to(self: Moved, device: Any) -> Moved:
        """The same with its tensors on a device."""
        raise NotImplementedError

    def cpu(self: Moved) -> Moved:
        """The same with its tensors on the CPU."""
        return self.to("cpu")

    def cuda(self: Moved) -> Moved:
        """The same with its tensors on the GPU."""
        return self.to("cuda")


class Boxes(Movable):
    """(N, 6) rows of left, top, right, bottom in the image frame, score, class: a tensor, or numpy after .numpy()."""

    id, is_track = None, False  # of tracked objects, which seglab does not have

    def __init__(self, data: Array, orig_shape: tuple[int, int]):
        self.data, self.orig_shape = data, orig_shape

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, 6)."""
        return tuple(self.data.shape)

    @property
    def xyxy(self) -> Array:
        """(N, 4) left, top, right, bottom in pixels."""
        return self.data[:, :4]

    @property
    def conf(self) -> Array:
        """(N,) scores in 0..1."""
        return self.data[:, 4]

    @property
    def cls(self) -> Array:
        """(N,) class ids, as floats."""
        return self.data[:, 5]

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


class Masks(Movable):
    """N masks at the image's own resolution, kept as crops; the forms below are made when asked for."""

    def __init__(
        self, crops: Sequence[MaskCrop], orig_shape: tuple[int, int], device: str | torch.device | None = "cpu"
    ):
        """device: where `data` shall lie; None makes it a numpy array."""
        self.crops, self.orig_shape, self.device = list(crops), orig_shape, device
        self.given: np.ndarray | None = None  # masks of the letterboxed image, which `data` then gives

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W), of `data`."""
        if self.given is not None:
            return self.given.shape
        return len(self), *self.orig_shape

    @cached_property
    def data(self) -> Array:
        """(N, H, W) uint8, 1 on the instance. The one form whose size grows with the image: prefer `crops`."""
        if self.given is not None:
            return self.given if self.device is None else torch.from_numpy(self.given).to(self.device)
        full = np.zeros((len(self.crops), *self.orig_shape), dtype=np.uint8)
        for canvas, (x0, y0, crop) in zip(full, self.crops):
            canvas[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
        return full if self.device is None else torch.from_numpy(full).to(self.device)

    @cached_property
    def rings(self) -> list[list[np.ndarray]]:
        """For every instance its contours along pixel edges, (n, 2) float64 xy; holes turn the other way."""
        return [mask_to_rings(crop, x0, y0) for x0, y0, crop in self.crops]

    @cached_property
    def xy(self) -> list[np.ndarray]:
        """For every instance its largest contour, (n, 2) float32 xy in pixels; `rings` has other parts and holes."""
        return [max(rings, key=ring_area, default=np.zeros((0, 2))).astype(np.float32) for rings in self.rings]

    @property
    def xyn(self) -> list[np.ndarray]:
        """`xy` as fractions of the image's width and height."""
        return [ring / np.array(self.orig_shape[::-1], dtype=np.float32) for ring in self.xy]

    @property
    def rle(self) -> list[Rle]:
        """For every instance its mask as COCO RLE."""
        return [crop_to_rle(x0, y0, crop, *self.orig_shape) for x0, y0, crop in self.crops]

    def numpy(self) -> Masks:
        """The same masks, with `data` as a numpy array."""
        return self._with(np.arange(len(self)), None)

    def to(self, device: str | torch.device) -> Masks:
        """The same masks, with `data` on a device."""
        return self._with(np.arange(len(self)), device)

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: Any) -> Masks:
        return self._with(positions(index, len(self)), self.device)

    def _with(self, chosen: np.ndarray, device: str | torch.device | None) -> Masks:
        """Some of the masks, with `data` elsewhere."""
        masks = Masks([self.crops[index] for index in chosen], self.orig_shape, device)
        if self.given is not None:
            masks.given = self.given[chosen]
        return masks


class Results(Movable):
    """The instances in one image, highest score first.

    image: (H, W, 3) uint8 RGB; names: class id -> name; boxes: Boxes; masks: Masks, None when nothing was found;
    speed: milliseconds this image took to preprocess, inference and postprocess; save_dir: the folder that predict
    wrote into, if it did.
    """

    probs = keypoints = obb = None  # what other tasks find

    def __init__(
        self,
        image: np.ndarray,
        path: str,
        names: dict[int, str],
        boxes: Boxes,
        masks: Masks | None,
        speed: dict[str, float],
    ):
        self.image, self.path, self.names = image, path, names
        self.boxes, self.masks, self.speed = boxes, masks, speed
        self.save_dir: str | None = None
        self.heatmap: np.ndarray | None = None  # (H, W) float32 in 0..1, with visualize=True

    @property
    def orig_img(self) -> np.ndarray:
        """The image as (H, W, 3) uint8 BGR, as cv2 has it."""
        return np.ascontiguousarray(self.image[..., ::-1])

    @property
    def orig_shape(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.image.shape[0], self.image.shape[1]

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Results]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: Any) -> Results:
        """One instance by number, or several by slice, list, numbers or boolean choice, as results of their own."""
        masks = None if self.masks is None else self.masks[index]
        return Results(self.image, self.path, self.names, self.boxes[index], masks, self.speed)

    def numpy(self) -> Results:
        """The same results with numpy arrays for tensors."""
        masks = None if self.masks is None else self.masks.numpy()
        return Results(self.image, self.path, self.names, self.boxes.numpy(), masks, self.speed)

    def to(self, device: str | torch.device) -> Results:
        """The same results with tensors on a device."""
        masks = None if self.masks is None else self.masks.to(device)
        return Results(self.image, self.path, self.names, self.boxes.to(device), masks, self.speed)

    # Looking

    def plot(
        self,
        conf: bool = True,
        labels: bool = True,
        boxes: bool = True,
        masks: bool = True,
        line_width: float | None = None,
        **unknown: Any,
    ) -> np.ndarray:
        """The image with the instances drawn on it -> (H, W, 3) uint8 BGR. labels and conf write names and scores."""
        refuse_unknown(unknown, ("conf", "labels", "boxes", "masks", "line_width"), "plot")
        rows = results_io.rows_of(self)
        texts = [f"{self.names[row.class_id]} {row.score:.2f}" if conf else self.names[row.class_id] for row in rows]
        shown = self.masks if masks else None
        drawn = draw_instances(
            self.image,
            [row.class_id for row in rows],
            boxes=np.array([row.box for row in rows]) if boxes else None,
            crops=None if shown is None else shown.crops,
            rings=None if shown is None else shown.rings,
            labels=texts if labels else None,
            line_width=line_width,
        )
        return np.ascontiguousarray(drawn[..., ::-1])

    def show(self, **plot_options: Any) -> None:
        """Show what `plot` draws: under the cell in a notebook, elsewhere in a window until it is closed."""
        from matplotlib import pyplot

        if pyplot.get_backend().lower() == "agg":
            print("no window can be opened here: write the image with save()")
            return
        figure, axes = pyplot.subplots(layout="constrained")
        axes.imshow(self.plot(**plot_options)[..., ::-1])
        axes.set_axis_off()
        pyplot.show()
        pyplot.close(figure)

    def _repr_jpeg_(self) -> bytes:
        """What notebooks show."""
        return cv2.imencode(".jpg", self.plot(), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()

    def verbose(self) -> str:
        """One line, such as "2 persons, 1 bus"."""
        counts = Counter(row.class_id for row in results_io.rows_of(self))
        parts = [pluralize(counts[class_id], self.names[class_id]) for class_id in sorted(counts)]
        return ", ".join(parts) or "(no detections)"

    def __repr__(self) -> str:
        height, width = self.orig_shape
        return f"Results({Path(self.path).name}, {width} x {height}: {self.verbose()})"

    # Saving

    def save(self, filename: str | Path | None = None, **plot_options: Any) -> str:
        """Write the image that `plot` draws, by default as results_NAME in the current folder; returns its path."""
        filename = Path(filename or f"results_{results_io.plain_name(Path(self.path).stem)}.jpg")
        write_image(filename, self.plot(**plot_options)[..., ::-1])
        return str(filename)

    def save_txt(self, path: str | Path, save_conf: bool = False) -> str:
        """Write one YOLO-seg row per instance: class, then x y of its contour as fractions of the image, then the
        score if `save_conf`. Returns the path.

        Parts and holes are joined by seams without width, so that the row draws the whole mask again.
        """
        return str(results_io.write_label_file(self, Path(path), save_conf))

    def save_crop(self, save_dir: str | Path, file_name: str | Path = "im.jpg") -> None:
        """Cut every box out of the image into save_dir/CLASS/file_name, numbered from the second of a class on.

        Characters of a class name that mean something in a path become underscores: names come with the weights.
        """
        results_io.write_crops(self, Path(save_dir), Path(file_name))

    # Handing on

    def summary(self, normalize: bool = False, decimals: int = 5) -> list[dict[str, Any]]:
        """One plain dict per instance: name, class, confidence, box (x1 y1 x2 y2), segments (x, y of `Masks.xy`).

        normalize: coordinates as fractions of the image's width and height; decimals: digits to round to.
        """
        return results_io.summary(self, normalize, decimals)

    def to_json(self, normalize: bool = False, decimals: int = 5) -> str:
        """`summary` as JSON."""
        return json.dumps(self.summary(normalize, decimals))

    tojson = to_json  # its older name

    def to_df(self, normalize: bool = False, decimals: int = 5) -> Any:
        """`summary` as a pandas data frame. Errors: SeglabError without pandas."""
        return results_io.data_frame(self.summary(normalize, decimals))

    def to_csv(self, normalize: bool = False, decimals: int = 5) -> str:
        """`summary` as CSV, box and segments as JSON in their columns."""
        return results_io.csv_text(self.summary(normalize, decimals))

    def to_coco(self, image_id: int, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """COCO's result format with masks as RLE, ready for JSON.

        category_ids: COCO's id of every class, by default the ids of every COCO file that seglab writes: COCO's own
        where all names are COCO's, else class id + 1.
        """
        return results_io.coco_rows(self, image_id, category_ids)

    def to_supervision(self) -> Any:
        """A supervision.Detections with boxes, masks, scores, class ids and names. Errors: SeglabError without it."""
        return results_io.supervision_detections(self)
