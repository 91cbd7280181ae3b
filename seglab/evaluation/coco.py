"""The COCO protocol: average precision and recall of boxes or masks at the image's own resolution.

Rules (Lin et al., "Microsoft COCO", 2014, and https://cocodataset.org/#detection-eval): detections of one class go by
falling score, at most 100 an image; each takes the unclaimed ground truth it overlaps most, if the overlap reaches
the threshold, real objects before ignored ones; ignored are crowds and objects outside the area range, and what matches
them, or matches nothing and lies outside the range itself, counts neither way. The overlap with a crowd is taken over
the detection alone, and a crowd may be matched many times. AP is the mean of the precision envelope at 101 recalls.

An image is reduced at once to the pairs that overlap enough to matter, a few numbers each, so memory does not grow with
masks. Matching then runs class by class over every image, area range and threshold together: step r settles the r-th
detection of each image, which makes a hundred numpy steps out of a million Python ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from seglab.errors import SeglabError
from seglab.formats.coco import draw_rows, is_crowd, read_ground_truth, read_results, same_file
from seglab.wording import pluralize

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}  # px^2
MAX_DETECTIONS = (1, 10, 100)
LISTED = 5  # ids that a message names
FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


class Instances(NamedTuple):
    """The objects or the detections of one image, in its own frame.

    classes: (N,) int; areas: (N,) float, px^2; boxes: (N, 4) float64 left, top, width, height (for "bbox");
    masks: N RLEs of the whole image (for "segm"), or None for a detection that overlaps no object of its class by the
    least threshold; scores: (N,) float, detections only; crowd: (N,) bool, objects only.
    """

    classes: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray | None = None
    masks: Sequence[dict | None] | None = None
    scores: np.ndarray | None = None
    crowd: np.ndarray | None = None

    @property
    def crowds(self) -> np.ndarray:
        """(N,) bool: `crowd`, all False where nothing is said of it."""
        return np.zeros(len(self.classes), bool) if self.crowd is None else np.asarray(self.crowd, bool)


class ClassMatches(NamedTuple):
    """How the detections of one class fared, by falling score. A: area ranges, T: overlap thresholds.

    scores, ranks (place within its image): (D,);
    true, ignored: (D, A, T) bool, what is neither is false; positives: (A,) objects that count.
    """

    scores: np.ndarray
    ranks: np.ndarray
    true: np.ndarray
    ignored: np.ndarray
    positives: np.ndarray


@dataclass(frozen=True)
class CocoFigures:
    """What the protocol reports; -1 stands where a class has no ground truth, as in COCO's own tool.

    precision: (T, 101, K, A) at the largest detection limit; recall: (T, K, A, M); warnings: what is odd about the
    files they were measured on.
    """

    precision: np.ndarray
    recall: np.ndarray
    warnings: tuple[str, ...] = ()

    @property
    def twelve(self) -> dict[str, float]:
        """The twelve COCO figures by name, in COCO's order."""
        precision, recall = self.precision, self.recall
        half, three_quarters = (np.isclose(THRESHOLDS, level) for level in (0.5, 0.75))
        values = [_mean(precision[..., 0]), _mean(precision[half][..., 0]), _mean(precision[three_quarters][..., 0])]
        values += [_mean(precision[..., area]) for area in (1, 2, 3)]
        values += [_mean(recall[:, :, 0, limit]) for limit in range(len(MAX_DETECTIONS))]
        values += [_mean(recall[:, :, area, -1]) for area in (1, 2, 3)]
        return dict(zip(FIGURES, values))

    def __str__(self) -> str:
        metrics = [f"{name:<6}{value:>8.4f}" for name, value in self.twelve.items()]
        return "\n".join([*metrics, *(f"warning: {warning}" for warning in self.warnings)])


def _mean(values: np.ndarray) -> float:
    known = values[values > -1]
    # The exact sum, whatever the order of classes: a file lists them by category id, validation by class id.
    return math.fsum(known.ravel().tolist()) / known.size if known.size else -1.0


