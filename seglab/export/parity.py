"""The parity check: an exported file must agree with the network it came from, in numbers, detections and mAP.

Both take the same letterboxed images. Dense outputs are compared number by number, since anchors keep their places;
detections are compared as sets, since near-tied scores may swap rows without any harm.

How far two sound computations of one network may differ depends on the network: large activations round coarsely. So
numbers are judged by the network's own rounding on the same images, measured here, and not by fixed pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seglab.config import PredictConfig, ReadConfig, ValidateConfig
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.export.differences import Differences, crop_iou, match_detections
from seglab.export.metadata import fingerprint
from seglab.export.reference import Outputs, Reference
from seglab.export.registry import format_of, load_runtime
from seglab.export.runtime import EndToEndRun, Runtime
from seglab.export.trust import remember
from seglab.geometry.letterbox import letterbox
from seglab.image_files import DEFAULT_READING
from seglab.inference.nms import Detections
from seglab.inference.predictor import Forward, fit, predict_batch, to_tensor
from seglab.inference.results import Results
from seglab.inference.sources import SourceImage
from seglab.model.yolo11 import YOLO11Seg
from seglab.sizes import STRIDE

READ_BY_DEFAULT = ReadConfig()

MAX_IMAGES = 8  # that are compared in numbers and detections; mAP takes the whole validation split
MIN_MAP = 0.1  # of the network, below which int8 cannot be judged: a limit on the difference would pass anything
MIN_FROM_IMAGES = (
    0.9  # matched detections and mask IoU of an end-to-end file on images, which its resize rounds by itself
)
DEFAULT_DATA = "toybox8-seg"  # whose images are compared where none are given


@dataclass(frozen=True)
class Limits:
    """What a precision promises; None for what it does not.

    rounding: a number may differ by so many times the network's own rounding on the same images.
    matched: min fraction of detections that both have; mask_iou: min mean mask IoU of these.
    map: max difference of mAP.
    """

    map: float
    rounding: float | None = None
    matched: float | None = None
    mask_iou: float | None = None


# rounding: two float32 computations that differ in the order of their sums alone differ by about once the network's
# rounding; Winograd convolutions, which fast engines use, lose up to a decimal digit, hence 10. Engines for half
# precision round weights and activations alike and sum in float32, so there is less that may differ, hence 3. Faults of
# converters and of preprocessing are 1,000 times the rounding of float32 and more.
# An int8 file rounds everything, so only what it is worth counts: its mAP. On the four images of toybox8-seg two
# neighboring detections that change places move box mAP by .006, hence fp16's limit.
LIMITS = {
    "fp32": Limits(rounding=10, matched=0.99, mask_iou=0.999, map=0.001),
    "fp16": Limits(rounding=3, matched=0.95, mask_iou=0.98, map=0.01),
    "int8": Limits(map=0.02),
}


@dataclass(frozen=True)
class Row:
    """One line of the table: a measured value and its limit, None where it only informs."""

    name: str
    value: float
    limit: float | None = None
    at_least: bool = False  # the limit is a lower bound

    @property
    def ok(self) -> bool:
        """Whether the value keeps the limit, which NaN never does."""
        if self.limit is None:
            return True
        keeps = self.value >= self.limit if self.at_least else self.value <= self.limit
        return bool(keeps)  # also of numpy's numbers


def verify(
    path: str | Path,
    model: YOLO11Seg,
    names: dict[int, str],
    data: str | Path | None = None,
    trust: bool = False,
    given: ReadConfig = READ_BY_DEFAULT,
) -> bool:
    """Compare an exported file with the network, print the table, keep it in the file; True when every limit holds.

    data: a dataset, whose validation split then also gives box and mask mAP of both; its images, or those of the
    bundled default, are what is compared. Rows the file has from an earlier time and this one does not measure stay.
    A file that another tool wrote stays as it is.
    trust: see registry.load_runtime; given: how the images of the data are read. Errors: those of `measure`.
    """
    title, rows = measure(path, model, names, data, trust, given)
    print(table(rows, title))
    return all(row.ok for row in rows)


def measure(
    path: str | Path,
    model: YOLO11Seg,
    names: dict[int, str],
    data: str | Path | None = None,
    trust: bool = False,
    given: ReadConfig = READ_BY_DEFAULT,
) -> tuple[str, list[Row]]:
    """What `verify` compares, as a title and rows, which the file then keeps.

    Errors: SeglabError when the file was made from other weights or holds detections only, or is an int8 file, which
    only mAP can judge, and there is no data, or the network finds next to nothing on it.
    """
    runtime = load_runtime(path, trust)
    _refuse_incomparable(runtime, model, names, data)
    precision = runtime.metadata.precision
    limits = LIMITS[precision]
    reference = Reference.of(model, precision)
    spec = load_dataset(data or DEFAULT_DATA, "val")
    reading = given.reading if data is not None else DEFAULT_READING
    images = [read_image(image_path, reading) for image_path in spec.images("val")[:MAX_IMAGES]]

    with torch.inference_mode():
        rows = compare(reference, runtime.forward, images, runtime.imgsz, limits)
        rows += compare_batch(reference, runtime, images, limits)
        if runtime.end_to_end is not None:
            rows += compare_end_to_end(reference.network, runtime, runtime.end_to_end, images)
        if data is not None:
            rows += compare_map(reference.network, runtime, spec, names, limits, given)

    title = f"{runtime.path.name} ({runtime.metadata.origin}) against the network it came from"
    if limits.rounding is not None:
        title += f"; numbers may differ by {limits.rounding:g} times the network's own rounding in {precision}"
    if not runtime.metadata.is_foreign:
        _keep(rows, runtime)
    return title, rows


def _refuse_incomparable(runtime: Runtime, model: YOLO11Seg, names: dict[int, str], data: str | Path | None) -> None:
    """Errors: SeglabError for a file that cannot be compared with the network, with what to give instead."""
    path = runtime.path
    if runtime.metadata.has_nms:
        raise SeglabError(f"{path} returns only detections after NMS, which cannot be compared: export it without nms")
    if data is None and runtime.metadata.precision == "int8":
        raise SeglabError(f"{path} is an int8 file, which is judged by its mAP: pass data=, a dataset to verify it on")
    if runtime.metadata.weights not in ("", fingerprint(model)):
        raise SeglabError(f"{path} was exported from other weights than those given: give the weights it came from")
    if len(runtime.names) != len(names):
        raise SeglabError(
            f"{path} has {len(runtime.names)} classes and the weights have {len(names)}: give the weights it came from"
        )


def _keep(rows: list[Row], runtime: Runtime) -> None:
    """Put the table into the file's metadata."""
    measured = {
        row.name: {"value": _six_digits(row.value), "limit": _six_digits(row.limit), "ok": row.ok} for row in rows
    }
    parity = {**runtime.metadata.parity, **measured}
    its = format_of(runtime.path)
    if its is not None:
        its.write_metadata(runtime.path, replace(runtime.metadata, parity=parity))
        if its.RUNS_CODE:
            remember(runtime.path)  # its content is another now


