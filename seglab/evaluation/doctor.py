"""Why is my mAP zero? Every stage between the label files and the figure is looked at in turn, with its evidence.

A stage is good, doubtful or broken; the first broken one is the likely cause, for what comes after it suffers too.
Assignment and loss belong to training, which stands above this folder, so they are handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seglab.data.catalogue import DatasetSpec, label_path
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.errors import SeglabError
from seglab.evaluation.coco import CocoAccumulator
from seglab.evaluation.errors import ErrorBreakdown
from seglab.evaluation.validate import Forward, ValidateConfig, native_instances, observe, truth_instances
from seglab.geometry.boxes import box_iou, xywh_to_xyxy
from seglab.model.head import COEFFICIENTS, RawOutput, anchor_points, boxes_from_distribution

BATCHES, BATCH = 8, 4  # how much of the split the network is run on
SHOWN = 0.25  # the confidence from which predict shows a detection
FOUND = 0.5  # IoU from which a box is on an object
TELLING = 0.5  # share of objects from which one explanation is taken for the right one
Assign = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], NamedTuple]
Loss = Callable[[RawOutput, dict], tuple[Tensor, Tensor]]


class Finding(NamedTuple):
    """What one check saw. state: "good", "doubtful" or "broken"; cause: what likely lies behind it, "" when good."""

    check: str
    state: str
    evidence: str
    cause: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The findings, in the order of the data's way."""

    findings: tuple[Finding, ...]

    @property
    def culprit(self) -> Finding | None:
        """The first broken stage, else the first doubtful one, else None."""
        suspects = [f for state in ("broken", "doubtful") for f in self.findings if f.state == state]
        return suspects[0] if suspects else None

    def __str__(self) -> str:
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.state:<9} {finding.check:<12} {finding.evidence}")
            if finding.cause:
                lines.append(f"{'':<23}-> {finding.cause}")
        advice = f"look at the {self.culprit.check} first" if self.culprit else "nothing is wrong that can be seen here"
        return "\n".join([*lines, f"Verdict: {advice}."])


class View(NamedTuple):
    """One image: its objects and the boxes the network is surest of, before suppression, all in the letterbox."""

    truth: Tensor  # (N, 4) xyxy
    classes: Tensor  # (N,)
    boxes: Tensor  # (300, 4) as predicted: xywh
    labels: Tensor  # (300,)
    scores: Tensor  # (300,)
    size: tuple[int, int]
    scale: tuple[float, float]  # letterbox pixels per image pixel, x and y
    pad: tuple[int, int]  # top, left


def doctor(
    forward: Forward, spec: DatasetSpec, names: dict[int, str], config: ValidateConfig | None = None,
    device: str | torch.device = "cpu", network: Callable[[Tensor], RawOutput] | None = None,
    assign: Assign | None = None, loss: Loss | None = None,
) -> Diagnosis:  # fmt: skip
    """Examine a model on a split. The first five arguments are those of validation.

    network, assign, loss: images -> RawOutput, `training.assign.assign`, and (raw, batch) -> (total, terms), to examine
    what training would see; an exported file has none of them.
    """
    config = config or ValidateConfig()
    try:
        dataset = SegmentationDataset(spec, config.split, config.imgsz, rect=config.rect)
    except SeglabError as error:
        return Diagnosis((Finding("labels", "broken", str(error), "correct the paths in the dataset's YAML"),))
    findings = [check_labels(dataset)]
    if len(names) != len(spec.names):
        evidence = f"the model knows {len(names)} classes, the data {len(spec.names)}"
        return Diagnosis(
            (*findings, Finding("class names", "broken", evidence, "train or fine-tune on this data first"))
        )
    batches = list(islice(build_loader(dataset, BATCH), BATCHES))
    with torch.inference_mode():
        outputs = [forward(batch["images"].to(device).float() / 255)[0].float().cpu() for batch in batches]
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
        own, box = batch["image_index"] == i, info["letterbox"]
        scores, labels = prediction[4:-COEFFICIENTS].nan_to_num(-1).max(dim=0)
        best = scores.topk(min(300, len(scores))).indices
        found = prediction[:4, best].T.nan_to_num(0), labels[best], scores[best]
        views.append(View(batch["boxes"][own], batch["classes"][own], *found, box.size, box.scale, box.pad))
    return views


def recall(views: list[View], read: Callable[[View], Tensor]) -> float:
    """Share of objects that some box covers, whatever its class, when `read` turns the boxes into xyxy letterbox."""
    hits = [(box_iou(view.truth, read(view)) >= FOUND).any(dim=1) for view in views]
    return float(torch.cat(hits).float().mean()) if sum(map(len, hits)) else 0.0


def as_predicted(view: View) -> Tensor:
    return xywh_to_xyxy(view.boxes)


def in_image_frame(view: View) -> Tensor:
    return xywh_to_xyxy(view.boxes) * torch.tensor(view.scale * 2) + torch.tensor(view.pad[::-1] * 2)


