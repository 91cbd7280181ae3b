"""The explorer as one HTML file that needs neither kernel nor network: images and candidates are inside it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from seglab.drawing.overlays import PALETTE
from seglab.files import atomic_write
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import Ring
from seglab.image_files import DEFAULT_READING, Reading
from seglab.inference.masks import MaskCrop
from seglab.widgets.explored_image import MAX_DETECTIONS, ExploredImage, predict_candidates
from seglab.widgets.images import samples
from seglab.widgets.panel import encode
from seglab.wording import pluralize

TEMPLATE = Path(__file__).with_name("page.html")
MAX_CANDIDATES = 1000  # per image, highest scores first
MASK_THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)  # at which the page can cut masks
MAX_STEP = 26  # pixels in one letter of an outline


def explorer_page(
    model: Any,
    images: Any = "toybox8-seg",
    out: str | Path = "explorer.html",
    imgsz: int | None = None,
    split: str = "val",
    reading: Reading = DEFAULT_READING,
) -> Path:
    """Run the network over images and write the page; returns its path. Arguments as for `explore`.

    reading: which images may be read, and how. Thresholds work on every candidate of a score above 0.05, as in the
    explorer; masks can be cut at MASK_THRESHOLDS.
    """
    found = samples(images, split, reading)
    in_page = [image_data(predict_candidates(model, read(), imgsz), name) for name, read in found]
    count = pluralize(len(in_page), "image")
    data = {
        "about": f"{count} with every candidate: thresholds work here, without the network",
        "names": model.names,
        "colors": PALETTE,
        "mask_thresholds": MASK_THRESHOLDS,
        "max_detections": MAX_DETECTIONS,
        "images": in_page,
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    text = text.replace("<", "\\u003c")  # no tag can end early
    page = TEMPLATE.read_text(encoding="utf-8").replace("@DATA@", text)
    return atomic_write(Path(out), page.encode("utf-8"))


def image_data(explored: ExploredImage, name: str) -> dict[str, Any]:
    """An explored image as what JSON can hold.

    A candidate has its box in the letterbox frame (for NMS) and in the image's, and an outline and its overlaps with
    true objects at each of MASK_THRESHOLDS; a true object has one outline.
    """
    # Of each mask threshold the outlines of all candidates, and what they overlap.
    numbers = list(range(min(len(explored), MAX_CANDIDATES)))
    outlines = []
    overlaps = []
    for threshold in MASK_THRESHOLDS:  # in turn, since the image keeps what belongs to one threshold
        outlines.append([outline_code(crop) for crop in explored.crops(numbers, threshold)])
        overlaps.append([overlap_pairs(row) for row in explored.overlaps(numbers, threshold)])

    # Rounded to what a page needs, for numbers are most of its size.
    found = [
        {
            "score": round(float(explored.scores[number]), 6),
            "class_id": int(explored.classes[number]),
            "letterbox_box": np.round(explored.candidates.boxes[number].double().numpy(), 3).tolist(),
            "box": np.round(explored.boxes[number].astype(float), 1).tolist(),
            "outlines": [codes[number] for codes in outlines],
            "overlaps": [pairs[number] for pairs in overlaps],
        }
        for number in numbers
    ]
    ground_truth = [
        {"class_id": item.class_id, "crowd": item.crowd, "box": box_of(crop), "outlines": [outline_code(crop)]}
        for item, crop in zip(explored.ground_truth, explored.ground_truth_crops)
    ]
    height, width = explored.image.shape[:2]
    jpeg = base64.b64encode(encode(explored.image)).decode("ascii")
    return {
        "name": name,
        "width": width,
        "height": height,
        "jpeg": f"data:image/jpeg;base64,{jpeg}",
        "candidates": found,
        "ground_truth": ground_truth,
    }


def box_of(crop: MaskCrop) -> list[int]:
    """xyxy of a crop's window."""
    x0, y0, mask = crop
    return [x0, y0, x0 + mask.shape[1], y0 + mask.shape[0]]


def overlap_pairs(row: np.ndarray) -> list[list[float]]:
    """Overlaps with all true objects (M,) -> [object, IoU] for those that are overlapped."""
    return [[int(index), round(float(row[index]), 3)] for index in np.flatnonzero(row)]


def outline_code(crop: MaskCrop) -> str:
    """A mask's outline, exactly, in few bytes: what `ring_code` gives, ring after ring."""
    x0, y0, mask = crop
    return "".join(map(ring_code, mask_to_rings(mask, x0, y0)))


def ring_code(ring: Ring) -> str:
    """A ring along pixel edges: where it starts, then its steps, by turns horizontal and vertical, a letter each.

    "3 4Bab" starts at x 3, y 4 and goes 2 right, 1 up, 2 left; what is left closes it. Capitals go right and down.
    """
    is_vertical_first = ring[0, 0] == ring[1, 0]
    if is_vertical_first:
        ring = np.roll(ring, -1, axis=0)
    steps = np.diff(ring, axis=0).sum(axis=1).astype(int).tolist()
    x, y = ring[0].astype(int).tolist()
    return f"{x} {y}" + "".join(map(step_code, steps))


def step_code(step: int) -> str:
    """A step that is not zero as a letter, A for 1, a for -1; a longer one in parts, with steps of none between."""
    before_first = ord("A" if step > 0 else "a") - 1
    full_parts, rest = divmod(abs(step) - 1, MAX_STEP)
    return (chr(before_first + MAX_STEP) + ".") * full_parts + chr(before_first + rest + 1)