def _six_digits(value: float | None) -> float | None:
    """Six significant digits, which is more than a table needs."""
    return None if value is None else float(f"{value:.6g}")


# --- numbers and detections ------------------------------------------------------------------------------------------


def compare(
    reference: Reference,
    forward: Forward,
    images: Sequence[np.ndarray],
    imgsz: int | tuple[int, int],
    limits: Limits,
) -> list[Row]:
    """Rows on numbers and detections over RGB uint8 `images`, letterboxed as prediction does it for `imgsz`."""
    measured = Differences()  # of the file
    own = Differences()  # of the network from itself, by rounding
    for image in images:
        (box,) = fit([image.shape[:2]], imgsz)
        batch = to_tensor([box.apply(image)]).contiguous()  # (1, 3, H, W)
        outputs = reference.run(batch)
        given = Outputs(*forward(batch))
        measured.add_numbers(outputs.expected, given)
        measured.add_detections(outputs.expected, given, box)
        if outputs.exact_and_rounded is not None:
            exact, rounded = outputs.exact_and_rounded
            own.add_numbers(exact, rounded)
            own.add_detections(exact, rounded, box)

    rows = number_rows(measured, own, reference.dtype, limits)
    matched_limit = _lowered(limits.matched, limits, own.matched_fraction)
    rows.append(Row("matched detections", measured.matched_fraction, matched_limit, at_least=True))
    iou_limit = _lowered(limits.mask_iou, limits, own.mean_iou)
    rows.append(Row("mask IoU, mean", measured.mean_iou, iou_limit, at_least=True))
    rows.append(Row("mask IoU, min", measured.min_iou, None, at_least=True))
    return rows


def _lowered(limit: float | None, limits: Limits, own: float) -> float | None:
    """A lower bound, lowered where the network already disagrees with itself: it cannot ask more of a file."""
    if limit is None or limits.rounding is None:
        return limit
    return min(limit, 1 - limits.rounding * (1 - own))


