"""Draw the pictures of docs/mask-images.md: what a mask image looks like, and the instances that seglab reads of it.

PYTHONPATH=. python docs/build_mask_images.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.drawing.overlays import draw_instances
from seglab.geometry.rle import rle_to_crop

OUT = Path(__file__).parent / "images"
SIZE = (120, 160)  # (height, width) of the scene
GAP = 8  # white pixels between panels
SHAPES = (  # class, how it is drawn: three instances of two classes, two of which touch
    ("cup", lambda image, value: cv2.circle(image, (42, 50), 26, value, -1)),
    ("cup", lambda image, value: cv2.ellipse(image, (90, 74), (22, 34), 0, 0, 360, value, -1)),
    (
        "kite",
        lambda image, value: cv2.fillPoly(image, [np.array([[112, 60], [132, 24], [152, 60], [132, 108]])], value),
    ),
)
COLORS = ((230, 80, 60), (60, 160, 80), (70, 110, 220))


def scene() -> np.ndarray:
    """The image that all masks are of, (h, w, 3) uint8."""
    image = np.full((*SIZE, 3), (205, 196, 180), np.uint8)
    for (_, draw), color in zip(SHAPES, ((150, 90, 70), (120, 130, 90), (90, 110, 150))):
        draw(image, color)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


def drawn(values, channels: int = 1) -> np.ndarray:
    """All shapes in one mask image."""
    image = np.zeros((*SIZE, channels), np.uint8)
    for (_, draw), value in zip(SHAPES, values):
        draw(image, value)
    return image[..., 0] if channels == 1 else image


def soft(image: np.ndarray) -> np.ndarray:
    large = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    return cv2.resize(cv2.GaussianBlur(large, (0, 0), 3), SIZE[::-1], interpolation=cv2.INTER_AREA)


def one_each(folder: Path) -> list[np.ndarray]:
    masks = []
    for number, (name, draw) in enumerate(SHAPES):
        mask = np.zeros(SIZE, np.uint8)
        draw(mask, 255)
        save(mask, folder / f"a_{name}_{number}.png")
        masks.append(mask)
    return masks


def ids(folder: Path) -> list[np.ndarray]:
    save(drawn((1, 2, 3)), folder / "a.png")
    return [drawn((60, 120, 180))]  # as 1, 2 and 3 would look black


def colors(folder: Path) -> list[np.ndarray]:
    return [save(drawn(COLORS, 3), folder / "a.png")]


def white(folder: Path) -> list[np.ndarray]:
    return [save(drawn((255, 255, 255)), folder / "a.png")]


def soft_edges(folder: Path) -> list[np.ndarray]:
    return [save(soft(drawn(COLORS, 3)), folder / "a.png")]


def alpha(folder: Path) -> list[np.ndarray]:
    pixels = np.dstack((drawn(COLORS, 3), drawn((255, 255, 255))))
    save(pixels, folder / "a.png")
    checkers = np.where(np.indices(SIZE).sum(axis=0) // 8 % 2, 225, 250).astype(np.uint8)
    return [np.where(pixels[..., 3:] > 0, pixels[..., :3], checkers[..., None])]


def palette(folder: Path) -> list[np.ndarray]:
    (folder / "labelmap.txt").write_text("background:0,0,0::\ncup:230,80,60::\nkite:70,110,220::\n")
    return [save(drawn((COLORS[0], COLORS[0], COLORS[2]), 3), folder / "a.png")]


def save(pixels: np.ndarray, file: Path) -> np.ndarray:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)
    return pixels


def as_read(root: Path) -> np.ndarray:
    """The image with the instances that seglab finds."""
    spec = load_dataset(root)
    (entry,) = spec.labels.entries
    found = spec.labels.load(entry).instances
    crops = [rle_to_crop(each.rle) for each in found]
    boxes = np.array([(x, y, x + crop.shape[1], y + crop.shape[0]) for x, y, crop in crops], np.float64)
    numbers = list(range(len(found)))
    labels = [spec.names[each.class_id] for each in found]
    return draw_instances(read_image(entry.image), numbers, boxes=boxes, crops=crops, labels=labels)


def panels(images: list[np.ndarray]) -> np.ndarray:
    """Images side by side, white between them."""
    row: list[np.ndarray] = []
    for image in images:
        rgb = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
        row += [rgb, np.full((SIZE[0], GAP, 3), 255, np.uint8)]
    return np.hstack(row[:-1])


PICTURES: dict[str, Callable[[Path], list[np.ndarray]]] = {
    "ids": ids,
    "colors": colors,
    "one-each": one_each,
    "white": white,
    "soft": soft_edges,
    "alpha": alpha,
    "palette": palette,
}


def main() -> None:
    for name, write in PICTURES.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            save(scene(), root / "images" / "a.png")
            (root / "masks").mkdir()
            shown = write(root / "masks")
            Image.fromarray(panels([scene(), *shown, as_read(root)])).save(OUT / f"masks-{name}.png", optimize=True)
            print(f"wrote {OUT / f'masks-{name}.png'}")


if __name__ == "__main__":
    main()
