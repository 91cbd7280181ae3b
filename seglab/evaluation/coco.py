"""The COCO protocol: average precision and recall of boxes or masks at the image's own resolution.

Rules (Lin et al., "Microsoft COCO", 2014, and https://cocodataset.org/#detection-eval): detections of one class are
taken by falling score, at most 100 per image, and matched with ground truth greedily (see `matching`). Crowds and
instances outside the area range are ignored: what matches them, or matches nothing and lies outside the range itself,
counts neither way. The overlap with a crowd is taken over the detection alone, and a crowd may be matched many times.
AP is the mean of the precision envelope at 101 recalls.

An image is reduced at once to the pairs that overlap enough to matter, a few numbers each, so memory does not grow with
masks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pycocotools import mask as coco_mask

from seglab.errors import UNREADABLE, SeglabError
from seglab.evaluation.boundary import boundary
from seglab.evaluation.matching import Pairs, count_within, match_all_images
from seglab.formats.coco import class_of, read_ground_truth, read_results
from seglab.formats.coco_ids import ById, Id, in_order, refuse_no_id
from seglab.formats.coco_shapes import draw_rows, finite_numbers, is_crowd, stated_size
from seglab.formats.image_names import plain_path, same_file
from seglab.geometry.rle import Rle
from seglab.sizes import Size
from seglab.wording import pluralize

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}  # px^2
MAX_DETECTIONS = (1, 10, 100)
NO_CLASS = -1  # of detections whose category the ground truth lacks
MAX_LISTED = 5  # ids that a message names
IOU_TYPES = ("bbox", "segm", "boundary")
STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")

Value = TypeVar("Value")


class Instances(NamedTuple):
    """The ground-truth instances or the detections of one image, in its own frame.

    classes: (N,) int; areas: (N,) float, px^2; boxes: (N, 4) float64 left, top, width, height (for "bbox");
    masks: N RLEs of the whole image (for "segm"), or None for a detection that overlaps no ground truth of its class by
    the lowest threshold; scores: (N,) float, detections only; crowd: (N,) bool, ground truth only.
    """

    classes: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray | None = None
    masks: Sequence[Rle | None] | None = None
    scores: np.ndarray | None = None
    crowd: np.ndarray | None = None

    @property
    def crowds(self) -> np.ndarray:
        """(N,) bool: `crowd`, all False where nothing is said of it."""
        return np.zeros(len(self.classes), bool) if self.crowd is None else np.asarray(self.crowd, bool)

    @property
    def all_boxes(self) -> np.ndarray:
        """`boxes`. Errors: ValueError where there are none."""
        return _required(self.boxes, "boxes")

    @property
    def all_scores(self) -> np.ndarray:
        """`scores` as (N,) float64. Errors: ValueError where there are none."""
        return np.asarray(_required(self.scores, "scores"), dtype=np.float64)

    @property
    def all_masks(self) -> list[Rle]:
        """`masks`. Errors: ValueError where there are none, or not one for every instance."""
        return [_required(mask, "mask") for mask in _required(self.masks, "masks")]


def _required(value: Value | None, name: str) -> Value:
    if value is None:
        raise ValueError(f"these instances have no {name}, which this comparison needs")
    return value


class ClassMatches(NamedTuple):
    """How the detections of one class fared, by falling score. A: area ranges, T: overlap thresholds.

    scores, ranks (place within its image): (D,);
    true, ignored: (D, A, T) bool, what is neither is false; positives: (A,) ground-truth instances that count.
    """

    scores: np.ndarray
    ranks: np.ndarray
    true: np.ndarray
    ignored: np.ndarray
    positives: np.ndarray


class PrecisionRecall(NamedTuple):
    """Of one class, -1 in area ranges without ground truth. T: thresholds, A: area ranges, M: detection limits."""

    precision: np.ndarray  # (T, 101, A) precision envelope at RECALLS
    recall: np.ndarray  # (T, A, M) recall at the end of the list


@dataclass(frozen=True)
class CocoMetrics:
    """What the protocol reports; -1 stands where a class has no ground truth, as in COCO's own tool.

    precision: (T, 101, K, A) at the largest detection limit; recall: (T, K, A, M); warnings: what is odd about the
    files they were measured on.
    """

    precision: np.ndarray
    recall: np.ndarray
    warnings: tuple[str, ...] = ()

    @property
    def stats(self) -> dict[str, float]:
        """The twelve COCO metrics by name, in COCO's order."""
        average_precisions = [
            self._average_precision("all"),
            self._average_precision("all", threshold=0.5),
            self._average_precision("all", threshold=0.75),
            self._average_precision("small"),
            self._average_precision("medium"),
            self._average_precision("large"),
        ]
        average_recalls = [
            *(self._average_recall("all", limit) for limit in MAX_DETECTIONS),
            *(self._average_recall(area, MAX_DETECTIONS[-1]) for area in ("small", "medium", "large")),
        ]
        return dict(zip(STATS, [*average_precisions, *average_recalls]))

    def _average_precision(self, area: str, threshold: float | None = None) -> float:
        """Mean over thresholds (or of one), recalls and classes."""
        chosen = np.ones(len(THRESHOLDS), bool) if threshold is None else np.isclose(THRESHOLDS, threshold)
        return _mean_of_known(self.precision[chosen, :, :, list(AREAS).index(area)])

    def _average_recall(self, area: str, limit: int) -> float:
        """Mean over thresholds and classes."""
        return _mean_of_known(self.recall[:, :, list(AREAS).index(area), MAX_DETECTIONS.index(limit)])

    def __str__(self) -> str:
        metrics = [f"{name:<6}{value:>8.4f}" for name, value in self.stats.items()]
        return "\n".join([*metrics, *(f"warning: {warning}" for warning in self.warnings)])