def compare_batch(reference: Reference, runtime: Runtime, images: Sequence[np.ndarray], limits: Limits) -> list[Row]:
    """Rows on numbers for several images in one call, where shapes are free of another shape than in the metadata.

    A file that is right only for the first image of a call, or only for the shape it was traced at, shows here.
    """
    if limits.rounding is None:
        return []
    height, width = runtime.metadata.size
    if runtime.metadata.dynamic:
        width += STRIDE
    group = islice(cycle(images), max(2, runtime.batch))
    letterboxed = [letterbox(image.shape[:2], (height, width)).apply(image) for image in group]
    batch = to_tensor(letterboxed).contiguous()  # (B, 3, H, W)

    measured = Differences()
    own = Differences()
    outputs = reference.run(batch)
    measured.add_numbers(outputs.expected, Outputs(*runtime.forward(batch)))
    if outputs.exact_and_rounded is not None:
        own.add_numbers(*outputs.exact_and_rounded)
    rows = number_rows(measured, own, reference.dtype, limits)
    return [replace(row, name=f"batch, {row.name}") for row in rows]


def number_rows(measured: Differences, own: Differences, dtype: torch.dtype, limits: Limits) -> list[Row]:
    """A row per quantity: its error, and as the limit the network's own rounding of it times `limits.rounding`."""
    rows = []
    for name, error in measured.errors.items():
        limit = None
        if limits.rounding is not None:
            limit = limits.rounding * rounding(own.errors[name], own.magnitudes[name], dtype)
        rows.append(Row(name, error, limit))
    return rows


def rounding(error: float, magnitude: float, dtype: torch.dtype) -> float:
    """A network's own rounding of a quantity: the error it showed, yet no less than one step of its largest value.

    Outputs that happen to show no error (constant ones, for example) may still be rounded once elsewhere. An error that
    is not finite says that the precision cannot hold the network, and excuses nothing.
    """
    step = torch.finfo(dtype).eps * magnitude
    return max(error, step) if isfinite(error) else step


# --- end-to-end files ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EndToEndLimits:
    """matched and mask_iou: lower bounds; box (pixels) and score: upper bounds on the max error, or None."""

    matched: float | None
    mask_iou: float | None
    box: float | None = None
    score: float | None = None


@dataclass
class EndToEndDifferences:
    """What an end-to-end file finds against what prediction finds, image after image."""

    matched: int = 0  # detections of either side that the other has too
    total: int = 0
    errors: list[Tensor] = field(default_factory=list)  # (N, 5) of the pairs: corners in pixels, score
    ious: list[float] = field(default_factory=list)  # mask IoU of the pairs

    def add(self, expected: Results, given: tuple[np.ndarray, ...]) -> None:
        """Count in one image. given: boxes (N, 4) in the image frame, scores, classes and, maybe, masks (N, h, w)."""
        boxes, scores, classes, *masks = given
        no_coefficients = torch.zeros(len(boxes), 0)
        given_detections = Detections(
            torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(classes), no_coefficients
        )
        data = torch.as_tensor(expected.boxes.data)  # (N, 6): corners, score, class
        expected_detections = Detections(data[:, :4], data[:, 4], data[:, 5].long(), data[:, :0])
        in_expected, in_given = match_detections(expected_detections, given_detections)
        self.matched += 2 * len(in_expected)
        self.total += len(data) + len(boxes)

        given_data = torch.cat((given_detections.boxes, given_detections.scores[:, None]), dim=1)  # (N, 5)
        self.errors.append((data[in_expected, :5] - given_data[in_given]).abs())
        if masks and expected.masks is not None:
            for expected_index, given_index in zip(in_expected.tolist(), in_given.tolist()):
                iou = crop_iou(expected.masks.crops[expected_index], (0, 0, masks[0][given_index]))
                if iou is not None:
                    self.ious.append(iou)

    def rows(self, title: str, limits: EndToEndLimits) -> list[Row]:
        """The lines of the table, each beginning with `title`."""
        fraction = self.matched / self.total if self.total else 1.0
        rows = [Row(f"{title}, matched detections", fraction, limits.matched, at_least=True)]
        if self.matched:
            *corners, score = torch.cat(self.errors).amax(dim=0).tolist()
            rows.append(Row(f"{title}, boxes, max error (px)", max(corners), limits.box))
            rows.append(Row(f"{title}, scores, max error", score, limits.score))
        if self.ious:
            mean_iou = float(np.mean(self.ious))
            rows.append(Row(f"{title}, mask IoU, mean", mean_iou, limits.mask_iou, at_least=True))
        return rows


