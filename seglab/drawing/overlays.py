"""Masks, outlines, boxes and labels over an image. Images are (H, W, 3) uint8 RGB; coordinates are in its pixels.

The functions named draw_* change the image they are given, touching only the windows they draw in;
`draw_instances` puts them together on a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from seglab.wording import shortened

Color = tuple[int, int, int]  # RGB
TEXT = "DejaVuSans-Bold.ttf"  # the font of labels
MAX_LABEL = 100  # characters that are written beside an instance
LIGHT = 140  # luminance, 0..255, from which black text on a color is easier to read than white

# Any two differ for everybody, by at least 14 in CIELAB: with common color vision, with deuteranopia and
# with protanopia. The first ones differ the most.
PALETTE: tuple[Color, ...] = (
    (90, 60, 245), (225, 225, 0), (120, 225, 245), (225, 0, 90), (90, 90, 150),
    (225, 90, 0), (200, 225, 150), (0, 245, 200), (0, 150, 120), (245, 150, 90),
    (0, 120, 245), (200, 120, 175), (120, 90, 30), (150, 150, 245), (245, 120, 150),
    (120, 175, 225), (175, 30, 200), (245, 150, 0), (200, 225, 90), (225, 60, 60),
)  # fmt: skip
# Where a label may go if it would cover another: rows up or down by its height, columns by half of its length.
LABEL_ROWS = 6
LABEL_COLUMNS = 2


def class_color(class_id: int) -> Color:
    """The color of a class; after twenty classes colors repeat."""
    return PALETTE[int(class_id) % len(PALETTE)]


def natural_line_width(image: np.ndarray) -> int:
    """Line width in pixels that looks alike on a thumbnail and on a large image: 2 at 640, 6 at 2000."""
    return max(1, round(0.4 + 0.0015 * sum(image.shape[:2])))


def draw_instances(
    image: np.ndarray,
    classes: Sequence[int],
    boxes: np.ndarray | None = None,
    crops: Sequence[tuple[int, int, np.ndarray]] | None = None,
    rings: Sequence[Sequence[np.ndarray]] | None = None,
    labels: Sequence[str] | None = None,
    line_width: float | None = None,
    opacity: float = 0.4,
    colors_by: Sequence[int] | None = None,
    text_size: float | None = None,
    text_color: Color | None = None,
    font: str = TEXT,
) -> np.ndarray:
    """A copy of `image` with N instances on it, highest score first; what is None is left out.

    boxes: (N, 4) xyxy; crops: left, top, (h, w) bool; rings: for each instance a list of (n, 2) outlines; labels: texts
    at the boxes' upper left, drawn only where boxes are given, and moved where one would cover another. Small masks are
    drawn over large ones, boxes of high scores over those of low ones. line_width: pixels, by default what suits the
    image; opacity: of the masks, 0..1; colors_by: numbers that colors go by, by default the classes; text_size: height
    of labels in pixels, by default what suits the lines; text_color: RGB, by default black or white, which is easier to
    read; font: a .ttf file.
    """
    image = np.ascontiguousarray(image).copy()
    width = natural_line_width(image) if line_width is None else max(1, round(line_width))
    box_width = width if rings is None else max(1, width // 2)  # outlines are drawn thicker than boxes
    colors = [class_color(number) for number in (classes if colors_by is None else colors_by)]

    # Three layers: masks, then outlines and boxes, then labels, which nothing may cover.
    if crops is not None:
        by_size = sorted(range(len(crops)), key=lambda index: -crops[index][2].size)
        for index in by_size:
            draw_mask(image, crops[index], colors[index], opacity)
    for index in reversed(range(len(colors))):
        if rings is not None:
            draw_outline(image, rings[index], colors[index], width)
        if boxes is not None:
            draw_box(image, boxes[index], colors[index], box_width)
    if boxes is not None and labels is not None:
        draw_labels(image, labels, boxes, colors, width, text_size, text_color, font)
    return image


def draw_mask(image: np.ndarray, crop: tuple[int, int, np.ndarray], fill: Color, opacity: float = 0.4) -> None:
    """Tint the pixels of a mask crop (left, top, (h, w) bool), which lies inside the image."""
    x0, y0, mask = crop
    height, width = mask.shape
    if not mask.size:
        return
    window = image[y0 : y0 + height, x0 : x0 + width]
    # A table of what each value of R, G and B becomes is faster than arithmetic on every pixel.
    levels = np.arange(256)[:, None] * (1 - opacity) + np.array(fill) * opacity  # (256, 3)
    tinted = cv2.LUT(window, levels.round().astype(np.uint8)[None])
    cv2.copyTo(tinted, mask.view(np.uint8), window)


def draw_outline(image: np.ndarray, rings: Sequence[np.ndarray], line: Color, width: int) -> None:
    """Draw an instance's rings, holes too, anti-aliased and with the corners of pixels rounded off."""
    # cv2 counts from pixel centers, and takes sixteenths of a pixel as whole numbers (shift=4).
    points = [np.round((soften(ring) - 0.5) * 16).astype(np.int32) for ring in rings]
    cv2.polylines(image, points, True, line, width, cv2.LINE_AA, shift=4)


