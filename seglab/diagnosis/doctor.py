"""Why is my mAP zero? Every stage between the label files and the figure is looked at in turn, with its evidence.

A stage is good, doubtful or broken; the first broken one is the likely cause, for what comes after it suffers too.
Assignment and loss belong to training, which stands above this folder, so they are handed in.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.datasets.spec import DatasetSpec, label_path
from seglab.device import images_to_float
from seglab.diagnosis.errors import ErrorBreakdown
from seglab.errors import SeglabError
from seglab.evaluation.coco import CocoAccumulator
from seglab.evaluation.validate import ValidateConfig, ground_truth_instances, native_instances, observe
from seglab.geometry.boxes import box_iou, xywh_to_xyxy
from seglab.geometry.letterbox import Letterbox
from seglab.inference.predictor import Forward
from seglab.model.head import COEFFICIENTS, RawOutput, anchor_points, boxes_from_distribution
from seglab.training.loss import mean_terms
from seglab.wording import pluralize

BATCHES, BATCH = 8, 4  # how much of the split the network is run on
LOOKED_AT = 300  # boxes of an image, the highest-scoring ones
SHOWN = 0.25  # the confidence from which predict shows a detection
FOUND = 0.5  # IoU from which a box is on an object
MOST = 0.5  # share of the objects from which an explanation is taken for the right one
BROKEN, DOUBTFUL, GOOD = "broken", "doubtful", "good"
Network = Callable[[Tensor], RawOutput]


class Finding(NamedTuple):
    """What one check saw, and what likely lies behind it (cause is "" where the state is good)."""

    check: str
    state: str
    evidence: str
    cause: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The findings, in the order of the data's way."""

    findings: tuple[Finding, ...]

    @property
    def root_cause(self) -> Finding | None:
        """The first broken stage, else the first doubtful one, else None."""
        suspects = [f for state in (BROKEN, DOUBTFUL) for f in self.findings if f.state == state]
        return suspects[0] if suspects else None

    def __str__(self) -> str:
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.state:<9} {finding.check:<12} {finding.evidence}")
            if finding.cause:
                lines.append(f"{'':<23}-> {finding.cause}")
        advice = (
            f"look at the {self.root_cause.check} first"
            if self.root_cause
            else "nothing is wrong that can be seen here"
        )
        return "\n".join([*lines, f"Verdict: {advice}."])


class View(NamedTuple):
    """One image: its objects and the highest-scoring boxes before suppression, all in the letterbox frame."""

    ground_truth: Tensor  # (N, 4) xyxy
    classes: Tensor  # (N,)
    boxes: Tensor  # (300, 4) as predicted: xywh
    labels: Tensor  # (300,)
    scores: Tensor  # (300,)
    letterbox: Letterbox


def doctor(
    forward: Forward, spec: DatasetSpec, names: dict[int, str], config: ValidateConfig | None = None,
    device: str | torch.device = "cpu", network: Network | None = None, assign: Callable | None = None,
    loss: Callable | None = None,
) -> Diagnosis:  # fmt: skip
    """Examine a model on a split. The first five arguments are those of validation.

    network, assign, loss: images -> RawOutput, `training.assign.assign`, and (raw, batch) -> (total, terms), to examine
    what training would see; an exported file has none of them.
    """
    config = config or ValidateConfig()
    try:
        dataset = SegmentationDataset(spec, config.split, config.imgsz, strict=config.strict, rect=config.rect)
    except SeglabError as error:
        return Diagnosis((Finding("labels", BROKEN, str(error), "correct the dataset's YAML or the file"),))
    findings = [check_labels(dataset)]
    if len(names) != len(spec.names):
        evidence = f"the model knows {pluralize(len(names), 'class')}, the data {len(spec.names)}"
        return Diagnosis((*findings, Finding("class names", BROKEN, evidence, "train or fine-tune on this data first")))
    batches = list(islice(build_loader(dataset, BATCH), BATCHES))
    with torch.inference_mode():
        outputs = [forward(images_to_float(batch["images"], device))[0].float().cpu() for batch in batches]
    views = [view for batch, output in zip(batches, outputs) for view in look(batch, output)]
    findings += [check_names(names, spec.names, views), check_letterbox(dataset, views)]
    if network is not None:
        findings += check_training(network, assign, loss, batches, device)
    findings += [check_decoding(outputs, views), check_thresholds(views, config)]
    findings += [check_metric(forward, batches, dataset, config, device)]
    return Diagnosis(tuple(findings))


