"""Why is my mAP zero? Every stage between the label files and the metric is checked in turn, with its evidence.

A stage is good, doubtful or broken. The first broken one is the likely cause, because what comes after it suffers too.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seglab.config import ValidateConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.datasets.spec import DatasetSpec
from seglab.device import images_to_float
from seglab.diagnosis.errors import ErrorBreakdown
from seglab.errors import SeglabError
from seglab.evaluation.coco import CocoAccumulator
from seglab.evaluation.validate import evaluated_images, ground_truth_instances, native_instances
from seglab.geometry.boxes import box_iou, xywh_to_xyxy
from seglab.geometry.letterbox import Letterbox
from seglab.inference.predictor import Forward
from seglab.model.head import COEFFICIENTS, RawOutput, anchor_points, boxes_from_distribution
from seglab.training.assign import assign
from seglab.training.loss import TERMS, LossGains, mean_terms, segmentation_loss
from seglab.wording import pluralize

# How much of the split the network is run on.
MAX_BATCHES = 8
BATCH = 4
MAX_CANDIDATES = 300  # boxes of an image that are looked at, the highest-scoring ones
PREDICT_CONF = 0.25  # the score from which predict shows a detection
MIN_IOU = 0.5  # from which a box counts as lying on an instance
MIN_FRACTION = 0.5  # of the instances that must fit an explanation for it to be taken as the right one
TINY_SIDE = 16  # pixels; under this median side, instances are too small for the input size
BROKEN = "broken"
DOUBTFUL = "doubtful"
GOOD = "good"
Network = Callable[[Tensor], RawOutput]


class Check(NamedTuple):
    """What the check of one stage saw, and what is likely behind it (cause is "" where the state is good)."""

    name: str
    state: str
    evidence: str
    cause: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The checks, in the order in which data passes the stages."""

    checks: tuple[Check, ...]

    @property
    def root_cause(self) -> Check | None:
        """The first broken stage, else the first doubtful one, else None."""
        for state in (BROKEN, DOUBTFUL):
            for check in self.checks:
                if check.state == state:
                    return check
        return None

    def __str__(self) -> str:
        lines = []
        for check in self.checks:
            lines.append(f"{check.state:<9} {check.name:<12} {check.evidence}")
            if check.cause:
                lines.append(f"{'':<23}-> {check.cause}")
        advice = "all checks passed"
        if self.root_cause:
            advice = f"start with {self.root_cause.name}"
        return "\n".join([*lines, f"Verdict: {advice}."])


class ImageCandidates(NamedTuple):
    """One image: its ground truth and its highest-scoring boxes before suppression, all in the letterbox frame."""

    ground_truth: Tensor  # (N, 4) xyxy
    classes: Tensor  # (N,) of the ground truth
    boxes: Tensor  # (K, 4) as predicted: center x, center y, width, height
    labels: Tensor  # (K,) predicted classes
    scores: Tensor  # (K,) falling
    letterbox: Letterbox


class Suspicion(NamedTuple):
    """Something that may be wrong with a stage."""

    holds: bool
    state: str
    cause: str


