"""The parity check: an exported file must agree with the network it came from, in numbers, detections and mAP.

Both take the same letterboxed images. Dense outputs are compared number by number, since anchors keep their places;
detections are compared as sets, since near-tied scores may swap rows without any harm.

How far apart two sound computations of one network may lie depends on the network: large activations round coarsely.
So numbers are judged by the network's own rounding on the same images, measured here, and not by fixed pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from seglab.config import PredictConfig, ValidateConfig
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.export.inference_model import DTYPES, InferenceModel
from seglab.export.metadata import fingerprint
from seglab.export.registry import format_of, module_of
from seglab.export.runtime import Runtime, load_runtime
from seglab.geometry.boxes import box_iou, xywh_to_xyxy
from seglab.geometry.letterbox import Letterbox, letterbox
from seglab.inference.masks import MaskCrop, assemble
from seglab.inference.nms import Detections, suppress
from seglab.inference.predictor import Forward, fit, predict_batch, to_tensor
from seglab.inference.sources import Frame
from seglab.model.head import COEFFICIENTS
from seglab.model.yolo11 import YOLO11Seg
from seglab.sizes import STRIDE

MAX_IMAGES = 8  # that are compared in numbers and detections; mAP takes the whole validation split
DETECTIONS = 100  # an image; its best ones, whatever their scores, so that untrained networks are compared too
SAME_SCORE = 1e-3  # class probabilities this close are a tie
SAME_BOX = 0.9  # IoU from which two detections of one class are the same
ROUNDING_RMS = 12**0.5  # rounding to steps errs by a step over this, in the root mean square

Outputs = tuple[Tensor, Tensor]  # predictions (B, 4 + C + 32, A) and prototypes (B, 32, H/4, W/4)


class Row(NamedTuple):
    """One line of the table: a measured value and the limit it must keep, None where it only informs."""

    name: str
    value: float
    limit: float | None = None
    at_least: bool = False  # the limit is a lower bound

    @property
    def ok(self) -> bool:
        if self.limit is None:
            return True
        return bool(self.value >= self.limit if self.at_least else self.value <= self.limit)  # NaN fails either way


# What each precision promises.
# "rounding": a number may differ by so many times the network's own rounding on the same images. Two float32
# computations that differ in the order of their sums alone differ by about once that; Winograd convolutions, which fast
# engines use, lose up to a decimal digit, hence 10. Engines for half precision round weights and activations alike and
# sum in float32, so there is less that may differ, hence 3. Faults of converters and of preprocessing are 1,000 times
# the rounding of float32 and more.
# An int8 file rounds everything, so only what it is worth counts: its mAP. On the four images of toybox8-seg two
# neighbouring detections that change places move box mAP by .006, hence fp16's limit.
LIMITS = {
    "fp32": {"rounding": 10, "detections in both": 0.99, "mask IoU": 0.999, "mAP": 0.001},
    "fp16": {"rounding": 3, "detections in both": 0.95, "mask IoU": 0.98, "mAP": 0.01},
    "int8": {"mAP": 0.02},
}
MIN_MAP = 0.1  # of the network, below which int8 cannot be judged: a limit on the difference would pass anything
ROUNDED = 0.9  # what an end-to-end file owes on photos, whose resize differs by grey levels from cv2's


@dataclass(frozen=True)
class Reference:
    """The network that a file is judged by, and the same network computed twice more, which shows how it rounds.

    network: float32, what files are compared with. exact and rounded: as exactly as it takes, and in the file's own
    precision; their difference is the network's own rounding. Both are None where numbers are not judged (int8).
    """

    network: Forward
    exact: Forward | None = None
    rounded: Forward | None = None
    dtype: torch.dtype = torch.float32  # of `rounded`

    @classmethod
    def of(cls, model: YOLO11Seg, precision: str) -> Reference:
        """For files of a precision: fp32, fp16 or int8."""
        network = InferenceModel(model)
        if precision == "fp32":
            return cls(network, exact=InferenceModel(model, torch.float64), rounded=network)
        if precision == "fp16":
            return cls(network, exact=network, rounded=in_half_precision(model), dtype=DTYPES["fp16"])
        return cls(network)

    def run(self, images: Tensor) -> tuple[Outputs, Outputs | None, Outputs | None]:
        """What the three make of images (B, 3, H, W); those that are one and the same run once."""
        expected = self.network(images)
        if self.exact is None:
            return expected, None, None
        exact = expected if self.exact is self.network else self.exact(images)
        rounded = expected if self.rounded is self.network else self.rounded(images)
        return expected, exact, rounded


def in_half_precision(model: YOLO11Seg) -> InferenceModel:
    """The network as half precision rounds it: weights, images and what every layer puts out.

    Sums stay float32, as engines keep them. On CPUs this is some thirty times faster than arithmetic in float16.
    """
    rounded = InferenceModel(model)
    for parameter in rounded.parameters():
        parameter.data = parameter.data.half().float()
    for module in rounded.network.modules():
        if not any(module.children()):
            module.register_forward_hook(_round_to_half)
    rounded.register_forward_pre_hook(lambda module, inputs: tuple(images.half().float() for images in inputs))
    return rounded


def _round_to_half(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    return output.half().float()


def verify(path: str | Path, model: YOLO11Seg, names: dict[int, str], data: str | Path | None = None) -> bool:
    """Compare an exported file with the network, print the table, keep it in the file; True when every limit holds.

    data: a dataset, whose validation split then also gives box and mask mAP of both; its images, or those of the
    embedded default, are what is compared. Rows the file has from an earlier time and this one does not measure stay.
    A file that another tool wrote stays as it is.
    Errors: SeglabError when the file was made from other weights or holds detections only, or is an int8 file, which
    only mAP can judge, and there is no data, or the network finds next to nothing on it.
    """
    runtime = load_runtime(path)
    precision = runtime.description.precision
    if runtime.description.suppressed:
        raise SeglabError(f"{path} gives detections after NMS only, which cannot be compared: export it without nms")
    if data is None and precision == "int8":
        raise SeglabError(f"{path} is an int8 file, which is judged by its mAP: give data= to verify it on")
    if runtime.description.weights not in ("", fingerprint(model)):
        raise SeglabError(f"{path} was exported from other weights than those given: give the weights it came from")
    if len(runtime.names) != len(names):
        raise SeglabError(
            f"{path} knows {len(runtime.names)} classes and the weights {len(names)}: give the weights it came from"
        )
    spec = load_dataset(data or "toybox8-seg", "val")
    limits, reference = LIMITS[precision], Reference.of(model, precision)
    images = [read_image(path) for path in spec.images("val")[:MAX_IMAGES]]
    with torch.inference_mode():
        rows = compare(reference, runtime.forward, images, runtime.imgsz, limits)
        rows += compare_batch(reference, runtime, images, limits)
        if runtime.complete:
            rows += compare_complete(reference.network, runtime, images)
        if data is not None:
            rows += compare_map(reference.network, runtime, spec, names, limits)
    title = f"{runtime.path.name} ({runtime.description.origin}) against the network it came from"
    if "rounding" in limits:
        title += f"; numbers may differ by {limits['rounding']} times the network's own rounding in {precision}"
    print(table(rows, title))
    if not runtime.description.is_foreign:
        measured = {row.name: {"value": _digits(row.value), "limit": _digits(row.limit), "ok": row.ok} for row in rows}
        parity = {**runtime.description.parity, **measured}
        module_of(format_of(runtime.path)).describe(runtime.path, replace(runtime.description, parity=parity))
    return all(row.ok for row in rows)


def _digits(value: float | None) -> float | None:
    """Six significant digits, which is more than a table needs."""
    return None if value is None else float(f"{value:.6g}")


def largest(values: Tensor) -> float:
    return values.abs().max().item()


def root_mean_square(values: Tensor) -> float:
    return values.double().square().mean().sqrt().item()


@dataclass
class Differences:
    """Two computations of one network, image after image: how far their numbers and their detections differ.

    errors: by row name, the max error, which one wrong number raises, and the root mean square, which small errors of
    all raise. magnitudes: of each, what its rounding grows with. in_both of of_all detections have a partner; overlaps:
    mask IoU of the partners.
    """

    errors: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    magnitudes: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    in_both: int = 0
    of_all: int = 0
    overlaps: list[float] = field(default_factory=list)

    def add_numbers(self, expected: Outputs, given: Outputs) -> None:
        """Count in the dense outputs of a batch, number by number."""
        (a, a_prototypes), (b, b_prototypes) = expected, given
        boxes, classes, coefficients = slice(0, 4), slice(4, -COEFFICIENTS), slice(-COEFFICIENTS, None)
        for name, unit, one, other in (
            ("box, any anchor", " (px)", a[:, boxes], b[:, boxes]),
            ("class probability", "", a[:, classes], b[:, classes]),
            ("coefficients, relative", "", a[:, coefficients], b[:, coefficients]),
            ("prototypes, relative", "", a_prototypes, b_prototypes),
        ):
            # A probability may be computed as the rest to 1, so that it is rounded as 1 is, however small it is.
            magnitude = 1.0 if name == "class probability" else largest(one)
            size = magnitude if name.endswith("relative") else 1.0
            self._add(f"{name}{unit}", largest(one - other), magnitude, size)
            self._add(f"{name}, rms{unit}", root_mean_square(one - other), magnitude / ROUNDING_RMS, size)

    def add_detections(self, expected: Outputs, given: Outputs, box: Letterbox) -> None:
        """Count in the detections of one image: boxes in numbers, the rest as sets."""
        (a, a_prototypes), (b, b_prototypes) = expected, given
        found_a, found_b = best(a), best(b)
        # Near-tied scores may make suppression keep a neighbour's box: numbers are compared at the same anchor.
        corners = xywh_to_xyxy(a[0, :4].T.float())  # (A, 4), as suppression computes them
        anchors = (found_a.boxes[:, None] == corners).all(dim=2).int().argmax(dim=1)
        if len(anchors):
            boxes_a, boxes_b = (xywh_to_xyxy(each[0, :4, anchors].T) for each in (a, b))
            self._add("box, detections (px)", largest(boxes_a - boxes_b), largest(boxes_a))
        # The last of the best may just miss the other's list, so each side is looked up in a longer list of the other.
        self.in_both += len(pairs(found_a, best(b, 2 * DETECTIONS))[0])
        self.in_both += len(pairs(found_b, best(a, 2 * DETECTIONS))[0])
        self.of_all += len(found_a.boxes) + len(found_b.boxes)
        here, there = pairs(found_a, found_b)
        masks_a = assemble(a_prototypes[0].float(), found_a.pick(here), box)
        masks_b = assemble(b_prototypes[0].float(), found_b.pick(there), box)
        overlaps = [crop_iou(one, other) for one, other in zip(masks_a, masks_b)]
        self.overlaps += [overlap for overlap in overlaps if overlap is not None]

    def _add(self, name: str, error: float, magnitude: float, size: float = 1.0) -> None:
        """Note an error and the magnitude its rounding grows with, as fractions of `size`, if they are the largest."""
        size = size or 1.0  # nothing but zeros has no size
        self.errors[name] = float(np.maximum(self.errors[name], error / size))  # NaN stays NaN
        self.magnitudes[name] = float(np.maximum(self.magnitudes[name], magnitude / size))

    @property
    def agreement(self) -> float:
        """The fraction of detections that have a partner."""
        return self.in_both / max(self.of_all, 1)

    @property
    def mask_iou(self) -> float:
        return float(np.mean(self.overlaps or [1.0]))


def compare(
    reference: Reference,
    forward: Forward,
    images: Sequence[np.ndarray],
    imgsz: int | tuple[int, int],
    limits: dict[str, float],
) -> list[Row]:
    """Rows on numbers and detections over RGB uint8 `images`, letterboxed as prediction does it for `imgsz`."""
    measured, own = Differences(), Differences()
    for image in images:
        (box,) = fit([image.shape[:2]], imgsz)
        batch = to_tensor([box.apply(image)]).contiguous()
        expected, exact, rounded = reference.run(batch)
        given = forward(batch)
        measured.add_numbers(expected, given)
        measured.add_detections(expected, given, box)
        if exact is not None:
            own.add_numbers(exact, rounded)
            own.add_detections(exact, rounded, box)

    rows = number_rows(measured, own, reference.dtype, limits)
    for name, value, its_own in (
        ("detections in both", measured.agreement, own.agreement),
        ("mask IoU", measured.mask_iou, own.mask_iou),
    ):
        # A network that already disagrees with itself cannot ask more of a file.
        limit = min(limits[name], 1 - limits["rounding"] * (1 - its_own)) if name in limits else None
        rows.append(Row(name, value, limit, at_least=True))
    rows.append(Row("mask IoU, lowest", min(measured.overlaps, default=1.0), None, at_least=True))
    return rows


def compare_batch(
    reference: Reference, runtime: Runtime, images: Sequence[np.ndarray], limits: dict[str, float]
) -> list[Row]:
    """Rows on numbers for several images in one call, where shapes are free of another shape than described.

    A file that is right only for the first image of a call, or only for the shape it was traced at, shows here.
    """
    if "rounding" not in limits:
        return []
    height, width = runtime.description.size
    size = (height, width + STRIDE) if runtime.description.dynamic else (height, width)
    group = islice(cycle(images), max(2, runtime.batch))
    batch = to_tensor([letterbox(image.shape[:2], size).apply(image) for image in group]).contiguous()
    measured, own = Differences(), Differences()
    expected, exact, rounded = reference.run(batch)
    measured.add_numbers(expected, runtime.forward(batch))
    own.add_numbers(exact, rounded)
    rows = number_rows(measured, own, reference.dtype, limits)
    return [row._replace(name=f"batch, {row.name}") for row in rows]


def number_rows(measured: Differences, own: Differences, dtype: torch.dtype, limits: dict[str, float]) -> list[Row]:
    """A row a quantity: its error, and as the limit the network's own rounding of it times limits["rounding"]."""
    rows = []
    for name, error in measured.errors.items():
        limit = None
        if "rounding" in limits:
            limit = limits["rounding"] * rounding(own.errors[name], own.magnitudes[name], dtype)
        rows.append(Row(name, error, limit))
    return rows


