"""Drawing as scripts do it with `utils.plotting`: one object that holds an image and draws on it. Colors are BGR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from seglab.data.image import write_image
from seglab.drawing.overlays import (
    PALETTE,
    TEXT,
    class_color,
    draw_box,
    draw_label,
    draw_mask,
    glyphs,
    natural_line_width,
    write,
)

BGR = tuple[int, int, int]


class Colors:
    """A color for every class: `colors(3)` is RGB, `colors(3, True)` BGR."""

    n = len(PALETTE)
    palette = PALETTE

    def __call__(self, i: Any, bgr: bool = False) -> tuple[int, int, int]:
        color = class_color(int(i))
        return color[::-1] if bgr else color

    @staticmethod
    def hex2rgb(h: str) -> tuple[int, int, int]:
        """A color as web pages write it, such as `#FF3838` -> (255, 56, 56)."""
        digits = h.lstrip("#")
        red, green, blue = (int(digits[start : start + 2], 16) for start in (0, 2, 4))
        return red, green, blue


colors = Colors()
LIGHT = 128  # mean of a color's channels from which dark text is read better on it


class Annotator:
    """An image that is drawn on in place. im: (H, W, 3) uint8 BGR, or PIL; line_width: pixels, by default what suits.

    font_size: height of text in pixels, by default what suits the lines.
    """

    def __init__(
        self,
        im: Any,
        line_width: int | None = None,
        font_size: int | None = None,
        font: str = TEXT,
        pil: bool = False,
        example: str = "abc",
    ):
        if isinstance(im, np.ndarray):
            self.im = im if im.flags.writeable and im.flags.c_contiguous else np.ascontiguousarray(im).copy()
        else:
            self.im = np.ascontiguousarray(np.asarray(im.convert("RGB"))[..., ::-1])
        self.lw = line_width or natural_line_width(self.im)
        self.font_size = font_size
        self.font = font
        self.pil = False  # text of any script is drawn without it

    def box_label(
        self, box: Any, label: str = "", color: BGR = (128, 128, 128), txt_color: BGR | None = None, *_: Any, **__: Any
    ) -> None:
        """A box (4,) xyxy with a label at its upper left corner."""
        corners = np.asarray([float(value) for value in box])
        draw_box(self.im, corners, color, self.lw)
        draw_label(self.im, label, corners, color, self.lw, self.font_size, txt_color, self.font)

    def masks(self, masks: Any, colors: Sequence[BGR], im_gpu: Any = None, alpha: float = 0.5) -> None:
        """Tint N masks (N, H, W) of the image's own size, in N colors."""
        arrays = masks.cpu().numpy() if isinstance(masks, torch.Tensor) else np.asarray(masks)
        for mask, color in zip(arrays, colors):
            draw_mask(self.im, (0, 0, np.ascontiguousarray(mask > 0.5)), color, alpha)

    def seg_bbox(
        self, mask: np.ndarray, mask_color: BGR = (255, 0, 255), label: str = "", txt_color: BGR = (255, 255, 255)
    ) -> None:
        """An outline (n, 2) xy with a label in its middle."""
        if not len(mask):
            return
        cv2.polylines(self.im, [np.asarray(mask, np.int32)], True, mask_color, self.lw * 2)
        if label:
            x, y = np.asarray(mask).mean(axis=0).astype(int).tolist()
            draw_label(
                self.im, label, np.array((x, y, x, y)), mask_color, self.lw, self.font_size, txt_color, self.font
            )

    def rectangle(self, xy: Any, fill: BGR | None = None, outline: BGR | None = None, width: int = 1) -> None:
        """A rectangle (4,) xyxy, filled, outlined or both."""
        x0, y0, x1, y1 = (round(float(value)) for value in xy)
        if fill is not None:
            cv2.rectangle(self.im, (x0, y0), (x1, y1), fill, cv2.FILLED)
        if outline is not None:
            cv2.rectangle(self.im, (x0, y0), (x1, y1), outline, width)

    def text(self, xy: Any, text: str, txt_color: BGR = (255, 255, 255), anchor: str = "top", *_: Any) -> None:
        """One line of text, whose upper left corner is at `xy`; anchor="bottom": its lower left corner."""
        size = self.font_size or 5 + 4 * self.lw
        x, y = (max(0, round(float(value))) for value in xy)
        if anchor == "bottom":
            y = max(0, y - len(glyphs(text, size, self.font)))
        write(self.im, text, x, y, size, txt_color, self.font)

    def get_txt_color(self, color: BGR = (128, 128, 128), txt_color: BGR = (255, 255, 255)) -> BGR:
        """The color of text that is read well on a color: black on light ones, else `txt_color`."""
        return (0, 0, 0) if sum(color) / 3 > LIGHT else txt_color

    @staticmethod
    def get_bbox_dimension(bbox: Sequence[float]) -> tuple[float, float, float]:
        """Width, height and area of a box (4,) xyxy."""
        x0, y0, x1, y1 = bbox
        width, height = x1 - x0, y1 - y0
        return width, height, width * height

    def show(self, title: str | None = None) -> None:
        """Open the image in a viewer."""
        self.result(pil=True).show(title=title)

    def fromarray(self, im: np.ndarray) -> None:
        """Draw on another image from now on."""
        self.im = im

    def result(self, pil: bool = False) -> Any:
        """The image: BGR, or with pil=True PIL."""
        if pil:
            from PIL import Image

            return Image.fromarray(self.im[..., ::-1])
        return self.im

    def save(self, filename: str | Path = "image.jpg") -> None:
        """Write the image."""
        write_image(Path(filename), np.ascontiguousarray(self.im[..., ::-1]))


def save_one_box(
    xyxy: Any,
    im: np.ndarray,
    file: str | Path = "im.jpg",
    gain: float = 1.02,
    pad: int = 10,
    square: bool = False,
    BGR: bool = False,
    save: bool = True,
) -> np.ndarray:
    """Cut a box (4,) xyxy out of an image (H, W, 3) BGR, grown by `gain` and `pad` pixels, and write it to `file`.

    Returns the crop, in BGR with BGR=True, else in RGB.
    """
    x0, y0, x1, y1 = (float(value) for value in np.asarray(xyxy, dtype=float).reshape(4))
    width, height = x1 - x0, y1 - y0
    if square:
        width = height = max(width, height)
    half_width, half_height = (width * gain + pad) / 2, (height * gain + pad) / 2
    center_x, center_y = (x0 + x1) / 2, (y0 + y1) / 2
    left, right = max(0, int(center_x - half_width)), min(im.shape[1], int(center_x + half_width))
    top, bottom = max(0, int(center_y - half_height)), min(im.shape[0], int(center_y + half_height))
    crop = im[top:bottom, left:right]
    if save:
        write_image(Path(file).with_suffix(".jpg"), np.ascontiguousarray(crop[..., ::-1]))
    return crop if BGR else crop[..., ::-1]