def doctor(
    forward: Forward,
    spec: DatasetSpec,
    names: dict[int, str],
    config: ValidateConfig | None = None,
    device: str | torch.device = "cpu",
    network: Network | None = None,
    gains: LossGains | None = None,
) -> Diagnosis:
    """Examine a model on a split. The first five arguments are those of validation.

    network: images -> RawOutput, to check as well what training would see; an exported file has none. gains: weights of
    the loss terms in the model's own training, by default the usual ones.
    """
    # A dataset that cannot be opened is a finding, not a failure of the doctor.
    config = config or ValidateConfig()
    try:
        dataset = SegmentationDataset(
            spec, config.split, config.imgsz, strict=config.strict, rect=config.rect, reading=config.reading
        )
    except SeglabError as error:
        return Diagnosis((Check("labels", BROKEN, str(error), "correct the dataset's YAML or the file"),))
    checks = [check_labels(dataset)]

    # With another number of classes nothing after this can be checked.
    if len(names) != len(spec.names):
        evidence = f"the model has {pluralize(len(names), 'class')}, the data {len(spec.names)}"
        checks.append(Check("class names", BROKEN, evidence, "train or fine-tune the model on this data first"))
        return Diagnosis(tuple(checks))

    # A few batches through the network once; most checks look at the same predictions.
    batches = list(islice(build_loader(dataset, BATCH), MAX_BATCHES))
    with torch.inference_mode():
        outputs = [forward(images_to_float(batch["images"], device))[0].float().cpu() for batch in batches]
    images = [image for batch, output in zip(batches, outputs) for image in collect_candidates(batch, output)]

    # In the order in which data passes the stages, so that the first broken one is the cause.
    checks.append(check_names(names, spec.names, images))
    checks.append(check_letterbox(dataset, images))
    if network is not None:
        checks += check_training(network, gains or LossGains(), batches, device)
    checks.append(check_decoding(outputs, images))
    checks.append(check_thresholds(images, config))
    checks.append(check_metric(forward, batches, dataset, config, device))
    return Diagnosis(tuple(checks))


def collect_candidates(batch: dict, output: Tensor) -> list[ImageCandidates]:
    """A batch and its predictions (B, 4 + C + 32, A) -> the candidates of each of its images."""
    images = []
    for index, (sample, prediction) in enumerate(zip(batch["samples"], output)):
        own = batch["image_index"] == index
        scores, labels = prediction[4:-COEFFICIENTS].nan_to_num(-1).max(dim=0)  # (A,) each
        best = scores.topk(min(MAX_CANDIDATES, len(scores))).indices
        image = ImageCandidates(
            ground_truth=batch["boxes"][own],
            classes=batch["classes"][own],
            boxes=prediction[:4, best].T.nan_to_num(0),
            labels=labels[best],
            scores=scores[best],
            letterbox=sample["letterbox"],
        )
        images.append(image)
    return images


# Ways to read predicted boxes as xyxy in the letterbox: as they are meant, and as they would be after a mistake.
def as_meant(image: ImageCandidates) -> Tensor:
    return xywh_to_xyxy(image.boxes)


def as_image_pixels(image: ImageCandidates) -> Tensor:
    corners = as_meant(image).reshape(-1, 2)
    return image.letterbox.points_to_letterbox(corners).reshape(-1, 4)


def as_fractions(image: ImageCandidates) -> Tensor:
    height, width = image.letterbox.size
    return as_meant(image) * torch.tensor([width, height, width, height])


def as_corners(image: ImageCandidates) -> Tensor:
    return image.boxes


def as_exchanged(image: ImageCandidates) -> Tensor:
    return xywh_to_xyxy(image.boxes[:, [1, 0, 3, 2]])


Reading = Callable[[ImageCandidates], Tensor]


def fraction_covered(images: Sequence[ImageCandidates], read: Reading) -> float:
    """Fraction of the ground truth that some box lies on, whatever its class, when boxes are read this way."""
    covered = [(box_iou(image.ground_truth, read(image)) >= MIN_IOU).any(dim=1) for image in images]
    if not sum(map(len, covered)):
        return 0.0
    return float(torch.cat(covered).float().mean())


def fits_better(images: Sequence[ImageCandidates], read: Reading) -> bool:
    """Whether boxes fit most of the ground truth when read this way, and far less of it as they are meant."""
    fraction = fraction_covered(images, read)
    return fraction > MIN_FRACTION and fraction_covered(images, as_meant) < fraction / 2


def conclude(name: str, evidence: str, *suspicions: Suspicion) -> Check:
    """The check with the first suspicion that holds, else a good one."""
    for suspicion in suspicions:
        if suspicion.holds:
            return Check(name, suspicion.state, evidence, suspicion.cause)
    return Check(name, GOOD, evidence)


