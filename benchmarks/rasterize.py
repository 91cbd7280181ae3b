"""Times the polygon rasterizers beside cv2.fillPoly and pycocotools, and shows what each keeps of COCO's masks.

    python -m benchmarks.rasterize rounds=200

Round outlines of rising size in a 640 x 640 image, ten seconds on one thread. fill: COCO's mask at full size;
pycocotools: the same through its whole-image calls; cv2.fillPoly: integer vertices; coverage: exact shares of a
160 x 160 grid, in the object's own window, as training asks for. Microseconds a call, best of all rounds; IoU is
against pycocotools.
"""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
from pycocotools import mask as coco

from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import bounding_box
from seglab.geometry.raster import coverage, fill

SIDE, GRID = 640, 160


def blob(rng: np.random.Generator, vertices: int, radius: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    reach = radius * rng.uniform(0.8, 1.2, (vertices, 1))
    return (SIDE / 2 + reach * np.stack((np.cos(angle), np.sin(angle)), axis=1)).round(2)


def best(function: Callable[[], object], rounds: int) -> float:
    """The shortest of `rounds` calls, in microseconds."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds) * 1e6


def with_opencv(ring: np.ndarray) -> np.ndarray:
    return cv2.fillPoly(np.zeros((SIDE, SIDE), np.uint8), [ring.astype(np.int32)], 1)


def with_pycocotools(ring: np.ndarray) -> np.ndarray:
    return coco.decode(coco.merge(coco.frPyObjects([ring.ravel().tolist()], SIDE, SIDE)))


def main(rounds: int = 200) -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    print("| vertices | radius, px | fill, us | pycocotools, us | cv2.fillPoly, us | its IoU ", end="")
    print("| coverage, us | mask_to_rings, us |\n|-|-|-|-|-|-|-|-|")
    for vertices, radius in ((30, 8), (30, 20), (60, 40), (100, 80), (200, 160), (200, 280)):
        ring = blob(rng, vertices, radius)
        left, top, right, bottom = bounding_box([ring]) * GRID / SIDE
        window = int(left), int(top), int(np.ceil(right)), int(np.ceil(bottom))
        mask, rough = fill([ring], SIDE, SIDE), with_opencv(ring).astype(bool)
        assert (mask == with_pycocotools(ring)).all()
        calls = {
            "fill": lambda: fill([ring], SIDE, SIDE),  # noqa: B023
            "pycocotools": lambda: with_pycocotools(ring),  # noqa: B023
            "cv2": lambda: with_opencv(ring),  # noqa: B023
            "coverage": lambda: coverage([ring], GRID, GRID, GRID / SIDE, window),  # noqa: B023
            "contours": lambda: mask_to_rings(mask),  # noqa: B023
        }
        us = {name: f"{best(call, rounds):.0f}" for name, call in calls.items()}
        iou = f"{(mask & rough).sum() / (mask | rough).sum():.3f}"
        row = (vertices, radius, us["fill"], us["pycocotools"], us["cv2"], iou, us["coverage"], us["contours"])
        print("|", *(f"{figure} |" for figure in row))


if __name__ == "__main__":
    main(**{name: ast.literal_eval(value) for name, value in (word.split("=", 1) for word in sys.argv[1:])})
