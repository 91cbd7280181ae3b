"""The gate: an exported file must agree with the network it came from, in numbers, in detections and in mAP.

Both take the same letterboxed pictures. Dense outputs are compared number by number, since anchors keep their places;
detections are compared as sets, since near-tied scores may swap rows without any harm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seglab.data.catalogue import DatasetSpec, load_dataset
from seglab.data.image import read_image
from seglab.errors import SeglabError
from seglab.export.deployed import Deployed
from seglab.export.description import fingerprint
from seglab.export.formats import format_of, module_of
from seglab.export.runtime import Runtime, load_runtime
from seglab.geometry.boxes import box_iou, xywh_to_xyxy
from seglab.geometry.letterbox import letterbox
from seglab.inference.masks import MaskCrop, assemble
from seglab.inference.predictor import STRIDE, Forward, PredictConfig, fit, predict_batch, to_tensor
from seglab.inference.source import Frame
from seglab.inference.suppress import Detections, suppress
from seglab.model.head import COEFFICIENTS
from seglab.model.yolo11 import YOLO11Seg

PICTURES = 8  # at most as many are compared in numbers and detections; mAP takes the whole validation split
DETECTIONS = 100  # a picture; its best ones, whatever their scores, so that untrained networks are compared too
SAME_SCORE = 1e-3  # class probabilities this close are a tie
SAME_BOX = 0.9  # IoU from which two detections of one class are the same


class Row(NamedTuple):
    """One line of the gate's table: a measured value and the limit it must keep, None where it only informs."""

    name: str
    value: float
    limit: float | None = None
    at_least: bool = False  # the limit is a floor, not a ceiling

    @property
    def ok(self) -> bool:
        if self.limit is None:
            return True
        return bool(self.value >= self.limit if self.at_least else self.value <= self.limit)  # NaN fails either way


# What each precision promises. Where nothing is found boxes are large and lie anywhere, so over all anchors their
# rounding is measured against their size; detections count in pixels, of which fp32 files of every format measured
# differed by .0006 at most for n; larger networks round more often. Probabilities, coefficients and prototypes differed
# by 7e-6 in fp32 and by .010 in fp16. An int8 file rounds everything, so only what it is worth counts: its mAP. On the
# four pictures of toybox8-seg two neighbouring detections that change places move box mAP by .006, hence fp16's limit.
LIMITS = {
    "fp32": {
        "box, relative": 1e-5,
        "box, detections (px)": 2e-3,
        "class probability": 1e-4,
        "coefficients, relative": 1e-4,
        "prototypes, relative": 1e-4,
        "detections in both": 0.99,
        "mask IoU": 0.999,
        "mAP": 0.001,
    },
    "fp16": {
        "box, detections (px)": 1.0,
        "class probability": 2e-2,
        "coefficients, relative": 2e-2,
        "prototypes, relative": 2e-2,
        "detections in both": 0.95,
        "mask IoU": 0.98,
        "mAP": 0.01,
    },
    "int8": {"mAP": 0.02},
}
LEAST_MAP = 0.1  # of the network, below which int8 cannot be judged: a limit on the difference would pass anything
ROUNDED = 0.9  # what an end-to-end file owes on photos, whose resize differs by grey levels from cv2's