def _mean_of_known(values: np.ndarray) -> float:
    known = values[values > -1]
    # The exact sum, whatever the order of classes: a file lists them by category id, validation by class id.
    return math.fsum(known.ravel().tolist()) / known.size if known.size else -1.0


@dataclass(frozen=True)
class _Overlaps:
    """What matching needs of an image, or of all images joined: G ground-truth instances, D detections, P pairs."""

    truth_classes: np.ndarray  # (G,) int
    truth_areas: np.ndarray  # (G,) float64, px^2
    crowd: np.ndarray  # (G,) bool
    classes: np.ndarray  # (D,) int, image by image, within it by class and falling score
    scores: np.ndarray  # (D,) float64
    areas: np.ndarray  # (D,) float64, px^2
    ranks: np.ndarray  # (D,) int, place among the detections of the image and class
    pairs: Pairs


class CocoAccumulator:
    """Takes one image after another, then gives the metrics. iou_type: "bbox", "segm" or "boundary"."""

    def __init__(self, classes: Sequence[int], iou_type: str = "segm", limit: int = MAX_DETECTIONS[-1]) -> None:
        """classes: the ids to report, others are left out; limit: detections per image and class, COCO takes 100."""
        if iou_type not in IOU_TYPES:
            raise SeglabError(f"iou_type={iou_type!r} is unknown: choose bbox, segm or boundary")
        self.classes = tuple(sorted(classes))
        self.iou_type = iou_type
        self.limit = limit
        self._images: dict[int | str, _Overlaps] = {}

    def add(self, image_id: int | str, ground_truth: Instances, detections: Instances) -> None:
        """Reduce one image to its overlaps. Raises ValueError when the image was added before."""
        if image_id in self._images:
            raise ValueError(f"image {image_id} was added twice: add every image once, with all its detections")
        classes = np.asarray(detections.classes)
        scores = detections.all_scores

        # The best `limit` detections of each class; the sort is stable: equal scores keep the order they came in.
        order = np.lexsort((-scores, classes))
        ranks = count_within(classes[order])
        order = order[ranks < self.limit]
        ranks = ranks[ranks < self.limit]

        self._images[image_id] = _Overlaps(
            truth_classes=np.asarray(ground_truth.classes),
            truth_areas=np.asarray(ground_truth.areas, dtype=np.float64),
            crowd=ground_truth.crowds,
            classes=classes[order],
            scores=scores[order],
            areas=np.asarray(detections.areas, dtype=np.float64)[order],
            ranks=ranks,
            pairs=overlapping_pairs(ground_truth, detections, order, self.iou_type),
        )

    def join(self, other: CocoAccumulator) -> None:
        """Take the images of another one, of which none may be here already."""
        if twice := self._images.keys() & other._images.keys():
            raise ValueError(f"image {min(twice, key=str)} was added twice: add every image once")
        self._images |= other._images

    def matches(self) -> Iterator[ClassMatches]:
        """Match every class of `self.classes` in turn. Images count in the order of their ids."""
        if not self._images:
            empty = np.zeros((0, len(AREAS), len(THRESHOLDS)), bool)
            nothing = ClassMatches(np.zeros(0), np.zeros(0), empty, empty, np.zeros(len(AREAS)))
            yield from (nothing for _ in self.classes)
            return
        images = [self._images[image_id] for image_id in in_order(self._images)]
        every, image_of = _join(images)
        truth_ignored = _outside(every.truth_areas) | every.crowd[:, None]  # (G, A)
        thresholds = np.minimum(THRESHOLDS, 1 - 1e-10)  # as COCO's tool has them

        detections_of_class = _groups(every.classes, self.classes)
        pairs_of_class = _groups(every.classes[every.pairs.detection], self.classes)
        for class_id, own, own_pairs in zip(self.classes, detections_of_class, pairs_of_class):
            pairs = Pairs(
                np.searchsorted(own, every.pairs.detection[own_pairs]),  # `own` rises, so a place in it is a search
                every.pairs.truth[own_pairs],
                every.pairs.overlap[own_pairs],
            )
            matched, matched_ignored = match_all_images(pairs, image_of[own], truth_ignored, every.crowd, thresholds)
            # A detection without a match is ignored when its own area lies outside the range.
            ignored = np.where(matched, matched_ignored, _outside(every.areas[own])[:, :, None])  # (D, A, T)
            true = matched & ~ignored
            positives = (~truth_ignored[every.truth_classes == class_id]).sum(axis=0)  # (A,)
            order = np.argsort(-every.scores[own], kind="stable")
            yield ClassMatches(
                every.scores[own][order], every.ranks[own][order], true[order], ignored[order], positives
            )

    def summarize(self) -> CocoMetrics:
        """The metrics of every image added so far."""
        return coco_metrics([precision_recall(matches) for matches in self.matches()])