def rounding(error: float, magnitude: float, dtype: torch.dtype) -> float:
    """A network's own rounding of a quantity: the error it showed, yet no less than one step of its largest value.

    Outputs that happen to show no error (constant ones, for example) may still be rounded once elsewhere. An error that
    is not finite says that the precision cannot hold the network, and excuses nothing.
    """
    step = torch.finfo(dtype).eps * magnitude
    return max(error, step) if isfinite(error) else step


def compare_complete(network: Forward, runtime: Runtime, images: Sequence[np.ndarray]) -> list[Row]:
    """Rows on what an end-to-end file finds, against prediction with the same settings.

    On letterboxed images that is prediction from the file's own dense outputs, which `compare` judges: the same
    numbers, so they must find the same in any precision, but for the float32 rounding of corners. On photos it is the
    network's, and the file's resize may round pixels to the next grey level.
    """
    size, settings, exact = runtime.description.size, runtime.description.end_to_end, LIMITS["fp32"]
    own = runtime.description.mask_targets
    config = PredictConfig(settings["conf"], settings["iou"], size, settings["max_det"], mask_targets=own)
    letterboxed = [letterbox(image.shape[:2], size).apply(image) for image in images]
    last_digit = exact["rounding"] * torch.finfo(torch.float32).eps  # of what both compute from the same numbers
    same = {**exact, "box (px)": last_digit * max(size), "score": last_digit}
    rows = []
    for title, forward, group, limits in (
        ("end to end", runtime.forward, letterboxed, same),
        ("from photos", network, images, {"detections in both": ROUNDED, "mask IoU": ROUNDED}),
    ):
        in_both, of_all, overlaps, errors = 0, 0, [], []
        for image in group:
            (expected,) = predict_batch(forward, [Frame("", image)], config, runtime.names)
            boxes, scores, classes, *masks = runtime.complete(image)
            given = Detections(*map(torch.from_numpy, (boxes, scores, classes)), torch.zeros(len(boxes), 0))
            data = expected.boxes.data
            here, there = pairs(Detections(data[:, :4], data[:, 4], data[:, 5].long(), data[:, :0]), given)
            in_both, of_all = in_both + 2 * len(here), of_all + len(data) + len(boxes)
            errors.append((data[here, :5] - torch.cat((given.boxes, given.scores[:, None]), dim=1)[there]).abs())
            if masks and len(here):
                wanted = [expected.masks.crops[index] for index in here]
                overlaps += [crop_iou(crop, (0, 0, mask)) for crop, mask in zip(wanted, masks[0][there])]
        fraction = in_both / of_all if of_all else 1.0
        rows.append(Row(f"{title}, in both", fraction, limits["detections in both"], at_least=True))
        if in_both:
            *corners, score = torch.cat(errors).amax(dim=0).tolist()
            rows.append(Row(f"{title}, box (px)", max(corners), limits.get("box (px)")))
            rows.append(Row(f"{title}, score", score, limits.get("score")))
        if overlaps:
            rows.append(Row(f"{title}, mask IoU", float(np.mean(overlaps)), limits["mask IoU"], at_least=True))
    return rows