def verify(path: str | Path, model: YOLO11Seg, names: dict[int, str], data: str | Path | None = None) -> bool:
    """Compare an exported file with the network, print the table, keep it in the file; True when every limit holds.

    data: a dataset, whose validation split then also gives box and mask mAP of both; its pictures, or those of the
    embedded default, are what is compared. Rows the file has from an earlier time and this one does not measure stay.
    Errors: SeglabError when the file was made from other weights, or is an int8 file, which only mAP can judge, and
    there is no data, or the network finds next to nothing on it.
    """
    runtime = load_runtime(path)
    if data is None and runtime.description.precision == "int8":
        raise SeglabError(f"{path} is an int8 file, which is judged by its mAP: give data= to verify it on")
    if runtime.description.weights not in ("", fingerprint(model)):
        raise SeglabError(f"{path} was exported from other weights than those given: give the weights it came from")
    spec = load_dataset(data or "toybox8-seg", "val")
    limits = LIMITS[runtime.description.precision]
    reference, images = Deployed(model), [read_image(path) for path in spec.images("val")[:PICTURES]]
    with torch.inference_mode():
        rows = compare(reference, runtime.forward, images, runtime.imgsz, limits)
        rows += compare_batch(reference, runtime, images, limits)
        if runtime.complete:
            rows += compare_complete(reference, runtime, images)
        if data is not None:
            rows += compare_map(reference, runtime, spec, names, limits)
    print(table(rows, f"{runtime.path.name} against the network it came from"))
    measured = {row.name: {"value": round(row.value, 6), "limit": row.limit, "ok": row.ok} for row in rows}
    parity = {**runtime.description.parity, **measured}
    module_of(format_of(runtime.path)).describe(runtime.path, replace(runtime.description, parity=parity))
    return all(row.ok for row in rows)


def compare(
    reference: Forward,
    forward: Forward,
    images: Sequence[np.ndarray],
    imgsz: int | tuple[int, int],
    limits: dict[str, float],
) -> list[Row]:
    """Rows on numbers and detections over RGB uint8 `images`, letterboxed as prediction does it for `imgsz`."""
    apart: dict[str, list[float]] = defaultdict(list)  # by row name, for every picture
    in_both, of_all, overlaps = 0, 0, []
    for image in images:
        (box,) = fit([image.shape[:2]], imgsz)
        batch = to_tensor([box.apply(image)]).contiguous()
        expected, given = reference(batch), forward(batch)
        for name, value in distances(expected, given).items():
            apart[name].append(value)

        (a, a_prototypes), (b, b_prototypes) = expected, given
        found_a, found_b = best(a), best(b)
        here, there = pairs(found_a, found_b)
        # Near-tied scores may make suppression keep a neighbour's box: numbers are compared at the same anchor.
        corners_a, corners_b = (xywh_to_xyxy(each[0, :4].T) for each in (a, b))  # (A, 4)
        anchors = (found_a.boxes[:, None] == corners_a).all(dim=2).int().argmax(dim=1)
        if len(anchors):
            apart["box, detections (px)"].append((found_a.boxes - corners_b[anchors]).abs().max().item())
        # The last of the best may just miss the other's list, so each side is looked up in a longer list of the other.
        in_both += len(pairs(found_a, best(b, 2 * DETECTIONS))[0]) + len(pairs(found_b, best(a, 2 * DETECTIONS))[0])
        of_all += len(found_a.boxes) + len(found_b.boxes)
        masks_a = assemble(a_prototypes[0], found_a.pick(here), box)
        masks_b = assemble(b_prototypes[0], found_b.pick(there), box)
        overlaps += [crop_iou(one, other) for one, other in zip(masks_a, masks_b)]

    overlaps = [overlap for overlap in overlaps if overlap is not None] or [1.0]
    rows = [Row(name, float(np.max(values)), limits.get(name)) for name, values in apart.items()]
    rows.append(Row("detections in both", in_both / max(of_all, 1), limits.get("detections in both"), at_least=True))
    rows.append(Row("mask IoU", float(np.mean(overlaps)), limits.get("mask IoU"), at_least=True))
    rows.append(Row("mask IoU, lowest", float(np.min(overlaps)), None, at_least=True))
    return rows


def compare_batch(
    reference: Forward, runtime: Runtime, images: Sequence[np.ndarray], limits: dict[str, float]
) -> list[Row]:
    """Rows on limited numbers for several pictures in one call, where shapes are free of another shape than described.

    A file that is right only for the first picture of a call, or only for the shape it was traced at, shows here.
    """
    height, width = runtime.description.size
    size = (height, width + STRIDE) if runtime.description.dynamic else (height, width)
    pictures = islice(cycle(images), max(2, runtime.batch))
    batch = to_tensor([letterbox(image.shape[:2], size).apply(image) for image in pictures]).contiguous()
    apart = distances(reference(batch), runtime.forward(batch))
    return [Row(f"batch, {name}", value, limits[name]) for name, value in apart.items() if name in limits]