def _join(images: Sequence[_Overlaps]) -> tuple[_Overlaps, np.ndarray]:
    """All images in one, and the number of the image of each detection (D,)."""
    truth_counts = np.array([len(image.truth_classes) for image in images])
    detection_counts = np.array([len(image.classes) for image in images])
    pair_counts = np.array([len(image.pairs.overlap) for image in images])
    first_truth = np.cumsum(truth_counts) - truth_counts
    first_detection = np.cumsum(detection_counts) - detection_counts

    # Indexes within an image become indexes among all of them.
    pairs = Pairs(
        np.concatenate([image.pairs.detection for image in images]) + np.repeat(first_detection, pair_counts),
        np.concatenate([image.pairs.truth for image in images]) + np.repeat(first_truth, pair_counts),
        np.concatenate([image.pairs.overlap for image in images]),
    )
    every = _Overlaps(
        truth_classes=np.concatenate([image.truth_classes for image in images]),
        truth_areas=np.concatenate([image.truth_areas for image in images]),
        crowd=np.concatenate([image.crowd for image in images]),
        classes=np.concatenate([image.classes for image in images]),
        scores=np.concatenate([image.scores for image in images]),
        areas=np.concatenate([image.areas for image in images]),
        ranks=np.concatenate([image.ranks for image in images]),
        pairs=pairs,
    )
    return every, np.repeat(np.arange(len(images)), detection_counts)


def precision_recall(matches: ClassMatches) -> PrecisionRecall:
    """Precision and recall of one class, -1 in area ranges that hold no ground truth."""
    precision = np.full((len(THRESHOLDS), len(RECALLS), len(AREAS)), -1.0)
    recall = np.full((len(THRESHOLDS), len(AREAS), len(MAX_DETECTIONS)), -1.0)
    for area in np.flatnonzero(matches.positives):
        true = matches.true[:, area].T  # (T, D)
        positives = matches.positives[area]
        precision[:, :, area] = precision_at_recalls(true, matches.ignored[:, area].T, positives)
        for m, limit in enumerate(MAX_DETECTIONS):
            recall[:, area, m] = true[:, matches.ranks < limit].sum(axis=1) / positives
    return PrecisionRecall(precision, recall)


def coco_metrics(classes: Sequence[PrecisionRecall]) -> CocoMetrics:
    """Put the values of single classes together."""
    precision = np.stack([each.precision for each in classes], axis=2)  # (T, 101, K, A)
    recall = np.stack([each.recall for each in classes], axis=1)  # (T, K, A, M)
    return CocoMetrics(precision, recall)