class CocoAccumulator:
    """Takes one image after another, then gives the figures. kind: "bbox", "segm" or "boundary"."""

    def __init__(self, classes: Sequence[int], kind: str = "segm", limit: int = MAX_DETECTIONS[-1]) -> None:
        """classes: the ids to report, others are left out; limit: detections an image and class, COCO takes 100."""
        if kind not in ("bbox", "segm", "boundary"):
            raise SeglabError(f"kind is {kind!r}: choose bbox, segm or boundary")
        self.classes, self.kind, self.limit = tuple(sorted(classes)), kind, limit
        self._images: dict[int | str, tuple[np.ndarray, ...]] = {}

    def add(self, image_id: int | str, ground_truth: Instances, detections: Instances) -> None:
        """Reduce one image to its overlaps. Raises ValueError when the image was added before."""
        if image_id in self._images:
            raise ValueError(f"image {image_id} was added twice: give every image once, with all its detections")
        classes, scores = np.asarray(detections.classes), np.asarray(detections.scores, dtype=np.float64)
        order = np.lexsort((-scores, classes))  # stable: equal scores keep the order they came in
        ranks = count_within(classes[order])
        order, ranks = order[ranks < self.limit], ranks[ranks < self.limit]
        pairs = overlapping_pairs(ground_truth, detections, order, self.kind)
        self._images[image_id] = (
            np.asarray(ground_truth.classes), np.asarray(ground_truth.areas, dtype=np.float64), ground_truth.crowds,
            classes[order], scores[order], np.asarray(detections.areas, dtype=np.float64)[order], ranks, *pairs,
        )  # fmt: skip

    def matches(self) -> Iterator[ClassMatches]:
        """Match every class of `self.classes` in turn. Images count in the order of their ids."""
        if not self._images:
            nothing = np.zeros(0)
            empty = np.zeros((0, len(AREAS), len(THRESHOLDS)), bool)
            yield from (ClassMatches(nothing, nothing, empty, empty, np.zeros(4)) for _ in self.classes)
            return
        columns = list(zip(*(self._images[image_id] for image_id in sorted(self._images))))
        truth_count = np.array([len(column) for column in columns[0]])
        found_count = np.array([len(column) for column in columns[3]])
        pair_count = np.array([len(column) for column in columns[7]])
        truth_class, truth_area, crowd, classes, scores, areas, ranks, pair_found, pair_truth, overlap = (
            np.concatenate(column) for column in columns
        )
        pair_found += np.repeat(np.cumsum(found_count) - found_count, pair_count)
        pair_truth += np.repeat(np.cumsum(truth_count) - truth_count, pair_count)
        images = np.repeat(np.arange(len(found_count)), found_count)
        truth_ignored = _outside(truth_area) | crowd[:, None]  # (G, A)

        by_class, pair_class = _groups(classes, self.classes), _groups(classes[pair_found], self.classes)
        for class_id, found, pairs in zip(self.classes, by_class, pair_class):
            local = np.searchsorted(found, pair_found[pairs])  # `found` rises, so a place in it is a search
            matched, matched_ignored = match(
                local, pair_truth[pairs], overlap[pairs], images[found], truth_ignored, crowd
            )  # (D, A, T) each
            ignored = np.where(matched, matched_ignored, _outside(areas[found])[:, :, None])
            order = np.argsort(-scores[found], kind="stable")
            yield ClassMatches(
                scores[found][order], ranks[found][order],
                (matched & ~ignored)[order], ignored[order], (~truth_ignored[truth_class == class_id]).sum(axis=0),
            )  # fmt: skip

    def summarise(self) -> CocoFigures:
        """The figures of every image added so far."""
        return coco_figures([class_figures(matches) for matches in self.matches()])


