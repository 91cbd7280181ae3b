"""The explorer as one HTML file that needs neither kernel nor network: pictures and candidates are inside it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from seglab.drawing.overlays import PALETTE
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import Ring, ring_area
from seglab.inference.masks import MaskCrop
from seglab.widgets.panel import encode
from seglab.widgets.scene import MAX_DETECTIONS, Scene, look, samples
from seglab.wording import counted

TEMPLATE = Path(__file__).with_name("page.html")
MOST = 1000  # candidates of a picture that travel, best scores first


def explorer_page(
    model: Any, images: Any = "toybox8-seg", out: str | Path = "explorer.html", imgsz: int | None = None,
    split: str = "val",
) -> Path:  # fmt: skip
    """Run the network over pictures and write the page; gives its path. Arguments as for `explore`.

    Thresholds work on every candidate of a score above 0.05, as in the explorer; masks are those of probability 0.5.
    """
    pictures = [picture_data(look(model, read(), imgsz), name) for name, read in samples(images, split)]
    count = counted(len(pictures), "picture")
    data = {
        "about": f"{count}, every candidate kept: thresholds work here, without the network",
        "names": model.names,
        "colours": PALETTE,
        "most": MAX_DETECTIONS,
        "pictures": pictures,
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")  # no tag can end early
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(TEMPLATE.read_text(encoding="utf-8").replace("@DATA@", text), encoding="utf-8")
    return out


def picture_data(scene: Scene, name: str) -> dict[str, Any]:
    """A scene as what JSON can hold; boxes in the letterbox frame ("net", for suppression) and in the image's."""
    numbers = list(range(min(len(scene), MOST)))
    overlaps = scene.overlaps(numbers)
    found = [
        {
            "score": round(float(scene.scores[number]), 6),
            "kind": int(scene.classes[number]),
            "net": np.round(scene.candidates.boxes[number].double().numpy(), 3).tolist(),
            "box": np.round(scene.boxes[number].astype(float), 1).tolist(),
            "overlaps": [[int(i), round(float(overlaps[number, i]), 3)] for i in np.flatnonzero(overlaps[number])],
            **shape_data(crop),
        }
        for number, crop in zip(numbers, scene.crops(numbers))
    ]
    truth = [
        {"kind": item.class_id, "crowd": item.crowd, "box": [crop[0], crop[1]], **shape_data(crop)}
        for item, crop in zip(scene.truth, scene.truth_crops)
    ]
    height, width = scene.image.shape[:2]
    jpeg = "data:image/jpeg;base64," + base64.b64encode(encode(scene.image)).decode("ascii")
    return {"name": name, "width": width, "height": height, "jpeg": jpeg, "found": found, "truth": truth}


def shape_data(crop: MaskCrop) -> dict[str, Any]:
    """A mask as an exact SVG path, and what is told of it."""
    x0, y0, mask = crop
    rings = mask_to_rings(mask, x0, y0)
    holes = sum(ring_area(ring) < 0 for ring in rings)
    edge = sum(int(np.abs(np.roll(ring, -1, axis=0) - ring).sum()) for ring in rings)
    path = "".join(map(ring_path, rings))
    return {"path": path, "area": int(mask.sum()), "edge": edge, "parts": len(rings) - holes, "holes": int(holes)}


def ring_path(ring: Ring) -> str:
    """A ring along pixel edges as an SVG path of relative steps: "M3 4h2v2h-2z"."""
    steps = np.diff(ring, axis=0).astype(int).tolist()
    moves = "".join(f"h{x}" if x else f"v{y}" for x, y in steps)
    return f"M{int(ring[0, 0])} {int(ring[0, 1])}{moves}z"
