"""The detections in one image: the image, its boxes and masks, and ways to view, save and convert them.

Boxes and masks themselves are in `instances`; how they are written to files and other formats is in `results_io`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from seglab import tables
from seglab.data.image import write_image
from seglab.data.windows import Windows
from seglab.drawing.overlays import TEXT, draw_instances, natural_line_width
from seglab.errors import SeglabError
from seglab.inference import overview, results_io
from seglab.inference.instances import Array, Boxes, Masks, Movable
from seglab.sizes import size_text

IMAGES_SHOWN = 12  # of a list of results in a notebook


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
        results = self if img is not None or not self.is_large else self._overview()
        image = results.image if img is None else results_io.image_to_draw_on(img)
        if image.shape[:2] != results.orig_shape:
            raise SeglabError(
                f"img= is {size_text(image.shape[:2])}, but the results are of an image of "
                f"{size_text(self.orig_shape)}: resize it to that"
            )
        rows = results_io.rows_of(results.boxes)
        classes = [row.class_id for row in rows]
        if masks and results.masks is not None and len(results.masks) != len(rows):
            raise SeglabError(
                f"the results have {len(results.masks)} masks and {len(rows)} boxes: update(boxes=..., masks=...) both"
            )
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

    def _overview(self, max_side: int = overview.MAX_DRAWN_SIDE) -> Results:
        """The same results on an image of at most `max_side` pixels, without reading this one as a whole."""
        factor = overview.factor_of(self.orig_shape, max_side)
        image = overview.smaller_image(self.windows, factor)
        size = (image.shape[0], image.shape[1])
        boxes = overview.smaller_boxes(self.boxes, factor, size)
        masks = None if self.masks is None else overview.smaller_masks(self.masks, factor, size)
        results = Results.of_image(image, self.path, self.names, boxes, masks, self.speed)
        results.tile = None if self.tile is None else max(1, self.tile // factor)
        return results

    def show(self, *args: Any, **plot_options: Any) -> None:
        """Show what `plot` draws: under the cell in a notebook, elsewhere in a window until it is closed."""
        self.plot(*args, **{**plot_options, "show": True})

    def _repr_jpeg_(self) -> bytes:
        """What notebooks show."""
        return cv2.imencode(".jpg", self.plot(), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()

    def verbose(self) -> str:
        """One line, such as "2 persons, 1 bus, ": it ends in a comma, which scripts cut off."""
        return f"{results_io.counts_text(self.boxes, self.names)}, "

    def __repr__(self) -> str:
        counts = results_io.counts_text(self.boxes, self.names)
        return f"Results({Path(self.path).name}, {size_text(self.orig_shape)}: {counts})"

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
        score if `save_conf`, then the number of its track if it has one. Returns the path.

        Parts and holes are joined by seams without width, so that the row draws the whole mask again.
        """
        return str(results_io.write_label_file(self.boxes, self.masks, Path(txt_file), save_conf))

    def save_crop(self, save_dir: str | Path, file_name: str | Path = "im.jpg") -> None:
        """Cut every box out of the image into save_dir/CLASS/file_name, numbered from the second of a class on.

        Characters of a class name that mean something in a path become underscores: names come with the weights.
        """
        results_io.write_crops(self.boxes, self.names, self.windows, Path(save_dir), Path(file_name))

    # Handing on

    def summary(self, normalize: bool = False, decimals: int = 5) -> list[dict[str, Any]]:
        """One plain dict per instance: name, class, confidence, box (x1 y1 x2 y2), segments (x, y of `Masks.xy`).

        normalize: coordinates as fractions of the image's width and height; decimals: digits to round to.
        """
        return results_io.summary(self.boxes, self.masks, self.names, normalize, decimals)

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
        return results_io.coco_rows(self.boxes, self.masks, self.names, image_id, category_ids)

    def to_supervision(self) -> Any:
        """A supervision.Detections with boxes, masks, scores, class ids and names. Errors: SeglabError without it."""
        return results_io.supervision_detections(self.boxes, self.masks, self.names)


class ResultsList(list[Results]):
    """What `predict` returns: a list that notebooks show as images, and consoles as a line each."""

    def __repr__(self) -> str:
        return "[" + ",\n ".join(map(repr, self)) + "]"

    def _repr_html_(self) -> str:
        shown = []
        for results in self[:IMAGES_SHOWN]:
            counts = results_io.counts_text(results.boxes, results.names)
            shown.append((f"{Path(results.path).name}: {counts}", results._repr_jpeg_()))
        return results_io.html_of_images(shown, len(self))