def look(batch: dict, output: Tensor) -> list[View]:
    """A batch and its predictions (B, 4 + C + 32, A) -> views of its images."""
    views = []
    for i, (info, prediction) in enumerate(zip(batch["samples"], output)):
        own = batch["image_index"] == i
        scores, labels = prediction[4:-COEFFICIENTS].nan_to_num(-1).max(dim=0)
        best = scores.topk(min(LOOKED_AT, len(scores))).indices
        found = prediction[:4, best].T.nan_to_num(0), labels[best], scores[best]
        views.append(View(batch["boxes"][own], batch["classes"][own], *found, info["letterbox"]))
    return views


# How to read predicted boxes as xyxy in the letterbox: as they are meant, and as they would be after a mistake.
def as_meant(view: View) -> Tensor:
    return xywh_to_xyxy(view.boxes)


def as_photo_pixels(view: View) -> Tensor:
    return view.letterbox.points_to_letterbox(as_meant(view).reshape(-1, 2)).reshape(-1, 4)


def as_fractions(view: View) -> Tensor:
    return as_meant(view) * torch.tensor(view.letterbox.size[::-1] * 2)


def as_corners(view: View) -> Tensor:
    return view.boxes


def as_exchanged(view: View) -> Tensor:
    return xywh_to_xyxy(view.boxes[:, [1, 0, 3, 2]])


def covered(views: list[View], read: Callable[[View], Tensor]) -> float:
    """Share of the objects that some box lies on, whatever its class, when the boxes are read so."""
    hits = [(box_iou(view.ground_truth, read(view)) >= FOUND).any(dim=1) for view in views]
    return float(torch.cat(hits).float().mean()) if sum(map(len, hits)) else 0.0


def fits_better(views: list[View], read: Callable[[View], Tensor]) -> bool:
    """Whether the boxes fit most objects when read so, and far fewer as they are meant."""
    share = covered(views, read)
    return share > MOST and covered(views, as_meant) < share / 2


def judge(check: str, evidence: str, *suspicions: tuple[bool, str, str]) -> Finding:
    """The first suspicion (whether it holds, state, cause) that holds, else good."""
    for holds, state, cause in suspicions:
        if holds:
            return Finding(check, state, evidence, cause)
    return Finding(check, GOOD, evidence)


def check_labels(dataset: SegmentationDataset) -> Finding:
    """Whether the split has objects, and how many rows could not be used."""
    counts = [len(dataset.instances(index)) for index in range(len(dataset))]
    faults = [problem for problem in dataset.problems if not problem.is_note]
    nothing, first = not sum(counts), f"the first fault: {faults[0].message}" if faults else ""
    return judge(
        "labels",
        f"{sum(counts)} objects on {len(counts)} images, {counts.count(0)} of them empty, {len(faults)} faults",
        (nothing and not faults, BROKEN, f"no label was found; they belong at {label_path(dataset.images[0])}"),
        (nothing or len(faults) > sum(counts), BROKEN, f"most rows are faulty, {first}"),
        (bool(faults), DOUBTFUL, first),
        (counts.count(0) > len(counts) / 2, DOUBTFUL, "most images are empty: are their labels missing?"),
    )


