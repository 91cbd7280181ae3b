"""Learning new classes without forgetting the known ones: `keep=True`.

The weights that a run starts from are its teacher: a copy at rest that sees the same images. Two rules follow.

Labels speak for the classes that their dataset names and labels, the teacher speaks for the others. An object of a
known class that nobody labeled is therefore no background: where no labeled instance is, the network is asked for the
teacher's class scores, and for its boxes and masks where the teacher is sure. An anchor point that was assigned to a
labeled instance belongs to its label alone.

What the new images do not show is forgotten all the same: cells under a microscope say nothing of dogs. So some of the
images that the weights learned from are looked at again. Nobody needs to have labeled them. A survey before the run
bends every step away from what they show (seglab.training.quiet), and a few of them are rehearsed in every step: there
all outputs are asked to be the teacher's (Li and Hoiem, "Learning without Forgetting", 2016, on old images instead of
new ones), and the new classes are background. Both look at old images in larger sizes too than that of the new ones:
what is looked at in one size only is forgotten in others.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from seglab.class_names import equal_classes
from seglab.config import AugmentConfig, TrainConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader, start_epoch
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.device import images_to_float
from seglab.errors import SeglabError, reading
from seglab.model.head import (
    BINS,
    PROTOTYPE_STRIDE,
    RawOutput,
    anchor_points,
    boxes_from_distribution,
    last_convolution,
)
from seglab.model.packed import pack
from seglab.model.weights import load_weights, save_weights
from seglab.model.yolo11 import YOLO11Seg, fuse
from seglab.training.distributed import Process, rank_zero_first
from seglab.training.loss import LossGains, label_loss, normalizers
from seglab.training.quiet import QuietSteps

TERMS = ("keep_cls", "keep_box", "keep_seg")
OLD_IMAGES = 0.25  # old images in a step, as a fraction of the batch
OLD_SIZE = 640  # pixels of the largest old images that are looked at, unless new ones are larger
TURN = 4  # in one of so many steps the teacher looks at the new images too
SURVEYED = 32  # old images that are looked at before the first step
WHOLE = 4  # one of so many of them is surveyed whole in the largest size
OLD_GAIN = 5.0  # of the terms on old images
NEW_ROWS_GAIN = 8.0  # of steps of the new classes' rows
NEW_CLASS_GAIN = 0.3  # of the class term on new images, of which most anchor points show nothing
SURE = 0.25  # class score from which the teacher's boxes and masks on new images are asked for
MASKS = 64  # of the teacher's masks on the new images of a batch: the highest-scoring
STATE = "weights/teacher.safetensors"
STAND_IN = "toybox8-seg"  # comes with seglab: images for weights whose own are not available


@dataclass(frozen=True)
class Knowledge:
    """What weights know: how many classes, whose ids come first, and by what `load_dataset` finds their images."""

    classes: int
    data: tuple[str, ...] = ()


def find_knowledge(
    names: Mapping[int, str], trained_on: str | list[str] | None, rehearsed: Sequence[str], new: DatasetSpec
) -> Knowledge:
    """What weights know before they learn `new`, and where there are images of it to rehearse.

    names: class id -> name of the classes they know; trained_on: the data of their last training; rehearsed: what that
    one has rehearsed in turn. Prints what was found. Where nothing was, synthetic images stand in.
    """
    sources = list(rehearsed)
    if trained_on:
        sources += trained_on if isinstance(trained_on, list) else [trained_on]
    # Of several datasets, those whose classes are all known show what is to be kept.
    with_new = [part for part in new.parts if len(equal_classes(part.names, names)) < len(part.names)]
    if with_new:
        sources += [source for part in new.parts if part not in with_new for source in _sources(part)]
    found = [rank_zero_first(partial(_old_dataset, source)) for source in dict.fromkeys(sources)]
    old = [spec for spec in found if spec is not None and spec.source != new.source]
    for spec in old:
        print(
            f"{len(spec.images('train'))} images of {spec.name} are rehearsed, so that the weights keep what they know"
        )
    if not old:
        old = [load_dataset(STAND_IN)]
        print(
            f"no images of the known classes are available: synthetic ones ({STAND_IN}) are used instead, and "
            "less is kept; add real ones, labeled or not, e.g. data=[new.yaml, old.yaml]"
        )
    return Knowledge(len(names), tuple(source for spec in old for source in _sources(spec)))


def _old_dataset(source: str) -> DatasetSpec | None:
    """A dataset with training images that weights have learned from; None, and a line why, where it is not here."""
    try:
        spec = load_dataset(source)
        spec.images("train")
    except (SeglabError, OSError) as error:
        print(f"no images of {source} can be rehearsed: {error}")
        return None
    return spec


def _sources(spec: DatasetSpec) -> list[str]:
    """What `load_dataset` finds a dataset by, or several that were joined."""
    return [spec.source] if isinstance(spec.source, str) else spec.source


class Teacher:
    """The weights of a run's start, at rest, and what they ask of the network in training.

    network: the start, with rows for all classes of the run; knowledge: of the start; labeled: the classes, by id, that
    the labels of the new images speak for.
    """

    def __init__(self, network: YOLO11Seg, knowledge: Knowledge, labeled: set[int], rehearsal: Rehearsal):
        self.network = fuse(network)
        device = next(network.parameters()).device
        if device.type == "cpu":
            pack(self.network)
        self.known = knowledge.classes
        self.rehearsal = rehearsal
        self.quiet = QuietSteps(network, rehearsal.survey())
        silent = [number < self.known and number not in labeled for number in range(network.classes)]
        self.silent = torch.tensor(silent, device=device)  # (C,) bool

    def looks_at_new(self, step: int) -> bool:
        """Whether it is asked about the new images of a step too."""
        return step % TURN == 0

    @torch.no_grad()
    def ask(self, images: Tensor) -> RawOutput:
        """The output of the teacher for images (B, 3, H, W)."""
        device = images.device.type
        half = device != "cpu" and torch.is_autocast_enabled(device)  # what is packed takes float32
        with torch.autocast(device, enabled=half):
            return self.network(images)

    def loss(
        self, raw: RawOutput, told: RawOutput, targets: dict, gains: LossGains, new: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch -> total, the scalar to backpropagate, and the terms by name, detached, those of TERMS last.

        raw: of the network, on `new` images that `targets` belong to and old ones after them. told: of the teacher, on
        the old ones, and on the new ones before them where it looked at these. The terms are weighted, and the total is
        their sum times the number of new images, as in `segmentation_loss`, whose remarks on processes hold here too.
        """
        with torch.autocast(raw.boxes.device.type, enabled=False):
            raw, told = (RawOutput(*(tensor.float() for tensor in output)) for output in (raw, told))
            new_raw, old_raw = split(raw, new)
            new_told, old_told = split(told, len(told.boxes) - len(old_raw.boxes))
            total, terms, taken = label_loss(new_raw, targets, gains, self.silent)
            kept = OLD_GAIN * rehearsal_loss(old_raw, old_told, self.known, gains)
            if len(new_told.boxes):
                kept = kept + TURN * unlabeled_loss(new_raw, new_told, taken, self.silent)
            images = normalizers(new, kept.detach()[:0])[0]
            return total + kept.sum() * images, {**terms, **dict(zip(TERMS, kept.detach()))}

    @contextlib.contextmanager
    def quiet_step(self, network: YOLO11Seg) -> Iterator[None]:
        """The optimizer's step within becomes one that old images hardly notice.

        Nothing known depends on the rows that the class scores have for new classes. So these are free, and take steps
        NEW_ROWS_GAIN times as large: they must tell new objects by features that hardly move towards them.
        """
        tensors = [tensor for branch in network.head.cv3 for tensor in last_convolution(branch).parameters()]
        rows = [tensor.detach()[self.known :] for tensor in tensors]
        before = [row.clone() for row in rows]
        with self.quiet.around(network):
            yield
            steps = [row - start for row, start in zip(rows, before)]
        for row, start, step in zip(rows, before, steps):
            row.copy_(start + NEW_ROWS_GAIN * step)


