"""The detections in one image: boxes, masks, and ways to view, save and convert them.

The classes here hold the data; how it is written to files and other formats is in `results_io`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import torch

from seglab import tables
from seglab.data.image import write_image
from seglab.data.windows import Windows
from seglab.drawing.overlays import TEXT, draw_instances, natural_line_width
from seglab.errors import SeglabError
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.letterbox import letterbox
from seglab.geometry.outline import mask_to_outline
from seglab.geometry.rle import Rle, crop_to_rle
from seglab.inference import results_io
from seglab.inference.masks import MaskCrop, PackedCrops

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
        return f"Boxes({len(self)} in an image of {_size_text(self.orig_shape)}; columns {columns})\n{text}"


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
        return (len(self), *self.orig_shape) if given is None else given.shape

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
        return f"Masks({len(self)} in an image of {_size_text(self.orig_shape)}; pixels: {pixels}{more})"


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


def _size_text(shape: tuple[int, int]) -> str:
    """(height, width) as people write it."""
    return f"{shape[1]} x {shape[0]}"


class ImagePair:
    """One image in both orders of its colors, the second made when it is asked for.

    What was asked for in BGR may be drawn on: from then on, it is what RGB is a view of. An image that is too large to
    be held (`seglab.data.windows`) is read whenever one of the two is asked for.
    """

    def __init__(self, rgb: np.ndarray | Windows | None = None, bgr: np.ndarray | None = None):
        self._rgb = rgb
        self._bgr = bgr

    @property
    def source(self) -> np.ndarray | Windows:
        """RGB of which windows, [top:bottom, left:right], are read: without reading a large image as a whole."""
        if self._bgr is not None:
            return self._bgr[..., ::-1]
        assert self._rgb is not None
        return self._rgb

    @property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        source = self.source
        return source if isinstance(source, np.ndarray) else source[:, :]

    @property
    def bgr(self) -> np.ndarray:
        """(H, W, 3) uint8 BGR, the same array every time."""
        if self._bgr is None:
            self._bgr = np.ascontiguousarray(self.rgb[..., ::-1])
        return self._bgr


class Results(Movable):
    """The instances in one image, highest score first.

    image: (H, W, 3) uint8 RGB, and orig_img the same in BGR; names: class id -> name; boxes: Boxes; masks: Masks, None
    when nothing was found; speed: milliseconds this image took to preprocess, inference and postprocess; save_dir: the
    folder that predict wrote into, if it did.
    """

    probs = keypoints = obb = semantic_mask = depth = None  # what other tasks find

    def __init__(
        self,
        orig_img: np.ndarray,
        path: str,
        names: dict[int, str],
        boxes: Boxes | Array | None = None,
        masks: Masks | Array | None = None,
        probs: None = None,
        keypoints: None = None,
        obb: None = None,
        speed: dict[str, float] | None = None,
    ):
        """orig_img: (H, W, 3) uint8 BGR; boxes: Boxes, or rows (N, 6) as they have them; masks: Masks, or (N, H, W)."""
        self._refuse(probs=probs, keypoints=keypoints, obb=obb)
        self._pixels = ImagePair(bgr=orig_img)
        self.path = path
        self.names = names
        self.speed = speed if speed is not None else dict.fromkeys(("preprocess", "inference", "postprocess"), 0.0)
        self.save_dir: str | None = None
        self.tile: int | None = None  # side of the tiles it was predicted by, for which lines and texts are sized
        self.heatmap: np.ndarray | None = None  # (H, W) float32 in 0..1, with visualize=True
        self.boxes = self._as_boxes(torch.zeros(0, 6) if boxes is None else boxes)
        self.masks = self._as_masks(masks)

    @classmethod
    def of_image(
        cls,
        image: np.ndarray | Windows,
        path: str,
        names: dict[int, str],
        boxes: Boxes,
        masks: Masks | None,
        speed: dict[str, float],
    ) -> Results:
        """Results of an image that is (H, W, 3) uint8 RGB, as seglab has them; BGR is made when it is asked for."""
        results = cls(np.zeros((0, 0, 3), np.uint8), path, names, boxes, masks, speed=speed)
        results._pixels = ImagePair(rgb=image)
        return results

    @property
    def image(self) -> np.ndarray:
        """The image as (H, W, 3) uint8 RGB."""
        return self._pixels.rgb

    @property
    def is_large(self) -> bool:
        """Whether the image is one that tiled prediction reads by windows."""
        return not isinstance(self.windows, np.ndarray)

    @property
    def windows(self) -> np.ndarray | Windows:
        """`image`, of which windows can be read, `windows[top:bottom, left:right]`, without the rest of it."""
        return self._pixels.source

    @property
    def orig_img(self) -> np.ndarray:
        """The image as (H, W, 3) uint8 BGR, as cv2 has it. What is drawn on it, `plot` shows too."""
        return self._pixels.bgr

    @orig_img.setter
    def orig_img(self, image: np.ndarray) -> None:
        self._pixels = ImagePair(bgr=image)

    @property
    def orig_shape(self) -> tuple[int, int]:
        """(height, width) of the image."""
        height, width = self.windows.shape[:2]
        return height, width

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Results]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: Any) -> Results:
        """One instance by number, or several by slice, list, numbers or boolean choice, as results of their own."""
        masks = None if self.masks is None else self.masks[index]
        return self._with(self.boxes[index], masks)

    def numpy(self) -> Results:
        """The same results with numpy arrays for tensors."""
        masks = None if self.masks is None else self.masks.numpy()
        return self._with(self.boxes.numpy(), masks)

    def to(self, *args: Any, **kwargs: Any) -> Results:
        """The same results with tensors on a device, of a type, or both, as torch.Tensor.to takes them."""
        masks = None if self.masks is None else self.masks.to(*args, **kwargs)
        return self._with(self.boxes.to(*args, **kwargs), masks)

    def new(self) -> Results:
        """Results of the same image without any instances."""
        return self._with(self.boxes[:0], None)

    def update(
        self,
        boxes: Boxes | Array | None = None,
        masks: Masks | Array | None = None,
        probs: None = None,
        obb: None = None,
        keypoints: None = None,
    ) -> None:
        """Put other boxes, masks or both in place, boxes cut off at the image's edges. None leaves what is there."""
        self._refuse(probs=probs, keypoints=keypoints, obb=obb)
        if boxes is not None:
            height, width = self.orig_shape
            rows = self._as_boxes(boxes).data
            rows = rows.clone() if isinstance(rows, torch.Tensor) else rows.copy()
            rows[:, [0, 2]] = rows[:, [0, 2]].clip(0, width)
            rows[:, [1, 3]] = rows[:, [1, 3]].clip(0, height)
            self.boxes = Boxes(rows, self.orig_shape)
        if masks is not None:
            self.masks = self._as_masks(masks)

    def _with(self, boxes: Boxes, masks: Masks | None) -> Results:
        """Other instances of the same image."""
        results = Results.of_image(self.windows, self.path, self.names, boxes, masks, self.speed)
        results._pixels = self._pixels
        results.save_dir = self.save_dir
        results.tile = self.tile
        return results

    def _as_boxes(self, boxes: Boxes | Array) -> Boxes:
        return boxes if isinstance(boxes, Boxes) else Boxes(boxes, self.orig_shape)

    def _as_masks(self, masks: Masks | Array | None) -> Masks | None:
        return masks if masks is None or isinstance(masks, Masks) else Masks(masks, self.orig_shape)

    @staticmethod
    def _refuse(**others: Any) -> None:
        """Errors: SeglabError for what other tasks find."""
        for name, value in others.items():
            if value is not None:
                raise SeglabError(
                    f"Results takes no {name}=: seglab segments instances only, so pass boxes= and masks="
                )

    # Looking

    def plot(
        self,
        conf: bool = True,
        line_width: float | None = None,
        font_size: float | None = None,
        font: str = TEXT,
        pil: bool = False,
        img: Any = None,
        im_gpu: Any = None,
        kpt_radius: int = 5,
        kpt_line: bool = True,
        labels: bool = True,
        boxes: bool = True,
        masks: bool = True,
        probs: bool = True,
        show: bool = False,
        save: bool = False,
        filename: str | Path | None = None,
        color_mode: str = "class",
        txt_color: tuple[int, int, int] | None = None,
    ) -> Any:
        """The image with the instances drawn on it -> (H, W, 3) uint8 BGR; with pil=True a PIL image.

        labels and conf write names and scores; img: another image to draw on, BGR, gray, PIL or float (3, H, W) RGB;
        font_size: height of the text in pixels; font: a .ttf file; txt_color: BGR, by default black or white, which is
        easier to read; color_mode: "class" or "instance", by what colors differ; show, save: also show it, or write it
        to `filename`. im_gpu, kpt_radius, kpt_line and probs concern other tasks and change nothing.
        """
        if color_mode not in ("class", "instance"):
            raise SeglabError(f"color_mode={color_mode!r} must be 'class' or 'instance'")
        # Another image must have the size that boxes and masks are in.
        # A large image is drawn smaller, without reading it as a whole.
        results = self if img is not None or not self.is_large else results_io.overview(self)
        image = results.image if img is None else results_io.image_to_draw_on(img)
        if image.shape[:2] != results.orig_shape:
            raise SeglabError(
                f"img= is {_size_text(image.shape[:2])}, but the results are of an image of "
                f"{_size_text(self.orig_shape)}: resize it to that"
            )
        rows = results_io.rows_of(results)
        classes = [row.class_id for row in rows]
        # What is not asked for is None, which draws nothing.
        shown = results.masks if masks else None
        drawn = draw_instances(
            image,
            classes,
            boxes=np.array([row.box for row in rows]) if boxes else None,
            crops=None if shown is None else shown.crops,
            rings=None if shown is None else shown.rings,
            labels=[results_io.label_of(row, self.names, conf) for row in rows] if labels else None,
            line_width=natural_line_width(image[: results.tile, : results.tile]) if line_width is None else line_width,
            colors_by=classes if color_mode == "class" else range(len(rows)),
            text_size=font_size,
            text_color=None if txt_color is None else txt_color[::-1],
            font=font,
        )
        # Drawn in RGB; given back in BGR, as cv2 and ultralytics have it.
        if show:
            results_io.show_image(drawn)
        if save:
            write_image(Path(filename or self._default_filename()), drawn)
        if pil:
            from PIL import Image

            return Image.fromarray(drawn)
        return np.ascontiguousarray(drawn[..., ::-1])

    def show(self, *args: Any, **plot_options: Any) -> None:
        """Show what `plot` draws: under the cell in a notebook, elsewhere in a window until it is closed."""
        self.plot(*args, **{**plot_options, "show": True})

    def _repr_jpeg_(self) -> bytes:
        """What notebooks show."""
        return cv2.imencode(".jpg", self.plot(), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()

    def verbose(self) -> str:
        """One line, such as "2 persons, 1 bus, ": it ends in a comma, which scripts cut off."""
        return f"{results_io.counts_text(self)}, "

    def __repr__(self) -> str:
        height, width = self.orig_shape
        return f"Results({Path(self.path).name}, {width} x {height}: {results_io.counts_text(self)})"

    # Saving

    def save(self, filename: str | Path | None = None, *args: Any, **plot_options: Any) -> str:
        """Write the image that `plot` draws, by default as results_NAME in the current folder; returns its path."""
        filename = Path(filename or self._default_filename())
        self.plot(*args, **{**plot_options, "save": True, "filename": filename})
        return str(filename)

    def _default_filename(self) -> str:
        return f"results_{results_io.plain_name(Path(self.path).stem)}.jpg"

    def save_txt(self, txt_file: str | Path, save_conf: bool = False) -> str:
        """Write one YOLO-seg row per instance: class, then x y of its contour as fractions of the image, then the
        score if `save_conf`. Returns the path.

        Parts and holes are joined by seams without width, so that the row draws the whole mask again.
        """
        return str(results_io.write_label_file(self, Path(txt_file), save_conf))

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
        return tables.json_text(self.summary(normalize, decimals))

    tojson = to_json  # its older name

    def to_df(self, normalize: bool = False, decimals: int = 5) -> Any:
        """`summary` as a data frame of pandas, or of polars where a script uses that (see seglab.tables.data_frame)."""
        return tables.data_frame(self.summary(normalize, decimals))

    def to_csv(self, normalize: bool = False, decimals: int = 5) -> str:
        """`summary` as CSV, box and segments as JSON in their columns."""
        return tables.csv_text(self.summary(normalize, decimals), results_io.COLUMNS)

    def to_xml(self, normalize: bool = False, decimals: int = 5) -> str:
        """`summary` as XML, one `row` an instance, box and segments as JSON."""
        return tables.xml_text(self.summary(normalize, decimals))

    def to_html(self, normalize: bool = False, decimals: int = 5) -> str:
        """`summary` as an HTML table, box and segments as JSON."""
        return tables.html_text(self.summary(normalize, decimals), results_io.COLUMNS)

    def to_sql(
        self,
        table_name: str = "results",
        normalize: bool = False,
        decimals: int = 5,
        db_path: str | Path = "results.db",
    ) -> None:
        """Add the rows of `summary` to a table of an SQLite file, box and segments as JSON."""
        items = self.summary(normalize, decimals)
        tables.add_to_sqlite(items, results_io.COLUMNS, table_name, Path(db_path))

    def to_coco(self, image_id: int, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """COCO's result format with masks as RLE, ready for JSON.

        category_ids: COCO's id of every class, by default the ids of every COCO file that seglab writes: COCO's own
        where all names are COCO's, else class id + 1.
        """
        return results_io.coco_rows(self, image_id, category_ids)

    def to_supervision(self) -> Any:
        """A supervision.Detections with boxes, masks, scores, class ids and names. Errors: SeglabError without it."""
        return results_io.supervision_detections(self)


class ResultsList(list[Results]):
    """What `predict` returns: a list that notebooks show as images, and consoles as a line each."""

    def __repr__(self) -> str:
        return "[" + ",\n ".join(map(repr, self)) + "]"

    def _repr_html_(self) -> str:
        return results_io.html_of_list(self)