def check_labels(dataset: SegmentationDataset) -> Check:
    """Whether the split has instances, and how many rows could not be used."""
    counts = [len(dataset.instances(index)) for index in range(len(dataset))]
    issues = [issue for issue in dataset.issues if not issue.is_note]
    total = sum(counts)
    empty = counts.count(0)
    first = f"the first issue: {issues[0].message}" if issues else ""
    return conclude(
        "labels",
        f"{total} instances in {len(counts)} images, {empty} of them empty, {pluralize(len(issues), 'issue')}",
        Suspicion(not total and not issues, BROKEN, f"no labels found: they belong at {dataset.label_file(0)}"),
        Suspicion(not total or len(issues) > total, BROKEN, f"most rows cannot be used: {first}"),
        Suspicion(bool(issues), DOUBTFUL, first),
        Suspicion(empty > len(counts) / 2, DOUBTFUL, "most images have no instances: are their labels missing?"),
    )


def check_names(names: dict[int, str], data_names: dict[int, str], images: Sequence[ImageCandidates]) -> Check:
    """Whether model and data name the classes alike, and what class the network gives to instances that it finds."""
    other = [f"{i} is '{names.get(i)}' and '{data_names[i]}'" for i in data_names if names.get(i) != data_names[i]]
    pairs = labeled_pairs(images)
    wrong = [pair for pair in pairs if pair[0] != pair[1]]

    # What the wrong ones have in common, for the message.
    instance = ""
    if wrong:
        true, predicted = wrong[0]
        instance = f"'{data_names[true]}' is predicted as '{data_names[predicted]}'"
    offsets, times = np.unique([predicted - true for true, predicted in wrong] or [0], return_counts=True)
    one_offset = times.max() > MIN_FRACTION * len(wrong)
    order = f"off by {offsets[times.argmax()]}" if one_offset else "in another order"
    exchanged = " and ".join(f"'{data_names[class_id]}'" for class_id in exchanged_classes(pairs, len(data_names)))

    enough = len(pairs) > MIN_FRACTION * sum(len(image.ground_truth) for image in images)  # few boxes say little
    return conclude(
        "class names",
        f"{pluralize(len(names), 'class')}, {len(other)} with another name in the data; "
        f"{len(wrong)} of {len(pairs)} confident boxes have the wrong class",
        Suspicion(enough and len(wrong) > MIN_FRACTION * len(pairs), BROKEN, f"class ids are {order}: {instance}"),
        Suspicion(bool(exchanged), BROKEN, f"{exchanged} are exchanged: most of each are predicted as the other"),
        Suspicion(bool(other), DOUBTFUL, f"model and data differ: {other[0] if other else ''}"),
    )


def labeled_pairs(images: Sequence[ImageCandidates]) -> list[tuple[int, int]]:
    """(true class, predicted class) of the confident boxes that lie on ground truth."""
    pairs: list[tuple[int, int]] = []
    for image in images:
        if not len(image.ground_truth):
            continue
        overlap, nearest = box_iou(as_meant(image), image.ground_truth).max(dim=1)  # (K,) each
        confident = (overlap >= MIN_IOU) & (image.scores >= PREDICT_CONF)
        pairs += zip(image.classes[nearest[confident]].tolist(), image.labels[confident].tolist())
    return pairs


def exchanged_classes(pairs: list[tuple[int, int]], classes: int) -> list[int]:
    """Two classes most of whose (true, predicted) pairs are each other's; empty when there are none."""
    counts = np.zeros((classes, classes), dtype=np.int64)  # [true, predicted]
    for true, predicted in pairs:
        counts[true, predicted] += 1
    mostly = counts > MIN_FRACTION * counts.sum(axis=1, keepdims=True)
    mutual = np.triu(mostly & mostly.T, k=1)
    return np.argwhere(mutual)[:1].ravel().tolist()


