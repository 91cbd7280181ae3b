"""Tiled prediction of a large scene: what it finds beside prediction of the whole image, and whether masks stay.

    python -m benchmarks.tiles [--rows 6 --columns 8 --side 500]

The scene is a mosaic of toybox scenes, by default 4,000 x 3,000 pixels. An object counts as found where a mask of its
class has an IoU of at least one half with it; small ones have fewer than 32 x 32 pixels.
"""

from __future__ import annotations

import argparse

import numpy as np

from seglab import YOLO, Results
from seglab.geometry.rle import Rle, area, encode, iou, rings_to_rle
from seglab.inference.tiles import Window, tile_windows
from seglab.toybox.scene import scene

TILE, OVERLAP = 640, 0.2
SMALL = 32 * 32  # pixels
FOUND = 0.5  # IoU
MARGIN = 4  # pixels from the border of a tile, within which an object may be cut

Object = tuple[int, Rle]  # class id and mask


def mosaic(rows: int, columns: int, side: int) -> tuple[np.ndarray, list[Object]]:
    """RGB, and every object: toybox scenes beside each other."""
    size = (rows * side, columns * side)
    image = np.zeros((*size, 3), np.uint8)
    objects = []
    for row in range(rows):
        for column in range(columns):
            one = scene((5, row, column), (side, side))
            y = row * side
            x = column * side
            image[y : y + side, x : x + side] = one.image
            for instance in one.instances:
                rings = [ring + (x, y) for ring in instance.rings]
                objects.append((instance.class_id, rings_to_rle(rings, *size)))
    return image, [(class_id, rle) for class_id, rle in objects if area(rle)]


def found_of(results: Results, objects: list[Object]) -> np.ndarray:
    """For every object the best IoU of a detection of its class."""
    classes = np.asarray(results.boxes.numpy().cls).astype(int)
    overlaps = iou(results.masks.rle, [rle for _, rle in objects])
    same = classes[:, None] == np.array([class_id for class_id, _ in objects])
    return (overlaps * same).max(axis=0)


def within_a_tile(results: Results, tiles: list[Window]) -> list[Object]:
    """The detections that lie in one tile as a whole."""
    within = []
    for row, rle in zip(results.boxes.data.tolist(), results.masks.rle):
        if any(_holds(tile, row[:4]) for tile in tiles):
            within.append((int(row[5]), rle))
    return within


def _holds(tile: Window, box: list[float]) -> bool:
    left, top, right, bottom = box
    is_below = tile.left + MARGIN < left and tile.top + MARGIN < top
    return is_below and right < tile.right - MARGIN and bottom < tile.bottom - MARGIN


def alone(model: YOLO, bgr: np.ndarray, tile: Window, tiles: list[Window]) -> list[Rle]:
    """What is found on a tile as an image of its own and touches no other tile, as masks of the whole image."""
    piece = np.ascontiguousarray(bgr[tile.top : tile.bottom, tile.left : tile.right])
    (result,) = model.predict(piece, imgsz=TILE, verbose=False)
    kept = []
    size = bgr.shape[:2]
    for x0, y0, crop in result.masks.crops if result.masks else ():
        left = tile.left + x0
        top = tile.top + y0
        right = left + crop.shape[1]
        bottom = top + crop.shape[0]
        if not any(_touches(other, (left, top, right, bottom)) for other in tiles if other is not tile):
            mask = np.zeros(size, bool)
            mask[top:bottom, left:right] = crop
            kept.append(encode(mask))
    return kept


def _touches(tile: Window, box: tuple[int, int, int, int]) -> bool:
    left, top, right, bottom = box
    return left < tile.right and tile.left < right and top < tile.bottom and tile.top < bottom


def main(rows: int, columns: int, side: int) -> None:
    model = YOLO("toybox-n")
    image, objects = mosaic(rows, columns, side)
    bgr = np.ascontiguousarray(image[..., ::-1])
    height, width = image.shape[:2]
    small = np.array([area(rle) < SMALL for _, rle in objects])
    tiles = tile_windows((height, width), TILE, OVERLAP)
    own_size = max(height, width)
    tiled = model.predict(bgr, imgsz=TILE, tile=TILE, overlap=OVERLAP, verbose=False)[0]
    untiled = {size: model.predict(bgr, imgsz=size, verbose=False)[0] for size in (TILE, 2 * TILE, own_size)}
    named = {f"the whole image at {size}": found for size, found in untiled.items()}
    print(f"{width:,} x {height:,} pixels, {len(objects)} objects, {small.sum()} of them small\n")
    print("| | small objects found | all objects found |\n|-|-|-|")
    for name, results in (named | {f"`tile={TILE}`": tiled}).items():
        is_found = found_of(results, objects) >= FOUND
        print(f"| {name} | {is_found[small].sum()} of {small.sum()} | {is_found.sum()} of {len(objects)} |")
    within = within_a_tile(untiled[own_size], tiles)
    overlaps = found_of(tiled, within)
    print(
        f"\nOf the {len(within)} masks that the whole image at its own size has within one tile, the median IoU with "
        f"those of tiled prediction is {np.median(overlaps):.3f}."
    )
    own = [rle for tile in tiles for rle in alone(model, bgr, tile, tiles)]
    same = (iou(tiled.masks.rle, own).max(axis=0) == 1).sum()
    print(
        f"Of the {len(own)} masks that tiles have as images of their own, and that touch no other tile, tiled "
        f"prediction has {same} pixel by pixel."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--side", type=int, default=500)
    given = parser.parse_args()
    main(given.rows, given.columns, given.side)