def soften(ring: np.ndarray) -> np.ndarray:
    """Cut every corner of an (n, 2) ring at most a pixel from its vertex -> (2n, 2).

    Stairs of pixel edges become slopes, because short edges shrink to their midpoints, while long straight edges stay.
    """
    following = np.roll(ring, -1, axis=0)
    length = np.linalg.norm(following - ring, axis=1, keepdims=True)
    step = (following - ring) * np.minimum(0.5, 1 / np.maximum(length, 1e-9))
    return np.stack((ring + step, following - step), axis=1).reshape(-1, 2)


def draw_box(image: np.ndarray, box: np.ndarray, line: Color, width: int) -> None:
    """Draw a box (4,) xyxy."""
    x0, y0, x1, y1 = np.round(np.asarray(box) - 0.5).astype(int).tolist()
    cv2.rectangle(image, (x0, y0), (x1, y1), line, width, cv2.LINE_AA)


def draw_label(
    image: np.ndarray,
    text: str,
    box: np.ndarray,
    fill: Color,
    width: int,
    text_size: float | None = None,
    text_color: Color | None = None,
    font: str = TEXT,
) -> None:
    """Write on a plate of color `fill` that sits on the upper left corner of `box`, or inside it at the top edge.

    width: of the box's line, to which the text is sized unless `text_size` says how high it is, in pixels.
    text_color: RGB, by default black or white.
    """
    draw_labels(image, [text], np.asarray(box)[None], [fill], width, text_size, text_color, font)