def overlapping_pairs(ground_truth: Instances, detections: Instances, order: np.ndarray, iou_type: str) -> Pairs:
    """Which detections reach the lowest threshold with which ground truth of their class.

    order: (D,) the detections to look at; in the result they are numbered by their place in it.
    """
    truth_classes = np.asarray(ground_truth.classes)
    classes = np.asarray(detections.classes)[order]
    has_mask = np.ones(len(order), dtype=bool)
    if iou_type != "bbox" and detections.masks is not None:
        has_mask = np.array([detections.masks[int(index)] is not None for index in order], dtype=bool)

    # pycocotools compares all with all, so each class is compared on its own.
    parts = [Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for class_id in np.unique(truth_classes):
        own = np.flatnonzero((classes == class_id) & has_mask)
        truth = np.flatnonzero(truth_classes == class_id)
        if not len(own):
            continue
        overlap = _overlaps(ground_truth, detections, truth, order[own], iou_type)  # (D, G)
        rows, columns = np.nonzero(overlap >= THRESHOLDS[0])
        parts.append(Pairs(own[rows], truth[columns], overlap[rows, columns]))
    return Pairs(
        np.concatenate([part.detection for part in parts]),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.overlap for part in parts]),
    )


def _overlaps(
    ground_truth: Instances, detections: Instances, truth: np.ndarray, found: np.ndarray, iou_type: str
) -> np.ndarray:
    """(D, G) overlaps of the detections `found` (D,) with the ground truth `truth` (G,)."""
    crowd = ground_truth.crowds[truth].astype(np.uint8)
    if iou_type == "bbox":
        return coco_mask.iou(detections.all_boxes[found], ground_truth.all_boxes[truth], crowd)
    found_masks = _masks_at(detections, found)
    truth_masks = _masks_at(ground_truth, truth)
    overlap = coco_mask.iou(found_masks, truth_masks, crowd)
    if iou_type == "segm":
        return overlap

    # Boundary overlap is the lesser of two, so it is computed only where the overlap of the masks suffices.
    near = np.flatnonzero((overlap >= THRESHOLDS[0]).any(axis=1))
    if len(near):  # of no masks pycocotools makes a list
        found_edges = [boundary(found_masks[index]) for index in near]
        truth_edges = [boundary(mask) for mask in truth_masks]
        overlap[near] = np.minimum(overlap[near], coco_mask.iou(found_edges, truth_edges, crowd))
    return overlap


def _masks_at(instances: Instances, places: np.ndarray) -> list[Rle]:
    masks = _required(instances.masks, "masks")
    return [_required(masks[place], "mask") for place in places.tolist()]


def precision_at_recalls(true: np.ndarray, ignored: np.ndarray, positives: int) -> np.ndarray:
    """(T, D) bool true and ignored by falling score -> (T, 101) precision envelope at COCO's recalls."""
    precision = np.zeros((len(true), len(RECALLS)))
    false_count = np.cumsum(~(true | ignored), axis=1)  # (T, D)
    true_count = np.arange(1.0, positives + 1)
    reached = np.searchsorted(true_count / positives, RECALLS)  # which true positive, from 0, reaches each recall
    for row, is_true, false_before in zip(precision, true, false_count):
        # The envelope only ever steps at true positives.
        places = np.flatnonzero(is_true)
        count = true_count[: len(places)]
        envelope = count / (false_before[places] + count + np.spacing(1))
        envelope = np.maximum.accumulate(envelope[::-1])[::-1]
        within = reached < len(places)
        row[within] = envelope[reached[within]]
    return precision


def evaluate_files(gt: str | Path, dt: str | Path, kind: str = "segm") -> CocoMetrics:
    """COCO's twelve metrics for files in its standard formats: an instances file and a list of results.

    Ids may be numbers or text, and text in one file where the other has numbers. Shapes may have any of the forms in
    `seglab.formats.coco_shapes`; sizes of images are needed for masks alone.

    Raises FileNotFoundError for a missing file, SeglabError for a file of another form, and where the two files do not
    belong together: results of images that the ground truth does not list, or of images or categories that it calls by
    other names. Categories that it lacks are told in `warnings`. What COCO's own tool takes for a miss without a word,
    masks of another size than their image and scores that are no numbers, is an error too, and so is a damaged RLE,
    which may end it, or lend it any number.
    """
    truth = read_ground_truth(gt)
    results = read_results(dt)
    with _told_by(gt):
        ids = _category_ids(gt, truth["categories"])
        classes = class_of(ids)
        sizes = _sizes(gt, truth["images"])
    accumulator = CocoAccumulator(range(len(ids)), kind)

    annotations = truth["annotations"]
    true_rows = _rows_by_image(gt, annotations, truth["images"], gt)
    found_rows = _rows_by_image(dt, results, truth["images"], gt)
    with _told_by(dt):
        area_key = _area_key(results)
    for image_id, size in sizes.items():
        read = _Reader(classes, size, kind)
        ground_truth = _read_image(gt, true_rows[image_id], annotations, partial(read.instances, area_key="area"))
        detections = _read_image(dt, found_rows[image_id], results, partial(read.instances, area_key=area_key))
        with _told_by(dt):
            accumulator.add(image_id, ground_truth, detections)
    with _told_by(dt):
        warnings = _compare_names(gt, dt, truth, results)
    if annotations and all(map(is_crowd, annotations)):
        warnings = (*warnings, f"all annotations of {gt} are iscrowd=1, so nothing counts: set iscrowd to 0")
    return replace(accumulator.summarize(), warnings=warnings)