def check_names(names: dict[int, str], data_names: dict[int, str], views: list[View]) -> Finding:
    """Whether model and data call the classes alike: their names, and what the network says of objects it found."""
    other = [f"{i} is '{names[i]}' and '{data_names[i]}'" for i in data_names if names.get(i) != data_names[i]]
    pairs = []  # (true class, what it was called) of sure boxes on objects
    for view in views:
        if len(view.ground_truth):
            overlap, nearest = box_iou(as_meant(view), view.ground_truth).max(dim=1)
            sure = (overlap >= FOUND) & (view.scores >= SHOWN)
            pairs += zip(view.classes[nearest[sure]].tolist(), view.labels[sure].tolist())
    wrong = [pair for pair in pairs if pair[0] != pair[1]]
    shifts, times = np.unique([said - true for true, said in wrong] or [0], return_counts=True)
    shift = f"off by {shifts[times.argmax()]}" if times.max() > MOST * len(wrong) else "in another order"
    instance = f"'{data_names[wrong[0][0]]}' is called '{data_names[wrong[0][1]]}'" if wrong else ""
    swapped = exchanged_classes(pairs, len(data_names))
    both = " and ".join(f"'{data_names[class_id]}'" for class_id in swapped)
    known = len(pairs) > MOST * sum(len(view.ground_truth) for view in views)  # few boxes on objects say little
    return judge(
        "class names",
        f"{pluralize(len(names), 'class')}, {len(other)} named otherwise; "
        f"{len(wrong)} of {len(pairs)} sure boxes misname",
        (known and len(wrong) > MOST * len(pairs), BROKEN, f"class ids are {shift}: {instance}"),
        (bool(swapped), BROKEN, f"{both} are exchanged: most of each are called the other"),
        (bool(other), DOUBTFUL, f"model and data differ: {other[0] if other else ''}"),
    )


def exchanged_classes(pairs: list[tuple[int, int]], classes: int) -> list[int]:
    """Two classes most of whose (true, called) pairs are each other's; empty when there are none."""
    called = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(called, tuple(np.array(pairs, dtype=np.int64).reshape(-1, 2).T), 1)
    mostly = called > MOST * called.sum(axis=1, keepdims=True)  # [true, called]
    return np.argwhere(np.triu(mostly & mostly.T, k=1))[:1].ravel().tolist()


def check_letterbox(dataset: SegmentationDataset, views: list[View]) -> Finding:
    """Whether points survive the way there and back, and whether the network's boxes lie in the letterbox's frame."""
    worst = 0.0
    for index in range(len(dataset)):
        box, (height, width) = dataset.letterbox(index), dataset.image_sizes[index]
        corners = np.array([[0, 0], [width, height]], dtype=np.float64)
        worst = max(worst, np.abs(box.points_to_image(box.points_to_letterbox(corners)) - corners).max())
    return judge(
        "letterbox",
        f"there and back within {worst:.1e} px; boxes lie on {covered(views, as_meant):.0%} of objects",
        (worst > 1e-3, BROKEN, "points do not come back: scale and border disagree"),
        (
            fits_better(views, as_photo_pixels),
            BROKEN,
            "boxes are in the photo's own pixels, not in the network's input",
        ),
    )


def check_training(
    network: Network, assign: Callable, loss: Callable, batches: list[dict], device: str | torch.device
) -> list[Finding]:
    """Whether objects find anchor points to learn from, and whether every loss term is a number that can fall."""
    has_nan = False
    if isinstance(network, torch.nn.Module):
        network.eval()  # looking must not move the batch normalisation's statistics
        has_nan = not all(parameter.isfinite().all() for parameter in network.parameters())
    unassigned, positives, images, sides = 0, 0, 0, []
    terms: list[dict[str, Tensor]] = []  # name -> scalar, of each batch
    for batch in batches:
        batch = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}
        with torch.no_grad():
            raw = network(images_to_float(batch["images"], device))
            points, strides = anchor_points(*batch["images"].shape[-2:], raw.boxes.device)
            boxes = boxes_from_distribution(raw.boxes.float(), points, strides)
            targets = batch["classes"], batch["boxes"], batch["image_index"]
            owner = assign(raw.classes.float(), boxes, points, *targets).instance_index
            terms.append({name: value.cpu() for name, value in loss(raw, batch)[1].items()})
        learnt = owner[owner >= 0]
        unassigned += len(batch["boxes"]) - len(learnt.unique())
        positives, images = positives + len(learnt), images + len(owner)
        sides += (batch["boxes"][:, 2:] - batch["boxes"][:, :2]).amin(dim=1).tolist()
    side = np.median(sides) if sides else 0.0
    tiny = f"objects are small (median side {side:.0f} px): use a larger imgsz"
    cause = tiny if side < 16 else "points inside the boxes are not chosen: look at assign"
    named = mean_terms(terms)
    silent = [name for name, value in named.items() if value == 0] if positives else []
    diverged = (
        "the weights hold NaN: training diverged, go back to an earlier checkpoint" if has_nan else "look at loss"
    )
    return [
        judge(
            "assignment",
            f"{positives / max(images, 1):.1f} positives an image, {unassigned} of {len(sides)} objects without any",
            (unassigned > len(sides) / 2, BROKEN, cause),
            (unassigned > len(sides) / 10, DOUBTFUL, cause),
        ),
        judge(
            "loss terms",
            ", ".join(f"{name} {value:.3g}" for name, value in named.items()),
            (not all(map(math.isfinite, named.values())), BROKEN, diverged),
            (bool(silent), BROKEN, f"{', '.join(silent)} is 0 and teaches nothing: what is its gain?"),
        ),
    ]