MISREADINGS = {
    "they fit as fractions: multiply them by the input's size": lambda view: xywh_to_xyxy(
        view.boxes * torch.tensor(view.size[::-1] * 2)
    ),
    "they fit as corners: decode to centre and size": lambda view: view.boxes,
    "they fit with x and y exchanged": lambda view: xywh_to_xyxy(view.boxes[:, [1, 0, 3, 2]]),
}


def check_labels(dataset: SegmentationDataset) -> Finding:
    """Whether the split has objects, and how many rows could not be used."""
    counts = [len(dataset.objects(index)) for index in range(len(dataset))]
    faults = [problem for problem in dataset.problems if not problem.note]
    evidence = f"{sum(counts)} objects on {len(counts)} images, {counts.count(0)} of them empty, {len(faults)} faults"
    if not sum(counts):
        there = label_path(dataset.images[0])
        cause = f"every row is faulty: {faults[0].what}" if faults else f"no label was found; they belong at {there}"
        return Finding("labels", "broken", evidence, cause)
    if len(faults) > sum(counts):
        return Finding("labels", "broken", evidence, f"most rows are faulty, the first: {faults[0].what}")
    if faults or counts.count(0) > len(counts) / 2:
        cause = f"the first: {faults[0].what}" if faults else "most images are empty: are their labels missing?"
        return Finding("labels", "doubtful", evidence, cause)
    return Finding("labels", "good", evidence)


def check_names(names: dict[int, str], data_names: dict[int, str], views: list[View]) -> Finding:
    """Whether model and data call the classes alike: their names, and what the network says of objects it found."""
    other = [f"{i} is '{names[i]}' and '{data_names[i]}'" for i in data_names if names.get(i) != data_names[i]]
    true, said = [], []
    for view in views:
        if len(view.truth):
            overlap, nearest = box_iou(as_predicted(view), view.truth).max(dim=1)
            sure = (overlap >= FOUND) & (view.scores >= SHOWN)
            true, said = true + view.classes[nearest[sure]].tolist(), said + view.labels[sure].tolist()
    wrong = float(np.mean(np.array(true) != np.array(said))) if true else 0.0
    evidence = (
        f"{len(names)} classes, {len(other)} named otherwise; {wrong:.0%} of {len(true)} sure boxes on objects misname"
    )
    if wrong > TELLING and len(true) > TELLING * sum(
        len(view.truth) for view in views
    ):  # few boxes on objects say little
        shifts, times = np.unique(np.array(said) - np.array(true), return_counts=True)
        shift = shifts[times.argmax()]
        pair = f"'{data_names[true[0]]}' is called '{data_names[said[0]]}'"
        steady = times.max() > TELLING * len(true) and shift
        cause = f"class ids are off by {shift}: {pair}" if steady else f"ids are in another order: {pair}"
        return Finding("class names", "broken", evidence, cause)
    if other:
        return Finding("class names", "doubtful", evidence, f"model and data differ: {other[0]}")
    return Finding("class names", "good", evidence)


def check_letterbox(dataset: SegmentationDataset, views: list[View]) -> Finding:
    """Whether points survive the way there and back, and whether the network's boxes lie in the letterbox's frame."""
    worst = 0.0
    for index in range(len(dataset)):
        box, (height, width) = dataset.letterbox(index), dataset.image_sizes[index]
        corners = np.array([[0, 0], [width, height]], dtype=np.float64)
        worst = max(worst, np.abs(box.points_to_image(box.points_to_letterbox(corners)) - corners).max())
    straight, shifted = recall(views, as_predicted), recall(views, in_image_frame)
    evidence = (
        f"there and back within {worst:.1e} px; boxes cover {straight:.0%} of objects, {shifted:.0%} as image pixels"
    )
    if worst > 1e-3:
        return Finding("letterbox", "broken", evidence, "points do not come back: scale and border disagree")
    if shifted > TELLING and straight < shifted / 2:
        return Finding(
            "letterbox", "broken", evidence, "boxes are in the photo's own pixels, not in the network's input"
        )
    return Finding("letterbox", "good", evidence)


