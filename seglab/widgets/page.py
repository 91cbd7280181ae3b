"""The explorer as one HTML file that needs neither kernel nor network: images and candidates are inside it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from seglab.drawing.overlays import PALETTE
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import Ring
from seglab.inference.masks import MaskCrop
from seglab.widgets.panel import encode
from seglab.widgets.scene import MAX_DETECTIONS, Scene, look, samples
from seglab.wording import pluralize

TEMPLATE = Path(__file__).with_name("page.html")
MOST = 1000  # candidates of an image that travel, best scores first
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # thresholds of mask probability that travel
LONGEST = 26  # pixels in one letter of an outline


def explorer_page(
    model: Any, images: Any = "toybox8-seg", out: str | Path = "explorer.html", imgsz: int | None = None,
    split: str = "val",
) -> Path:  # fmt: skip
    """Run the network over images and write the page; gives its path. Arguments as for `explore`.

    Thresholds work on every candidate of a score above 0.05, as in the explorer; masks can be cut at LEVELS.
    """
    pictures = [picture_data(look(model, read(), imgsz), name) for name, read in samples(images, split)]
    count = pluralize(len(pictures), "image")
    data = {
        "about": f"{count}, every candidate kept: thresholds work here, without the network",
        "names": model.names,
        "colours": PALETTE,
        "levels": LEVELS,
        "most": MAX_DETECTIONS,
        "pictures": pictures,
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")  # no tag can end early
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(TEMPLATE.read_text(encoding="utf-8").replace("@DATA@", text), encoding="utf-8")
    return out


def picture_data(scene: Scene, name: str) -> dict[str, Any]:
    """A scene as what JSON can hold; boxes in the letterbox frame ("net", for suppression) and in the image's. A
    candidate has an outline and its overlaps with true objects for each of LEVELS, a true object has one outline."""
    numbers = list(range(min(len(scene), MOST)))
    outlines, overlaps = [], []
    for level in LEVELS:  # in turn, since a scene keeps what belongs to one threshold
        outlines.append([outline_code(crop) for crop in scene.crops(numbers, level)])
        overlaps.append([overlap_pairs(row) for row in scene.overlaps(numbers, level)])
    found = [
        {
            "score": round(float(scene.scores[number]), 6),
            "kind": int(scene.classes[number]),
            "net": np.round(scene.candidates.boxes[number].double().numpy(), 3).tolist(),
            "box": np.round(scene.boxes[number].astype(float), 1).tolist(),
            "outlines": [codes[number] for codes in outlines],
            "pairs": [pairs[number] for pairs in overlaps],
        }
        for number in numbers
    ]
    ground_truth = [
        {"kind": item.class_id, "crowd": item.crowd, "box": box_of(crop), "outlines": [outline_code(crop)]}
        for item, crop in zip(scene.ground_truth, scene.ground_truth_crops)
    ]
    height, width = scene.image.shape[:2]
    jpeg = "data:image/jpeg;base64," + base64.b64encode(encode(scene.image)).decode("ascii")
    return {"name": name, "width": width, "height": height, "jpeg": jpeg, "found": found, "truth": ground_truth}


def box_of(crop: MaskCrop) -> list[int]:
    """xyxy of a crop's window."""
    x0, y0, mask = crop
    return [x0, y0, x0 + mask.shape[1], y0 + mask.shape[0]]


def overlap_pairs(row: np.ndarray) -> list[list[float]]:
    """Overlaps with all true objects (M,) -> [object, IoU] for those that are overlapped."""
    return [[int(i), round(float(row[i]), 3)] for i in np.flatnonzero(row)]


def outline_code(crop: MaskCrop) -> str:
    """A mask's outline, exactly, in few bytes: what `ring_code` gives, ring after ring."""
    x0, y0, mask = crop
    return "".join(map(ring_code, mask_to_rings(mask, x0, y0)))


def ring_code(ring: Ring) -> str:
    """A ring along pixel edges: where it starts, then its steps by turns across and down, a letter each.

    "3 4Bab" starts at x 3, y 4 and goes 2 right, 1 up, 2 left; what is left closes it. Capitals go right and down.
    """
    if ring[0, 0] == ring[1, 0]:
        ring = np.roll(ring, -1, axis=0)  # the first step shall be across
    steps = np.diff(ring, axis=0).sum(axis=1).astype(int).tolist()
    return f"{int(ring[0, 0])} {int(ring[0, 1])}" + "".join(map(step_code, steps))


def step_code(step: int) -> str:
    """A step that is not zero as a letter, A for 1, a for -1; a longer one in parts, with steps of none between."""
    first = ord("A" if step > 0 else "a") - 1
    parts, rest = divmod(abs(step) - 1, LONGEST)
    return (chr(first + LONGEST) + ".") * parts + chr(first + rest + 1)