def check_decoding(outputs: list[Tensor], views: list[View]) -> Finding:
    """Whether predictions are numbers, scores probabilities, and boxes centre and size in pixels of the input."""
    scores = torch.cat([output[:, 4:-COEFFICIENTS].flatten() for output in outputs])
    size = torch.cat([view.boxes[:10, 2:] for view in views]).median()
    finite = all(output.isfinite().all() for output in outputs)
    return judge(
        "decoding",
        f"scores {scores.min():.2g} to {scores.max():.2g}, the highest-scoring boxes' median side {size:.1f} px",
        (not finite, BROKEN, "predictions hold NaN or infinity: look at the weights"),
        (bool(scores.min() < 0 or scores.max() > 1), BROKEN, "scores are no probabilities: the sigmoid is missing"),
        (fits_better(views, as_fractions), BROKEN, "boxes fit as fractions: multiply them by the input's size"),
        (fits_better(views, as_corners), BROKEN, "boxes fit as corners: decode to centre and size"),
        (fits_better(views, as_exchanged), BROKEN, "boxes fit with x and y exchanged"),
    )


def check_thresholds(views: list[View], config: ValidateConfig) -> Finding:
    """Whether conf, iou and max_det let the right detections through."""
    best, most = max(float(view.scores[0]) for view in views), max(len(view.ground_truth) for view in views)
    return judge(
        "thresholds",
        f"best score {best:.3g}; conf={config.conf}, iou={config.iou}, max_det={config.max_det}",
        (best <= config.conf, BROKEN, "no detection reaches conf: lower it, or train longer"),
        (config.max_det < most, BROKEN, f"an image holds {most} objects: raise max_det"),
        (config.iou < 0.3, DOUBTFUL, "neighbours suppress each other: use iou=0.7"),
        (best < SHOWN, DOUBTFUL, f"predict shows nothing under {SHOWN}: train longer"),
    )


def check_metric(
    forward: Forward, batches: list[dict], dataset: SegmentationDataset, config: ValidateConfig,
    device: str | torch.device,
) -> Finding:  # fmt: skip
    """Whether the ground truth itself scores 1, and if so, what costs the network its AP."""
    itself, breakdown = CocoAccumulator(range(len(dataset.names)), "segm", sys.maxsize), ErrorBreakdown("segm")
    for index in range(len(dataset)):
        ground_truth = ground_truth_instances(dataset.instances(index), dataset.image_sizes[index])
        itself.add(index, ground_truth, ground_truth._replace(scores=np.ones(len(ground_truth.classes))))
    for seen in observe(forward, batches, dataset, config, device):
        breakdown.add(*native_instances(seen, every_mask=True))
    ideal, report = itself.summarise().twelve["AP"], breakdown.summarise()
    dearest = max(report.gains, key=lambda cause: (report.gains[cause], report.counts[cause]))
    loss = f"{dearest} ({report.counts[dearest]} cases, {report.gains[dearest]:+.3f} AP50)"
    return judge(
        "metric",
        f"the ground truth scores {max(ideal, 0):.3f}, the network's mask AP50 is {report.ap50:.3f}",
        (ideal < 0, BROKEN, "no object counts: are all of them crowds?"),
        (ideal < 0.999, BROKEN, "the ground truth does not match itself: objects of a class cover each other exactly"),
        (report.ap50 < 0.1, DOUBTFUL, f"most is lost to: {loss}"),
    )