def distances(expected: tuple[Tensor, Tensor], given: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Largest differences between predictions and prototypes of one batch, by row name; relative ones to the size."""
    (a, a_prototypes), (b, b_prototypes) = expected, given
    boxes, classes, coefficients = slice(0, 4), slice(4, -COEFFICIENTS), slice(-COEFFICIENTS, None)
    return {
        "box, any anchor (px)": (a[:, boxes] - b[:, boxes]).abs().max().item(),
        "box, relative": relative(a[:, boxes], b[:, boxes]),
        "class probability": (a[:, classes] - b[:, classes]).abs().max().item(),
        "coefficients, relative": relative(a[:, coefficients], b[:, coefficients]),
        "prototypes, relative": relative(a_prototypes, b_prototypes),
    }


def relative(a: Tensor, b: Tensor) -> float:
    """Largest difference as a share of the largest value of `a`."""
    return ((a - b).abs().max() / a.abs().max()).item()


def compare_complete(reference: Forward, runtime: Runtime, images: Sequence[np.ndarray]) -> list[Row]:
    """Rows on what an end-to-end file finds, against prediction with the same settings.

    On letterboxed pictures that is prediction from the file's own dense outputs, which `compare` judges: the same
    numbers, so they must find the same in any precision. On photos it is the network's, and the file's resize may round
    pixels to the next grey level.
    """
    size, settings, exact = runtime.description.size, runtime.description.end_to_end, LIMITS["fp32"]
    own = runtime.description.mask_targets
    config = PredictConfig(settings["conf"], settings["iou"], size, settings["max_det"], mask_targets=own)
    letterboxed = [letterbox(image.shape[:2], size).apply(image) for image in images]
    rows = []
    for title, forward, pictures, limits in (
        ("end to end", runtime.forward, letterboxed, exact),
        ("from photos", reference, images, {"detections in both": ROUNDED, "mask IoU": ROUNDED}),
    ):
        in_both, of_all, overlaps, apart = 0, 0, [], []
        for image in pictures:
            (expected,) = predict_batch(forward, [Frame("", image)], config, runtime.names)
            boxes, scores, classes, *masks = runtime.complete(image)
            given = Detections(*map(torch.from_numpy, (boxes, scores, classes)), torch.zeros(len(boxes), 0))
            data = expected.boxes.data
            here, there = pairs(Detections(data[:, :4], data[:, 4], data[:, 5].long(), data[:, :0]), given)
            in_both, of_all = in_both + 2 * len(here), of_all + len(data) + len(boxes)
            apart.append((data[here, :5] - torch.cat((given.boxes, given.scores[:, None]), dim=1)[there]).abs())
            if masks and len(here):
                wanted = [expected.masks.crops[index] for index in here]
                overlaps += [crop_iou(crop, (0, 0, mask)) for crop, mask in zip(wanted, masks[0][there])]
        share = in_both / of_all if of_all else 1.0
        rows.append(Row(f"{title}, in both", share, limits["detections in both"], at_least=True))
        if in_both:
            *corners, score = torch.cat(apart).amax(dim=0).tolist()
            rows.append(Row(f"{title}, box (px)", max(corners), limits.get("box, detections (px)")))
            rows.append(Row(f"{title}, score", score, limits.get("class probability")))
        if overlaps:
            rows.append(Row(f"{title}, mask IoU", float(np.mean(overlaps)), limits["mask IoU"], at_least=True))
    return rows


def compare_map(
    reference: Forward, runtime: Runtime, spec: DatasetSpec, names: dict[int, str], limits: dict[str, float]
) -> list[Row]:
    """Rows on box and mask mAP over the validation split, both letterboxed to the file's own size.

    Errors: SeglabError when an int8 file is to be judged by next to no mAP.
    """
    from seglab.evaluation.validate import ValidateConfig, validate_dataset

    own = runtime.description.mask_targets
    config = ValidateConfig(imgsz=runtime.imgsz, rect=runtime.size is None, mask_targets=own, verbose=False)
    ours = validate_dataset(reference, spec, names, config)
    if runtime.description.precision == "int8" and min(ours.box.map, ours.seg.map) < LEAST_MAP:
        raise SeglabError(
            f"cannot judge int8 on {spec.yaml or spec.root}: the network itself reaches box mAP {ours.box.map:.3f} and "
            f"mask mAP {ours.seg.map:.3f} there, and {LEAST_MAP} is needed: train it further or give data= it knows"
        )
    theirs = validate_dataset(runtime.forward, spec, names, config)
    rows = []
    for kind, a, b in (("box", ours.box.map, theirs.box.map), ("mask", ours.seg.map, theirs.seg.map)):
        rows += [Row(f"{kind} mAP, network", a), Row(f"{kind} mAP, file", b)]
        rows.append(Row(f"{kind} mAP, apart", abs(a - b), limits["mAP"]))
    return rows


def best(predictions: Tensor, count: int = DETECTIONS) -> Detections:
    """The `count` best detections of one image (1, 4 + C + 32, A) after suppression, whatever their scores.

    Suppression goes by rank, and noise in the seventh digit may swap near-tied boxes: scores are rounded first, so that
    ties are ties on both sides and fall the same way.
    """
    predictions = predictions.clone()
    scores = predictions[:, 4:-COEFFICIENTS]
    scores.copy_((scores / SAME_SCORE).round() * SAME_SCORE)
    lowest = scores.amax(dim=1)[0].topk(min(10 * count, scores.shape[2])).values[-1].item()
    return suppress(predictions, conf=lowest - SAME_SCORE / 2, max_det=count)[0]


def pairs(a: Detections, b: Detections) -> tuple[Tensor, Tensor]:
    """Indices into `a` and into `b` of the detections that are the same, best overlap first, each used once."""
    overlap = box_iou(a.boxes, b.boxes) * (a.classes[:, None] == b.classes[None])  # (N, M)
    rows, columns = [], []
    while overlap.numel() and overlap.max() >= SAME_BOX:
        row, column = divmod(int(overlap.argmax()), overlap.shape[1])
        rows.append(row)
        columns.append(column)
        overlap[row], overlap[:, column] = 0, 0
    return torch.tensor(rows, dtype=torch.long), torch.tensor(columns, dtype=torch.long)


def crop_iou(a: MaskCrop, b: MaskCrop) -> float | None:
    """IoU of two mask crops in one frame; None when both are empty."""
    (ax, ay, a_crop), (bx, by, b_crop) = a, b
    x0, y0 = max(ax, bx), max(ay, by)
    x1, y1 = min(ax + a_crop.shape[1], bx + b_crop.shape[1]), min(ay + a_crop.shape[0], by + b_crop.shape[0])
    shared = 0
    if x1 > x0 and y1 > y0:
        both = a_crop[y0 - ay : y1 - ay, x0 - ax : x1 - ax] & b_crop[y0 - by : y1 - by, x0 - bx : x1 - bx]
        shared = int(both.sum())
    union = int(a_crop.sum()) + int(b_crop.sum()) - shared
    return shared / union if union else None


def table(rows: list[Row], title: str) -> str:
    """The rows as text, one a line."""
    lines = [title]
    for row in rows:
        limit = "" if row.limit is None else f"{'>=' if row.at_least else '<='} {row.limit:g}"
        verdict = "" if row.limit is None else "ok" if row.ok else "FAILS"
        lines.append(f"  {row.name:<30}{row.value:>12.6g}   {limit:<10}{verdict}")
    return "\n".join(line.rstrip() for line in lines)