def class_figures(matches: ClassMatches) -> tuple[np.ndarray, np.ndarray]:
    """Precision (T, 101, A) and recall (T, A, M) of one class, -1 in area ranges that hold no object."""
    precision = np.full((len(THRESHOLDS), len(RECALLS), len(AREAS)), -1.0)
    recall = np.full((len(THRESHOLDS), len(AREAS), len(MAX_DETECTIONS)), -1.0)
    for area in np.flatnonzero(matches.positives):
        true, positives = matches.true[:, area].T, matches.positives[area]  # (T, D)
        precision[:, :, area] = precision_at_recalls(true, matches.ignored[:, area].T, positives)
        for m, limit in enumerate(MAX_DETECTIONS):
            recall[:, area, m] = true[:, matches.ranks < limit].sum(axis=1) / positives
    return precision, recall


def coco_figures(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> CocoFigures:
    """Put the figures of single classes together."""
    precision, recall = zip(*parts)
    return CocoFigures(np.stack(precision, axis=2), np.stack(recall, axis=1))


def overlapping_pairs(
    ground_truth: Instances, detections: Instances, order: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which detections reach the least threshold with which objects of their class.

    order: (D,) the detections to look at. Returns (P,) places in `order`, (P,) objects and (P,) overlaps in [0, 1].
    """
    truth_class, found_class = np.asarray(ground_truth.classes), np.asarray(detections.classes)[order]
    crowd = ground_truth.crowds.astype(np.uint8)
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for class_id in np.unique(truth_class):
        found, truth = np.flatnonzero(found_class == class_id), np.flatnonzero(truth_class == class_id)
        if kind != "bbox":
            found = found[[detections.masks[i] is not None for i in order[found]]]
        if not len(found):
            continue
        if kind == "bbox":
            shapes = detections.boxes[order[found]], ground_truth.boxes[truth]
        else:
            shapes = [detections.masks[i] for i in order[found]], [ground_truth.masks[i] for i in truth]
        overlap = coco_mask.iou(*shapes, crowd[truth])  # (D, G)
        if kind == "boundary":
            from seglab.evaluation.boundary import boundary

            near = np.flatnonzero((overlap >= THRESHOLDS[0]).any(axis=1))  # the lesser of two overlaps asks for both
            if len(near):  # of no masks pycocotools makes a list
                edges = [boundary(shapes[0][i]) for i in near], [boundary(mask) for mask in shapes[1]]
                overlap[near] = np.minimum(overlap[near], coco_mask.iou(*edges, crowd[truth]))
        rows, columns = np.nonzero(overlap >= THRESHOLDS[0])
        parts.append((found[rows], truth[columns], overlap[rows, columns]))
    return tuple(np.concatenate(column) for column in zip(*parts))


def match(
    found: np.ndarray,
    truth: np.ndarray,
    overlap: np.ndarray,
    images: np.ndarray,
    ignored: np.ndarray,
    crowd: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The greedy matching of one class, every image, area range and threshold at once.

    found, truth, overlap: (P,) pairs of a detection and an object of one image; images: (D,) image of each
    detection, which stand image by image, by falling score within; ignored: (G, A) bool; crowd: (G,) bool.
    Returns (D, A, T) bool twice: the detection claimed an object, and that object is an ignored one.
    """
    areas, thresholds = ignored.shape[1], np.minimum(THRESHOLDS, 1 - 1e-10)
    matched = np.zeros((len(images), areas, len(thresholds)), bool)
    matched_ignored, taken = np.zeros_like(matched), np.zeros((len(ignored), areas, len(thresholds)), bool)
    candidates, place = np.unique(found, return_inverse=True)
    step = count_within(images[candidates])[place]  # (P,)
    # Within a detection the best pair stands last: by overlap, and among equal overlaps the later object wins.
    order = np.lexsort((truth, overlap, found, step))
    found, truth, overlap, step = found[order], truth[order], overlap[order], step[order]
    bounds = np.flatnonzero(np.r_[True, step[1:] != step[:-1], True]) if len(step) else []
    for first, last in pairwise(bounds):
        of, size = truth[first:last], last - first
        free = ~taken[of] & (overlap[first:last, None] >= thresholds)[:, None, :]  # (p, A, T)
        preference = np.arange(size)[:, None] + size * ~ignored[of]  # (p, A): real objects before ignored ones
        preference = np.where(free, preference[:, :, None], -1)
        starts = np.flatnonzero(np.r_[True, np.diff(found[first:last]) != 0])
        best = np.maximum.reduceat(preference, starts, axis=0)  # (d, A, T)
        rows = found[first:last][starts]
        matched[rows], matched_ignored[rows] = best >= 0, (best >= 0) & (best < size)
        row, area, threshold = np.nonzero(best >= 0)
        objects = of[best[row, area, threshold] % size]
        taken[objects, area, threshold] = ~crowd[objects]
    return matched, matched_ignored


def precision_at_recalls(true: np.ndarray, ignored: np.ndarray, positives: int) -> np.ndarray:
    """(T, D) bool true and ignored by falling score -> (T, 101) precision envelope at COCO's recalls."""
    precision = np.zeros((len(true), len(RECALLS)))
    misses = np.cumsum(~(true | ignored), axis=1)
    hits = np.arange(1.0, positives + 1)
    reached = np.searchsorted(hits / positives, RECALLS)  # the true positive, counted from 0, that reaches each recall
    for row, hit, miss in zip(precision, true, misses):
        places = np.flatnonzero(hit)  # the envelope only ever steps at true positives
        envelope = hits[: len(places)] / (miss[places] + hits[: len(places)] + np.spacing(1))
        envelope = np.maximum.accumulate(envelope[::-1])[::-1]
        within = reached < len(places)
        row[within] = envelope[reached[within]]
    return precision


def evaluate_files(gt: str | Path, dt: str | Path, kind: str = "segm") -> CocoFigures:
    """COCO's twelve metrics for anyone's standard files: an instances file and a list of results.

    Raises FileNotFoundError for a missing file, SeglabError for a file of another form, and where the two files do not
    belong together: results of images that the ground truth does not list, or of images or categories that it calls by
    other names. Categories that it lacks are told in `warnings`. What COCO's own tool takes for a miss without a word,
    masks of another size than their image and scores that are no numbers, is an error too, and so is a damaged RLE,
    which may end it, or lend it any number.
    """
    truth, results = read_ground_truth(gt), read_results(dt)
    side, rows, read = 0, [], None
    try:
        accumulator = CocoAccumulator([category["id"] for category in truth["categories"]], kind)
        sizes = {image["id"]: (int(image["height"]), int(image["width"])) for image in truth["images"]}
        if len({isinstance(image_id, str) for image_id in sizes}) > 1:
            raise SeglabError(f"{gt} calls some images by numbers and some by names: call all of them one way")
        by_image = {image_id: ([], []) for image_id in sizes}
        for side, rows in enumerate((truth["annotations"], results)):
            for row in rows:
                if row["image_id"] not in by_image:
                    raise SeglabError(
                        f"{(gt, dt)[side]} references image {row['image_id']}, which is missing from {gt}: "
                        "give the two files of one split of one dataset"
                    )
                by_image[row["image_id"]][side].append(row)
        area_key = _area_key(results)
        for image_id, both in by_image.items():
            instances = []
            for side, rows in enumerate(both):
                read = partial(_instances, size=sizes[image_id], kind=kind, area_key=area_key if side else "area")
                instances.append(read(rows))
            accumulator.add(image_id, *instances)
        warnings = _compare_names(gt, dt, truth, results)
    except KeyError as missing:
        raise SeglabError(f"{(gt, dt)[side]} has a row without {missing}, which COCO's format asks for") from missing
    except SeglabError:
        raise
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        where = _unreadable(rows, (truth["annotations"], results)[side], read) if read else ""
        raise SeglabError(f"{(gt, dt)[side]} has a row{where} that cannot be read ({error}): correct it") from error
    return replace(accumulator.summarise(), warnings=warnings)


def _compare_names(gt: str | Path, dt: str | Path, truth: dict, results: list[dict]) -> tuple[str, ...]:
    """What is odd about results of this ground truth, all of whose images it lists.

    Errors: SeglabError where the same ids mean different things.
    """
    names = {category["id"]: str(category["name"]) for category in truth["categories"] if "name" in category}
    ids = {category["id"] for category in truth["categories"]}
    files = {image["id"]: str(image["file_name"]) for image in truth["images"] if "file_name" in image}
    found = {row["category_id"]: row.get("category_name") for row in results}
    for category_id, name in found.items():
        if name is not None and names.get(category_id, name) != name:
            raise SeglabError(
                f"{dt} calls category {category_id} '{name}', and {gt} calls it '{names[category_id]}': "
                "write both with the same classes in the same order"
            )
    named = {row["image_id"]: row["file_name"] for row in results if "file_name" in row}
    for image_id, file in named.items():
        if image_id in files and not same_file(files[image_id], str(file)):
            raise SeglabError(
                f"{dt} calls image {image_id} '{file}', and {gt} calls it '{files[image_id]}': "
                "write both anew from the same images"
            )
    unknown = [category_id for category_id in found if category_id not in ids]
    if not unknown:
        return ()
    rows = sum(row["category_id"] not in ids for row in results)
    which = f"categories that {gt} lacks, which count nowhere: {_listed(unknown)}"
    if len(unknown) < len(found):
        return (f"{dt} has {pluralize(rows, 'detection')} of {which}",)
    return (f"all {rows} detections of {dt} are of {which}; the ground truth has {_listed(ids)}",)


def _listed(ids: Iterable[Any]) -> str:
    """The first few of some ids."""
    every = [str(each) for each in ids]
    return ", ".join(every[:LISTED]) + (f" and {len(every) - LISTED} more" if len(every) > LISTED else "")


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
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
            number = next(number for number, each in enumerate(every, start=1) if each is row)
            return f" of image {row['image_id']}, number {number} of its {len(every)},"
    return ""


def _instances(rows: list[dict], size: tuple[int, int], kind: str, area_key: str) -> Instances:
    """Rows of a COCO file of one image of `size` (height, width).

    area_key: "area" in ground truth; in results, whose rows have scores, "bbox", "mask_area" or "mask".
    """
    is_truth = area_key == "area"
    masks, mask_areas = draw_rows(rows, size) if kind != "bbox" or area_key == "mask" else (None, None)
    boxes = None
    if kind == "bbox":
        boxes = coco_mask.toBbox(masks) if masks else np.array([row["bbox"] for row in rows], dtype=np.float64)
    if area_key == "mask":
        areas = mask_areas
    elif area_key == "bbox" or (kind == "bbox" and not is_truth):
        areas = [row["bbox"][2] * row["bbox"][3] for row in rows]
    else:
        areas = [row[area_key] for row in rows]
    scores = np.array([0.0 if is_truth else row["score"] for row in rows], dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("its score is no finite number")
    return Instances(
        np.array([row["category_id"] for row in rows], dtype=np.int64),
        np.array(areas, dtype=np.float64),
        boxes,
        masks,
        scores,
        np.array([is_crowd(row) for row in rows], dtype=bool),
    )


def _outside(areas: np.ndarray) -> np.ndarray:
    """(N,) areas -> (N, A) bool, whether each lies outside each range (both ends belong to the range)."""
    low, high = np.array(list(AREAS.values())).T
    return (areas[:, None] < low) | (areas[:, None] > high)


def count_within(groups: np.ndarray) -> np.ndarray:
    """(N,) labels that stand group by group -> (N,) 0, 1, 2, ... within each group."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if len(groups) else np.zeros(0, np.int64)
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))


def _groups(labels: np.ndarray, wanted: Sequence[int]) -> list[np.ndarray]:
    """(N,) labels -> for each wanted label, the rising places where it stands."""
    order = np.argsort(labels, kind="stable")
    return [order[first:last] for first, last in np.searchsorted(labels[order], [(w, w + 1) for w in wanted])]