def check_training(
    network: Callable[[Tensor], RawOutput], assign: Assign, loss: Loss, batches: list[dict], device: str | torch.device
) -> list[Finding]:
    """Whether objects find anchor points to learn from, and whether every loss term is a number that can fall."""
    if isinstance(network, torch.nn.Module):
        network.eval()  # looking must not move the batch normalisation's statistics
    lonely, objects, positives, images, sides, terms = 0, 0, 0, 0, [], []
    for batch in batches:
        batch = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in batch.items()}
        with torch.no_grad():
            raw = network(batch["images"].float() / 255)
            points, strides = anchor_points(*batch["images"].shape[-2:], raw.boxes.device)
            boxes = boxes_from_distribution(raw.boxes.float(), points, strides)
            targets = batch["classes"], batch["boxes"], batch["image_index"]
            owner = assign(raw.classes.float(), boxes, points, *targets).object_index
            terms.append(loss(raw, batch)[1].cpu())
        learnt = owner[owner >= 0]
        lonely += len(batch["boxes"]) - len(learnt.unique())
        objects, positives, images = objects + len(batch["boxes"]), positives + len(learnt), images + len(owner)
        sides += (batch["boxes"][:, 2:] - batch["boxes"][:, :2]).amin(dim=1).tolist()
    evidence = f"{positives / max(images, 1):.1f} positives an image, {lonely} of {objects} objects without any"
    state = "broken" if objects and lonely > objects / 2 else "doubtful" if lonely > objects / 10 else "good"
    small = f"objects are small (median side {np.median(sides):.0f} px): use a larger imgsz" if objects else ""
    cause = small if objects and np.median(sides) < 16 else "points inside the boxes are not chosen: look at assign"
    findings = [Finding("assignment", state, evidence, "" if state == "good" else cause)]

    values = torch.stack(terms)  # (batches, 4)
    mean = dict(zip(("box", "seg", "cls", "dfl"), values.mean(dim=0).tolist()))
    evidence = ", ".join(f"{name} {value:.3g}" for name, value in mean.items())
    if not values.isfinite().all():
        rotten = isinstance(network, torch.nn.Module) and not all(p.isfinite().all() for p in network.parameters())
        cause = (
            "the weights hold NaN: training diverged, go back to an earlier checkpoint" if rotten else "look at loss"
        )
        findings.append(Finding("loss terms", "broken", evidence, cause))
    elif positives and not values.sum(dim=0).all():
        zero = next(name for name, value in mean.items() if value == 0)
        findings.append(
            Finding("loss terms", "broken", evidence, f"the {zero} term is 0, so it teaches nothing: its gain?")
        )
    else:
        findings.append(Finding("loss terms", "good", evidence))
    return findings


def check_decoding(outputs: list[Tensor], views: list[View]) -> Finding:
    """Whether predictions are numbers, scores probabilities, and boxes centre and size in pixels of the input."""
    finite = all(output.isfinite().all() for output in outputs)
    scores = torch.cat([output[:, 4:-COEFFICIENTS].flatten() for output in outputs])
    size = torch.cat([view.boxes[:10, 2:] for view in views]).median()
    straight = recall(views, as_predicted)
    evidence = f"scores {scores.min():.2g} to {scores.max():.2g}, the surest boxes' median side {size:.1f} px"
    if not finite:
        return Finding("decoding", "broken", evidence, "predictions hold NaN or infinity: look at the weights")
    if scores.min() < 0 or scores.max() > 1:
        return Finding("decoding", "broken", evidence, "scores are no probabilities: the sigmoid is missing")
    for cause, read in MISREADINGS.items():
        other = recall(views, read)
        if other > TELLING and straight < other / 2:
            return Finding("decoding", "broken", f"{evidence}; boxes cover {straight:.0%} of objects", cause)
    return Finding("decoding", "good", evidence)


def check_thresholds(views: list[View], config: ValidateConfig) -> Finding:
    """Whether conf, iou and max_det let the right detections through."""
    best = max(float(view.scores[0]) for view in views)
    most = max(len(view.truth) for view in views)
    evidence = f"best score {best:.3f}; conf={config.conf}, iou={config.iou}, max_det={config.max_det}"
    if best <= config.conf:
        return Finding("thresholds", "broken", evidence, "no detection reaches conf: lower it, or train longer")
    if config.max_det < most:
        return Finding("thresholds", "broken", evidence, f"an image holds {most} objects: raise max_det")
    if config.iou < 0.3:
        return Finding("thresholds", "doubtful", evidence, "neighbours suppress each other: use iou=0.7")
    if best < SHOWN:
        return Finding("thresholds", "doubtful", evidence, f"predict shows nothing under {SHOWN}: train longer")
    return Finding("thresholds", "good", evidence)


def check_metric(
    forward: Forward,
    batches: list[dict],
    dataset: SegmentationDataset,
    config: ValidateConfig,
    device: str | torch.device,
) -> Finding:
    """Whether the truth itself scores 1, and if so, what costs the network its AP."""
    itself, breakdown = CocoAccumulator(range(len(dataset.names)), "segm"), ErrorBreakdown("segm")
    for index in range(len(dataset)):
        truth = truth_instances(dataset.objects(index), dataset.image_sizes[index])
        itself.add(index, truth, truth._replace(scores=np.ones(len(truth.classes))))
    for seen in observe(forward, batches, dataset, config, device):
        breakdown.add(*native_instances(seen, every_mask=True))
    ideal, report = itself.summarise().twelve["AP"], breakdown.summarise()
    dearest = max(report.gains, key=lambda cause: (report.gains[cause], report.counts[cause]))
    evidence = f"the truth scores {max(ideal, 0):.3f}, the network's mask AP50 is {report.ap50:.3f}"
    if ideal < 0.999:
        cause = (
            "no object counts: are all of them crowds?"
            if ideal < 0
            else "objects of one image cover each other exactly"
        )
        return Finding("metric", "broken", evidence, cause)
    if report.ap50 < 0.1:
        count, gain = report.counts[dearest], report.gains[dearest]
        return Finding("metric", "doubtful", evidence, f"most is lost to: {dearest} ({count} cases, {gain:+.3f} AP50)")
    return Finding("metric", "good", evidence)