def split(output: RawOutput, count: int) -> tuple[RawOutput, RawOutput]:
    """The output for the first `count` images, and for the others."""
    return RawOutput(*(tensor[:count] for tensor in output)), RawOutput(*(tensor[count:] for tensor in output))


def unlabeled_loss(raw: RawOutput, told: RawOutput, taken: Tensor, silent: Tensor) -> Tensor:
    """On new images -> terms (3,): how far class scores, boxes and masks are from the teacher's where no label is.

    taken (B, A) bool: anchor points of labeled instances, of which nothing is asked; silent (C,) bool: the classes
    that the teacher speaks for.
    """
    free = (~taken).float()  # (B, A)
    apart = (raw.classes[:, silent] - told.classes[:, silent]).square()  # (B, S, A)
    classes = (apart.sum(dim=1) * free).mean() / max(int(silent.sum()), 1)
    weight = sureness(told.classes[:, silent]) * free  # (B, A)
    weight_sum = normalizers(len(weight), weight[weight > 0])[1]
    boxes = (box_divergence(raw.boxes, told.boxes) * weight).sum() / weight_sum
    masks = sure_masks_loss(raw, told, weight) / weight_sum
    return torch.stack((NEW_CLASS_GAIN * classes, boxes, masks))


def rehearsal_loss(raw: RawOutput, told: RawOutput, known: int, gains: LossGains) -> Tensor:
    """On old images -> terms (3,): how far class scores, boxes and masks are from the teacher's.

    The classes after the `known` ones are background there: nobody has labeled any, and where the teacher finds what
    it knows, a new class must not be found instead.
    """
    classes = (raw.classes[:, :known] - told.classes[:, :known]).square().mean()
    weight_sum = normalizers(len(told.boxes), sureness(told.classes[:, :known]).flatten())[1]
    background = F.softplus(raw.classes[:, known:]).sum() / weight_sum
    boxes = box_divergence(raw.boxes, told.boxes).mean()
    masks = relative_distance(raw.coefficients, told.coefficients)
    masks = masks + relative_distance(raw.prototypes, told.prototypes)
    return torch.stack((classes + gains.cls * background, boxes, masks))