def _category_ids(gt: str | Path, categories: list[dict]) -> list[Id]:
    """The ids of the categories, in order."""
    for category in categories:
        refuse_no_id(gt, "categories", category["id"])
    return in_order({category["id"] for category in categories})


def _sizes(gt: str | Path, images: list[dict]) -> dict[Id, Size | None]:
    """Image id -> (height, width), None where the file does not state it."""
    for image in images:
        refuse_no_id(gt, "images", image["id"])
    return {image["id"]: stated_size(image) for image in images}


@contextmanager
def _told_by(file: str | Path, where: str = "") -> Iterator[None]:
    """What fails on the content of a file becomes one sentence on that file. where: which row it is, if known."""
    try:
        yield
    except SeglabError as error:
        if str(file) in str(error):
            raise
        raise SeglabError(f"{file} has a row{where} that cannot be read ({error})") from error
    except KeyError as missing:
        raise SeglabError(f"{file} has a row without {missing}, which COCO's format requires: add it") from missing
    except UNREADABLE as error:
        raise SeglabError(f"{file} has a row{where} that cannot be read ({error}): correct it") from error


def _rows_by_image(file: str | Path, rows: list[dict], images: list[dict], gt: str | Path) -> dict[Id, list[dict]]:
    """The rows of a file, image by image. Errors: SeglabError for a row of an image that the ground truth lacks."""
    by_image: dict[Id, list[dict]] = {image["id"]: [] for image in images}
    rows_of = ById(by_image)
    with _told_by(file):
        for row in rows:
            own = rows_of.get(row["image_id"])
            if own is None:
                raise SeglabError(
                    f"{file} references image {row['image_id']}, which is missing from {gt}: "
                    f"{_instead_of(row['image_id'], images)}"
                )
            own.append(row)
    return by_image


def _instead_of(image_id: object, images: list[dict]) -> str:
    """What to do about the id of an image that is not in the ground truth."""
    for image in images:
        name = plain_path(str(image.get("file_name", "")))
        if name.name and str(image_id) in (name.as_posix(), name.name, name.stem):
            return f"that is a file name; write the id of the image there, {image['id']}"
    return "give two files of the same split of the same dataset"


def _read_image(
    file: str | Path, rows: list[dict], every: list[dict], read: Callable[[list[dict]], Instances]
) -> Instances:
    """The `rows` of one image. Errors: SeglabError naming the row, with its place among `every` row of the file."""
    try:
        return read(rows)
    except UNREADABLE:
        where = _unreadable(rows, every, read)
    with _told_by(file, where):  # once more, for the sentence
        return read(rows)


def _compare_names(gt: str | Path, dt: str | Path, truth: dict, results: list[dict]) -> tuple[str, ...]:
    """What is odd about results of this ground truth, all of whose images it lists.

    Errors: SeglabError where the same ids mean different things.
    """
    names = ById({category["id"]: str(category["name"]) for category in truth["categories"] if "name" in category})
    ids = {category["id"] for category in truth["categories"]}
    known = ById({number: True for number in ids})
    files = ById({image["id"]: str(image["file_name"]) for image in truth["images"] if "file_name" in image})
    found = {row["category_id"]: row.get("category_name") for row in results}
    for category_id, name in found.items():
        if name is not None and (names.get(category_id) or name) != name:
            raise SeglabError(
                f"{dt} names category {category_id} '{name}', but {gt} names it '{names.get(category_id)}': "
                "write both with the same classes in the same order"
            )
    named = {row["image_id"]: row["file_name"] for row in results if "file_name" in row}
    for image_id, file in named.items():
        own = files.get(image_id)
        if own is not None and not same_file(own, str(file)):
            raise SeglabError(
                f"{dt} names image {image_id} '{file}', but {gt} names it '{own}': "
                "write both again from the same images"
            )
    unknown = [category_id for category_id in found if not known.get(category_id)]
    if not unknown:
        return ()
    rows = sum(not known.get(row["category_id"]) for row in results)
    which = f"categories that are missing from {gt} and not counted: {_listed(unknown)}"
    if len(unknown) < len(found):
        return (f"{dt} has {pluralize(rows, 'detection')} of {which}",)
    return (f"all {rows} detections of {dt} are of {which}; the ground truth has {_listed(ids)}",)