def check_letterbox(dataset: SegmentationDataset, images: Sequence[ImageCandidates]) -> Check:
    """Whether points survive the way there and back, and whether the network's boxes lie in the letterbox's frame."""
    max_error = 0.0
    for index in range(len(dataset)):
        box = dataset.letterbox(index)
        height, width = dataset.image_sizes[index]
        corners = np.array([[0, 0], [width, height]], dtype=np.float64)
        returned = box.points_to_image(box.points_to_letterbox(corners))
        max_error = max(max_error, float(np.abs(returned - corners).max()))
    return conclude(
        "letterbox",
        f"round trip within {max_error:.1e} px; boxes lie on {fraction_covered(images, as_meant):.0%} of instances",
        Suspicion(max_error > 1e-3, BROKEN, "points do not map back: check scale and padding"),
        Suspicion(
            fits_better(images, as_image_pixels),
            BROKEN,
            "boxes are in the image's own pixels, not in those of the network's input",
        ),
    )


def check_training(network: Network, gains: LossGains, batches: list[dict], device: str | torch.device) -> list[Check]:
    """Whether instances are assigned anchor points, and whether every loss term is a number that can fall."""
    has_nan = False
    if isinstance(network, torch.nn.Module):
        network.eval()  # a look must not change the statistics of batch normalization
        has_nan = not all(bool(parameter.isfinite().all()) for parameter in network.parameters())

    unassigned = positives = image_count = 0
    sides: list[float] = []  # the shorter one of every box, pixels
    terms: list[dict[str, Tensor]] = []  # name -> scalar, of each batch
    for batch in batches:
        # Assignment as training does it, from the network's own boxes and scores.
        batch = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}
        with torch.no_grad():
            raw = network(images_to_float(batch["images"], device))
            height, width = batch["images"].shape[-2:]
            points, strides = anchor_points(height, width, raw.boxes.device)
            boxes = boxes_from_distribution(raw.boxes.float(), points, strides)
            assignment = assign(
                raw.classes.float(), boxes, points, batch["classes"], batch["boxes"], batch["image_index"]
            )
            batch_terms = segmentation_loss(raw, batch, gains)[1]
            terms.append({name: value.cpu() for name, value in batch_terms.items()})
        # Instances without any anchor point learn nothing.
        assigned = assignment.instance_index[assignment.instance_index >= 0]  # instance of every positive anchor point
        unassigned += len(batch["boxes"]) - len(assigned.unique())
        positives += len(assigned)
        image_count += len(batch["images"])
        sides += (batch["boxes"][:, 2:] - batch["boxes"][:, :2]).amin(dim=1).tolist()

    assignment_check = check_assignment(positives, image_count, unassigned, sides)
    return [assignment_check, check_loss(mean_terms(terms), has_nan, any_positive=positives > 0)]


def check_assignment(positives: int, image_count: int, unassigned: int, sides: list[float]) -> Check:
    """Whether most instances have an anchor point that learns them. sides: of their boxes, the shorter one, pixels."""
    median = float(np.median(sides)) if sides else 0.0
    cause = "points inside the boxes are not assigned: check seglab.training.assign"
    if median < TINY_SIDE:
        cause = f"instances are small (median side {median:.0f} px): use a larger imgsz"
    return conclude(
        "assignment",
        f"{positives / max(image_count, 1):.1f} positives per image, {unassigned} of {len(sides)} instances unassigned",
        Suspicion(unassigned > len(sides) / 2, BROKEN, cause),
        Suspicion(unassigned > len(sides) / 10, DOUBTFUL, cause),
    )


def check_loss(means: dict[str, float], has_nan: bool, any_positive: bool) -> Check:
    """Whether the mean loss terms are finite, and none of them zero that should teach something.

    means: term -> its mean, weighted; any_positive: whether an anchor point was assigned to an instance.
    """
    # A term whose gain is 0 unless asked for is switched off, not broken.
    usual = LossGains()
    optional = {name for name, term in TERMS.items() if term.weight(usual) == 0}
    zero = [name for name, value in means.items() if value == 0 and name not in optional] if any_positive else []
    not_finite = "a term is NaN or infinite: check seglab.training.loss"
    if has_nan:
        not_finite = "the weights contain NaN: training diverged, use an earlier checkpoint"
    return conclude(
        "loss terms",
        ", ".join(f"{name} {value:.3g}" for name, value in means.items()),
        Suspicion(not all(map(math.isfinite, means.values())), BROKEN, not_finite),
        Suspicion(bool(zero), BROKEN, f"{', '.join(zero)} is 0, so nothing is learned from it: check its gain"),
    )