def sureness(logits: Tensor) -> Tensor:
    """Class logits (B, C, A) -> (B, A) the highest score where it is at least SURE, else 0."""
    if not logits.shape[1]:
        return logits.new_zeros(len(logits), logits.shape[2])
    highest = logits.sigmoid().amax(dim=1)
    return torch.where(highest >= SURE, highest, 0)


def box_divergence(logits: Tensor, told: Tensor) -> Tensor:
    """Logits of two box distributions (B, 64, A) -> (B, A) Kullback-Leibler divergence, the mean of the four sides."""
    logits, told = (each.unflatten(1, (4, BINS)).log_softmax(dim=2) for each in (logits, told))
    return (told.exp() * (told - logits)).sum(dim=2).mean(dim=1)


def relative_distance(tensor: Tensor, told: Tensor) -> Tensor:
    """Mean squared difference, as a fraction of the teacher's mean square."""
    return (tensor - told).square().mean() / told.square().mean().clamp(min=1e-9)


def sure_masks_loss(raw: RawOutput, told: RawOutput, weight: Tensor) -> Tensor:
    """Sum over the teacher's best anchor points of weight (B, A) * the divergence of masks, the mean in its box."""
    height, width = told.prototypes.shape[2:]
    points, strides = anchor_points(PROTOTYPE_STRIDE * height, PROTOTYPE_STRIDE * width, weight.device)
    weights, chosen = weight.flatten().topk(min(MASKS, weight.numel()))  # (M,) each
    weights, chosen = weights[weights > 0], chosen[weights > 0]
    image, anchor = chosen // weight.shape[1], chosen % weight.shape[1]

    boxes = boxes_from_distribution(told.boxes, points, strides)[image, anchor] / PROTOTYPE_STRIDE  # (M, 4) in cells
    x, y = (torch.arange(side, device=weight.device) for side in (width, height))
    across = (x >= boxes[:, :1]) & (x < boxes[:, 2:3])  # (M, w)
    down = (y >= boxes[:, 1:2]) & (y < boxes[:, 3:])  # (M, h)
    inside = (down[:, :, None] & across[:, None]).float()  # (M, h, w)

    logits, wanted = (
        torch.einsum("mc,mchw->mhw", output.coefficients[image, :, anchor], output.prototypes[image])
        for output in (raw, told)
    )
    target = wanted.sigmoid()
    apart = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    apart = apart - F.binary_cross_entropy_with_logits(wanted, target, reduction="none")  # 0 where they agree
    mean = (apart * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1)  # (M,)
    return (mean * weights).sum()