def compare_end_to_end(
    network: Forward, runtime: Runtime, end_to_end: EndToEndRun, images: Sequence[np.ndarray]
) -> list[Row]:
    """Rows on what an end-to-end file finds, against prediction with the same settings.

    On letterboxed images that is prediction from the file's own dense outputs, which `compare` judges: the same
    numbers, so they must find the same in any precision, but for the float32 rounding of corners. On images as they
    are it is the network's, and the file's resize may round pixels to the next gray level.
    """
    size = runtime.metadata.size
    letterboxed = [letterbox(image.shape[:2], size).apply(image) for image in images]
    exact = LIMITS["fp32"]
    rounding_steps = (exact.rounding or 0) * torch.finfo(torch.float32).eps  # both compute from the same numbers
    same_numbers = EndToEndLimits(exact.matched, exact.mask_iou, box=rounding_steps * max(size), score=rounding_steps)
    other_pixels = EndToEndLimits(MIN_FROM_IMAGES, MIN_FROM_IMAGES)

    from_letterboxed = _end_to_end_differences(runtime.forward, runtime, end_to_end, letterboxed)
    from_images = _end_to_end_differences(network, runtime, end_to_end, images)
    return from_letterboxed.rows("end to end", same_numbers) + from_images.rows("from images", other_pixels)


def _end_to_end_differences(
    forward: Forward, runtime: Runtime, end_to_end: EndToEndRun, images: Sequence[np.ndarray]
) -> EndToEndDifferences:
    """Prediction through `forward` with the file's own settings against the file, over RGB uint8 images."""
    settings = runtime.metadata.end_to_end
    config = PredictConfig(
        conf=settings["conf"],
        iou=settings["iou"],
        imgsz=runtime.metadata.size,
        max_det=settings["max_det"],
        mask_targets=runtime.metadata.mask_targets,
    )
    differences = EndToEndDifferences()
    for image in images:
        (expected,) = predict_batch(forward, [SourceImage("", image)], config, runtime.names)
        differences.add(expected, end_to_end(image))
    return differences


# --- mAP -------------------------------------------------------------------------------------------------------------


def compare_map(
    network: Forward,
    runtime: Runtime,
    spec: DatasetSpec,
    names: dict[int, str],
    limits: Limits,
    images: ReadConfig = READ_BY_DEFAULT,
) -> list[Row]:
    """Rows on box and mask mAP over the validation split, both letterboxed to the file's own size.

    images: how the images are read.

    Errors: SeglabError when an int8 file is to be judged by next to no mAP.
    """
    from seglab.evaluation.validate import validate_dataset

    config = ValidateConfig(
        imgsz=runtime.imgsz,
        rect=runtime.size is None,
        mask_targets=runtime.metadata.mask_targets,
        max_pixels=images.max_pixels,
        range=images.range,
        verbose=False,
    )
    expected = validate_dataset(network, spec, names, config)
    if runtime.metadata.precision == "int8" and min(expected.box.map, expected.seg.map) < MIN_MAP:
        raise SeglabError(
            f"cannot judge int8 on {spec.yaml or spec.root}: the network itself reaches box mAP "
            f"{expected.box.map:.3f} and mask mAP {expected.seg.map:.3f} there, but the comparison needs {MIN_MAP}: "
            "train it further, or pass the data= it was trained on"
        )
    given = validate_dataset(runtime.forward, spec, names, config)
    return [
        *_map_rows("box", expected.box.map, given.box.map, limits),
        *_map_rows("mask", expected.seg.map, given.seg.map, limits),
    ]


def _map_rows(task: str, of_network: float, of_file: float, limits: Limits) -> list[Row]:
    return [
        Row(f"{task} mAP, network", of_network),
        Row(f"{task} mAP, file", of_file),
        Row(f"{task} mAP, difference", abs(of_network - of_file), limits.map),
    ]


# --- the table -------------------------------------------------------------------------------------------------------


def table(rows: list[Row], title: str) -> str:
    """The rows as text, one per line."""
    lines = [title, f"  {'':<44}{'value':>12}   {'limit':<13}"]
    for row in rows:
        limit = ""
        verdict = ""
        if row.limit is not None:
            bound = ">=" if row.at_least else "<="
            limit = f"{bound} {row.limit:.3g}"
            verdict = "ok" if row.ok else "FAILS"
        lines.append(f"  {row.name:<44}{row.value:>12.6g}   {limit:<13}{verdict}")
    return "\n".join(line.rstrip() for line in lines)
