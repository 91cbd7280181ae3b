"""One image with what was found and should be, what was found and should not, and what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from seglab.drawing.overlays import Color, draw_labels, draw_outline, natural_line_width
from seglab.geometry.polygons import Ring, bounding_box
from seglab.geometry.rle import rings_to_rle
from seglab.inference.instances import Boxes, Masks
from seglab.sample import Instance

DRAWN_SCORE = 0.25  # detections below it are not drawn: validation counts hundreds of them on every image
MATCHED_IOU = 0.5  # of masks
COLORS = {"TP": (2, 219, 103), "FP": (245, 6, 92), "FN": (81, 121, 255)}  # RGB


class Compared(NamedTuple):
    """An outline to draw. verdict: TP, FP or FN; score: None of what was missed."""

    verdict: str
    rings: Sequence[Ring]
    name: str
    score: float | None


def draw_comparison(
    image: np.ndarray,
    instances: Sequence[Instance],
    boxes: Boxes,
    masks: Masks | None,
    names: dict[int, str],
    labels: bool = True,
    conf: bool = True,
) -> np.ndarray:
    """A copy of `image` (H, W, 3) uint8 RGB with the outlines of `compare`: hits green, false ones red, missed blue.

    labels and conf write class names and scores behind TP, FP or FN.
    """
    drawn = image.copy()
    width = natural_line_width(image)
    texts: list[str] = []
    corners: list[np.ndarray] = []
    colors: list[Color] = []
    for verdict, rings, name, score in compare(instances, boxes, masks, names, (image.shape[0], image.shape[1])):
        words = [verdict]
        if labels:
            words.append(name)
        if conf and score is not None:
            words.append(f"{score:.2f}")
        if len(rings):
            draw_outline(drawn, rings, COLORS[verdict], width)
            texts.append(" ".join(words))
            corners.append(bounding_box(rings))
            colors.append(COLORS[verdict])
    draw_labels(drawn, texts, np.array(corners).reshape(-1, 4), colors, width)
    return drawn


def compare(
    instances: Sequence[Instance], boxes: Boxes, masks: Masks | None, names: dict[int, str], size: tuple[int, int]
) -> list[Compared]:
    """What is found on an image of (height, width) `size` beside its instances.

    Highest score first, a detection of at least DRAWN_SCORE takes the instance of its class that it overlaps most, if
    that is by MATCHED_IOU at least and none has taken it before; it is then a true positive (TP), and else a false one
    (FP). Instances that nothing took are false negatives (FN).
    """
    missed = {number: rings_to_rle(instance.rings, *size) for number, instance in enumerate(instances)}
    found = []
    if masks is not None:
        for row, rle, rings in zip(boxes.data.tolist(), masks.rle, masks.rings):
            class_id = int(row[-1])
            score = row[-2]
            if score < DRAWN_SCORE:
                continue
            same = [number for number in missed if instances[number].class_id == class_id]
            overlaps = coco_mask.iou([rle], [missed[number] for number in same], [0] * len(same))
            best = int(np.argmax(overlaps)) if same else 0
            is_hit = bool(same) and overlaps[0][best] >= MATCHED_IOU
            if is_hit:
                del missed[same[best]]
            found.append(Compared("TP" if is_hit else "FP", rings, names[class_id], score))
    for number in missed:
        instance = instances[number]
        found.append(Compared("FN", instance.rings, names[instance.class_id], None))
    return found