def labeled_classes(dataset: SegmentationDataset) -> set[int]:
    """The classes, by id, that the labels of a dataset speak for.

    All datasets that it is joined from name them, and an instance of each is labeled somewhere: a list of names may be
    that of a larger project, of which only the new classes have been labeled here.
    """
    spec = dataset.spec
    parts = spec.parts or (spec,)
    named = set.intersection(*(set(equal_classes(part.names, spec.names).values()) for part in parts))
    instances = itertools.chain.from_iterable(dataset.instances(index) for index in range(len(dataset)))
    return named & {instance.class_id for instance in instances}


class Rehearsal:
    """The old images of a run: augmented like the new ones, in sizes from theirs to twice that, and without end.

    images: how many there are.
    """

    def __init__(self, spec: DatasetSpec, config: TrainConfig, process: Process):
        self.side = config.imgsz
        self.largest = max(self.side, min(2 * self.side, OLD_SIZE))
        dataset = SegmentationDataset(
            spec,
            "train",
            self.largest,
            AugmentConfig(),
            config.seed,
            mask_targets=None,
            cache=config.cache,
            reading=config.reading,
        )
        self.each = each = max(1, round(OLD_IMAGES * config.batch / process.world))  # images of a step in this process
        pinned = process.device.type == "cuda"
        self.images = len(dataset)
        self.device = process.device
        self.loader = build_loader(
            dataset, each * process.world, config.workers, True, config.seed, process.rank, process.world, pinned
        )

    def survey(self) -> Iterator[Tensor]:
        """Some batches to look at before a run: parts as in `batches`, and whole images in the largest size."""
        count = -(-SURVEYED // self.each)
        for number, images in enumerate(itertools.islice(self.large(0), count)):
            yield images if number % WHOLE == 0 else self.part(images, number)

    def batches(self, seed: int) -> Iterator[Tensor]:
        """Batches (b, 3, imgsz, imgsz) in 0..1 without end: functions of `seed` and their number."""
        for number, images in enumerate(self.large(seed), start=seed):
            yield self.part(images, number)

    def large(self, seed: int) -> Iterator[Tensor]:
        """Batches (b, 3, H, W) in the largest size, without end."""
        for cycle in itertools.count(seed):
            start_epoch(self.loader, cycle)
            for batch in self.loader:
                yield images_to_float(batch["images"], self.device)

    def part(self, images: Tensor, number: int) -> Tensor:
        """Images scaled to some size, from the largest to that of new ones, and a part of that size: by `number`."""
        draw = random.Random(number)
        size = draw.randint(self.side, self.largest)
        top, left = (draw.randint(0, size - self.side) for _ in range(2))
        if size < self.largest:
            images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
        return images[:, :, top : top + self.side, left : left + self.side]


def write_teacher(folder: Path, network: YOLO11Seg, knowledge: Knowledge) -> None:
    """Keep in a run's folder what a resumed run needs of its start."""
    about = {"classes": knowledge.classes, "data": list(knowledge.data)}
    save_weights(folder / STATE, network.state_dict(), {"knowledge": about})


def read_teacher(folder: Path, network: YOLO11Seg) -> Knowledge:
    """Load the start of the run in `folder` into `network`, and say what it knows."""
    state, metadata = load_weights(folder / STATE)
    with reading(folder / STATE, "the start of a run with keep=True", "start a new run"):
        network.load_state_dict(state)
        about = metadata["knowledge"]
        return Knowledge(int(about["classes"]), tuple(map(str, about["data"])))


def old_images(knowledge: Knowledge, config: TrainConfig, process: Process) -> Rehearsal:
    """The rehearsal of what weights know."""
    return Rehearsal(load_dataset(list(knowledge.data)), config, process)