def _listed(ids: Iterable[Any]) -> str:
    """The first few of some ids."""
    every = [str(each) for each in ids]
    return ", ".join(every[:MAX_LISTED]) + (f" and {len(every) - MAX_LISTED} more" if len(every) > MAX_LISTED else "")


def _area_key(results: list[dict]) -> str:
    """What the area of a mask in a results file is: its own where every row says it, as those of `val` do.

    Else it is COCO's tool's area: of the box wherever the file has boxes, for masks too; and else the mask's.
    """
    if results and all("mask_area" in row for row in results):
        return "mask_area"
    return "bbox" if results and results[0].get("bbox") else "mask"


def _unreadable(rows: list[dict], every: list[dict], read: Callable[[list[dict]], Instances]) -> str:
    """Which of the `rows` of an image it is that `read` cannot take, with its place among all rows of the file."""
    for row in rows:
        try:
            read([row])
        except UNREADABLE:
            number = next(number for number, each in enumerate(every, start=1) if each is row)
            return f" (number {number} of the {len(every)} of image {row['image_id']})"
    return ""


@dataclass(frozen=True)
class _Reader:
    """Reads the rows of one image. classes: category id -> class; size: (height, width), None where it is unknown."""

    classes: ById[int]
    size: Size | None
    kind: str

    def instances(self, rows: list[dict], area_key: str) -> Instances:
        """Rows of a COCO file. area_key: "area" in ground truth; in results, whose rows have scores, "bbox",
        "mask_area" or "mask"."""
        is_truth = area_key == "area"
        masks: list[Rle] | None = None
        mask_areas = np.zeros(0)
        if rows and (self.kind != "bbox" or area_key == "mask"):
            if self.size is None:
                raise ValueError("its image has no width and height, which masks need: state them in the ground truth")
            masks, mask_areas = draw_rows(rows, self.size)
        elif self.kind != "bbox":
            masks = []

        boxes = None
        if self.kind == "bbox" and masks:
            boxes = coco_mask.toBbox(masks)
        elif self.kind == "bbox":
            boxes = finite_numbers(rows, "bbox", 4)

        if area_key == "mask":
            areas = mask_areas
        elif area_key == "bbox" or (self.kind == "bbox" and not is_truth):
            areas = finite_numbers(rows, "bbox", 4)[:, 2:].prod(axis=1)
        else:
            areas = finite_numbers(rows, area_key)
        scores = np.zeros(len(rows)) if is_truth else finite_numbers(rows, "score")
        return Instances(
            np.array([self._class_of(row["category_id"], is_truth) for row in rows], dtype=np.int64),
            areas,
            boxes,
            masks,
            scores,
            np.array([is_crowd(row) for row in rows], dtype=bool),
        )

    def _class_of(self, category: object, is_truth: bool) -> int:
        """The class of a category; -1, which is none, for those that the ground truth does not list."""
        class_id = self.classes.get(category)
        if class_id is not None:
            return class_id
        if is_truth:
            raise ValueError(f"its category {category} is not among the categories of the file")
        return NO_CLASS


def _outside(areas: np.ndarray) -> np.ndarray:
    """(N,) areas -> (N, A) bool, whether each lies outside each range (both ends belong to the range)."""
    low, high = np.array(list(AREAS.values())).T
    return (areas[:, None] < low) | (areas[:, None] > high)


def _groups(labels: np.ndarray, wanted: Sequence[int]) -> list[np.ndarray]:
    """(N,) labels -> for each wanted label, the rising places where it stands."""
    order = np.argsort(labels, kind="stable")
    return [order[first:last] for first, last in np.searchsorted(labels[order], [(w, w + 1) for w in wanted])]