def draw_labels(
    image: np.ndarray,
    texts: Sequence[str],
    boxes: np.ndarray,
    fills: Sequence[Color],
    width: int,
    text_size: float | None = None,
    text_color: Color | None = None,
    font: str = TEXT,
) -> None:
    """Labels of N boxes (N, 4) xyxy, most important first, as `draw_label` draws one; none covers another.

    A label that would goes to another corner of its box, or else to the nearest free place around it. Where an image is
    too crowded for that, it is covered by those of more important boxes.
    """
    texts = [shortened(text, MAX_LABEL) for text in texts]
    size = 5 + 4 * width if text_size is None else max(1, round(text_size))
    margin = 2 + width
    placed = np.zeros((0, 4), int)  # x y x y of the plates so far
    for text, box in zip(texts, boxes):
        if not text:
            plate = np.zeros(4, int)
        else:
            text_height, text_length = glyphs(text, size, font).shape
            choices = _plates_around(
                box, text_height + margin // 2 * 2, text_length + 2 * margin, width, image.shape[:2]
            )
            plate = _first_free(choices, placed)
        placed = np.concatenate((placed, plate[None]))

    for text, plate, fill in reversed([*zip(texts, placed.tolist(), fills)]):
        if not text:
            continue
        x0, y0, x1, y1 = plate
        image[y0:y1, x0:x1] = fill
        ink = text_color
        if ink is None:
            luminance = np.dot(fill, (0.299, 0.587, 0.114))
            ink = (0, 0, 0) if luminance > LIGHT else (255, 255, 255)
        write(image, text, x0 + margin, y0 + margin // 2, size, ink, font)


def _plates_around(box: np.ndarray, height: int, length: int, width: int, image_size: tuple[int, ...]) -> np.ndarray:
    """Plates (N, 4) xyxy for the label of a box, within the image (height, width), best first.

    First its corners: above the box where there is room, else below its upper edge. Then around these, nearest first.
    """
    left = int(box[0] - width / 2)
    right = int(box[2] + width / 2) - length
    top = int(box[1] - width / 2)
    bottom = int(box[3] + width / 2)
    above = top - height if top >= height else top + width
    corners = [(x, y) for y in (above, top + width, bottom, bottom - width - height) for x in (left, right)]

    rows = np.arange(-LABEL_ROWS, LABEL_ROWS + 1) * height
    columns = np.arange(-LABEL_COLUMNS, LABEL_COLUMNS + 1) * (length // 2)
    shifts = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)  # (65, 2)
    nearest_first = np.argsort(np.abs(shifts).sum(axis=1), kind="stable")
    start = np.concatenate((np.array(corners), shifts[nearest_first] + (left, above)))

    limit = np.array((image_size[1] - length, image_size[0] - height))
    start = np.maximum(0, np.minimum(start, limit))  # moved into the image where it would reach out
    return np.concatenate((start, start + (length, height)), axis=1)


def _first_free(plates: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """The first of `plates` (N, 4) xyxy that covers none of `placed` (M, 4); the first of all where each one does."""
    apart_x = (plates[:, None, 2] <= placed[:, 0]) | (placed[:, 2] <= plates[:, None, 0])  # (N, M)
    apart_y = (plates[:, None, 3] <= placed[:, 1]) | (placed[:, 3] <= plates[:, None, 1])
    free = (apart_x | apart_y).all(axis=1)
    return plates[int(free.argmax())]


def write(image: np.ndarray, text: str, x: int, y: int, size: int, color: Color, font: str = TEXT) -> None:
    """Write one line with its upper left corner at (x, y) >= 0; what reaches out of the image is cut off."""
    window = image[y:, x:]
    coverage = glyphs(text, size, font)[: window.shape[0], : window.shape[1], None] / 255.0  # (h, w, 1) in 0..1
    window = window[: coverage.shape[0], : coverage.shape[1]]
    blended = window + coverage * (np.array(color) - window)
    window[:] = blended.round()


@lru_cache(maxsize=1024)
def glyphs(text: str, size: int, font: str = TEXT) -> np.ndarray:
    """Coverage (h, w) uint8 of one line of text, of equal height for every text of one size.

    font: a .ttf file, or the name of one that is installed; one that is not there is drawn as the default.
    """
    from PIL import Image, ImageDraw, ImageFont

    # matplotlib carries DejaVu, which has the letters of most alphabets; finding it needs no import of matplotlib.
    matplotlib = find_spec("matplotlib")
    assert matplotlib is not None and matplotlib.origin is not None, "matplotlib is a dependency of seglab"
    fonts = Path(matplotlib.origin).parent / "mpl-data/fonts/ttf"
    try:
        letters = ImageFont.truetype(font if font != TEXT else str(fonts / TEXT), size)
    except OSError:
        letters = ImageFont.truetype(str(fonts / TEXT), size)
    ascent, descent = letters.getmetrics()
    canvas = Image.new("L", (max(1, round(letters.getlength(text))), ascent + descent))
    ImageDraw.Draw(canvas).text((0, 0), text, fill=255, font=letters)
    return np.asarray(canvas)


def draw_heatmap(image: np.ndarray, heat: np.ndarray, opacity: float = 0.6) -> np.ndarray:
    """A copy of `image` under colors from blue (0) to red (1), stronger where higher. heat: (H, W) float32 in 0..1."""
    bgr = cv2.applyColorMap((heat.clip(0, 1) * 255).round().astype(np.uint8), cv2.COLORMAP_JET)
    weight = opacity * heat.clip(0, 1)[..., None]
    mixed = image * (1 - weight) + bgr[..., ::-1] * weight
    return mixed.round().astype(np.uint8)