def compare_map(
    network: Forward, runtime: Runtime, spec: DatasetSpec, names: dict[int, str], limits: dict[str, float]
) -> list[Row]:
    """Rows on box and mask mAP over the validation split, both letterboxed to the file's own size.

    Errors: SeglabError when an int8 file is to be judged by next to no mAP.
    """
    from seglab.evaluation.validate import validate_dataset

    own = runtime.description.mask_targets
    config = ValidateConfig(imgsz=runtime.imgsz, rect=runtime.size is None, mask_targets=own, verbose=False)
    ours = validate_dataset(network, spec, names, config)
    if runtime.description.precision == "int8" and min(ours.box.map, ours.seg.map) < MIN_MAP:
        raise SeglabError(
            f"cannot judge int8 on {spec.yaml or spec.root}: the network itself reaches box mAP {ours.box.map:.3f} and "
            f"mask mAP {ours.seg.map:.3f} there, and {MIN_MAP} is needed: train it further or give data= it knows"
        )
    theirs = validate_dataset(runtime.forward, spec, names, config)
    rows = []
    for kind, a, b in (("box", ours.box.map, theirs.box.map), ("mask", ours.seg.map, theirs.seg.map)):
        rows += [Row(f"{kind} mAP, network", a), Row(f"{kind} mAP, file", b)]
        rows.append(Row(f"{kind} mAP, difference", abs(a - b), limits["mAP"]))
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
        limit = "" if row.limit is None else f"{'>=' if row.at_least else '<='} {row.limit:.3g}"
        verdict = "" if row.limit is None else "ok" if row.ok else "FAILS"
        lines.append(f"  {row.name:<36}{row.value:>12.6g}   {limit:<13}{verdict}")
    return "\n".join(line.rstrip() for line in lines)