def check_decoding(outputs: list[Tensor], images: Sequence[ImageCandidates]) -> Check:
    """Whether predictions are numbers, scores probabilities, and boxes center and size in pixels of the input."""
    scores = torch.cat([output[:, 4:-COEFFICIENTS].flatten() for output in outputs])
    best_sizes = torch.cat([image.boxes[:10, 2:] for image in images])
    finite = all(bool(output.isfinite().all()) for output in outputs)
    in_range = not bool(scores.min() < 0 or scores.max() > 1)
    return conclude(
        "decoding",
        f"scores {scores.min():.2g} to {scores.max():.2g}, median side of the highest-scoring boxes "
        f"{best_sizes.median():.1f} px",
        Suspicion(not finite, BROKEN, "predictions contain NaN or infinity: check the weights"),
        Suspicion(not in_range, BROKEN, "scores are not probabilities: the sigmoid is missing"),
        Suspicion(fits_better(images, as_fractions), BROKEN, "boxes fit as fractions: multiply by the input size"),
        Suspicion(fits_better(images, as_corners), BROKEN, "boxes fit as corners: decode to center and size"),
        Suspicion(fits_better(images, as_exchanged), BROKEN, "boxes fit with x and y swapped: swap them"),
    )


def check_thresholds(images: Sequence[ImageCandidates], config: ValidateConfig) -> Check:
    """Whether conf, iou and max_det let the right detections through."""
    best_score = max(float(image.scores[0]) for image in images)
    max_instances = max(len(image.ground_truth) for image in images)
    return conclude(
        "thresholds",
        f"best score {best_score:.3g}; conf={config.conf}, iou={config.iou}, max_det={config.max_det}",
        Suspicion(best_score <= config.conf, BROKEN, "no detection reaches conf: lower it, or train longer"),
        Suspicion(config.max_det < max_instances, BROKEN, f"one image has {max_instances} instances: raise max_det"),
        Suspicion(config.iou < 0.3, DOUBTFUL, "neighbors suppress each other: use iou=0.7"),
        Suspicion(best_score < PREDICT_CONF, DOUBTFUL, f"predict shows nothing below {PREDICT_CONF}: train longer"),
    )


def check_metric(
    forward: Forward,
    batches: list[dict],
    dataset: SegmentationDataset,
    config: ValidateConfig,
    device: str | torch.device,
) -> Check:
    """Whether the ground truth itself scores 1, and if so, what costs the network its AP."""
    itself = CocoAccumulator(range(len(dataset.names)), "segm", limit=sys.maxsize)
    for index in range(len(dataset)):
        ground_truth = ground_truth_instances(dataset.instances(index), dataset.image_sizes[index])
        as_detections = ground_truth._replace(scores=np.ones(len(ground_truth.classes)))
        itself.add(index, ground_truth, as_detections)
    breakdown = ErrorBreakdown("segm")
    for image in evaluated_images(forward, batches, dataset, config, device):
        breakdown.add(*native_instances(image, every_mask=True))

    ideal = itself.summarize().stats["AP"]
    report = breakdown.summarize()
    worst = max(report.gains, key=lambda cause: (report.gains[cause], report.counts[cause]))
    loss = f"{worst} ({report.counts[worst]} cases, {report.gains[worst]:+.3f} AP50)"
    return conclude(
        "metric",
        f"the ground truth scores {max(ideal, 0):.3f}, the network's mask AP50 is {report.ap50:.3f}",
        Suspicion(ideal < 0, BROKEN, "no instance counts: are all of them crowds?"),
        Suspicion(
            ideal < 0.999, BROKEN, "the ground truth does not match itself: some instances of a class are duplicates"
        ),
        Suspicion(report.ap50 < 0.1, DOUBTFUL, f"most is lost to: {loss}"),
    )
