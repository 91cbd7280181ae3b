"""The validation after every epoch: metrics, and the loss terms on the same images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from seglab.config import TrainConfig, ValidateConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.device import targets_to_device
from seglab.evaluation.metrics import Metrics
from seglab.evaluation.validate import validate
from seglab.events import SILENT, Events
from seglab.model.head import RawOutput
from seglab.model.yolo11 import YOLO11Seg, fuse
from seglab.training.distributed import Process, gather
from seglab.training.loss import LossGains, mean_terms, segmentation_loss

Validate = Callable[[YOLO11Seg], tuple[Metrics, dict[str, float]]]  # network -> metrics, and columns for results.csv


def make_validate(
    dataset: SegmentationDataset,
    config: TrainConfig,
    gains: LossGains,
    process: Process,
    mask_targets: str,
    events: Events = SILENT,
) -> Validate:
    """The usual validation: a network on the process's device -> its metrics on `dataset`, and columns with them and
    the losses.

    Of several processes all must take part: they share the images. The metrics are those of all images everywhere, the
    columns in the first process. mask_targets: soft or hard, what the network has learned from, which decides how its
    masks are read; events: what to call on the way.
    """
    settings = ValidateConfig(
        imgsz=config.imgsz,
        batch=int(config.batch),
        mask_targets=mask_targets,
        conf=config.conf,
        iou=config.iou,
        max_det=config.max_det,
    )
    workers = min(config.workers, len(dataset) // 100)
    on_cuda = process.device.type == "cuda"
    loader = build_loader(dataset, settings.batch, workers, rank=process.rank, world=process.world, pin_memory=on_cuda)

    def run(network: YOLO11Seg) -> tuple[Metrics, dict[str, float]]:
        recorder = LossRecorder(fuse(network), gains, process.device)
        metrics = validate(
            recorder.forward, recorder.follow(loader), dataset, dataset.names, settings, process, events=events
        )
        terms = [values for share in gather(process, recorder.terms) for values in share]
        if not process.is_main:
            return metrics, {}
        losses = {f"val/{name}_loss": value for name, value in mean_terms(terms).items()}
        return metrics, {**dict(zip(metrics.keys, metrics.mean_results())), **losses}

    return run


class LossRecorder:
    """A network's predictions for `validate`, with the loss terms of every run of the network on the way.

    `validate` sees images only, and may run the network on a batch in several pieces: so the recorder follows the
    batches, and counts which of a batch's images the network has seen.
    """

    def __init__(self, network: YOLO11Seg, gains: LossGains, device: torch.device):
        self.network = network
        self.gains = gains
        self.device = device
        self.terms: list[dict[str, Tensor]] = []  # name -> scalar on the CPU, of every run of the network
        self.targets: dict[str, Tensor] = {}  # of the current batch
        self.seen = 0  # images of the current batch that the network has seen

    def follow(self, batches: Iterable[dict]) -> Iterator[dict]:
        """The batches as they are, for `validate` to read."""
        for batch in batches:
            self.targets = targets_to_device(batch, self.device)
            self.seen = 0
            yield batch

    def forward(self, images: Tensor) -> tuple[RawOutput, Tensor]:
        """The next images of the current batch (b, 3, H, W) -> raw output, which validation decodes, and prototypes."""
        raw = self.network(images)
        _, terms = segmentation_loss(raw, self._targets_of_next(len(images)), self.gains)
        self.terms.append({name: value.cpu() for name, value in terms.items()})
        self.seen += len(images)
        return raw, raw.prototypes

    def _targets_of_next(self, count: int) -> dict[str, Tensor]:
        """The targets of the next `count` images, which are numbered from 0 again."""
        place = self.targets["image_index"] - self.seen  # (N,)
        own = (place >= 0) & (place < count)
        of_images = ("ignored",)  # the rest is of instances
        targets = {name: value[own] for name, value in self.targets.items() if name not in of_images}
        for name in of_images:
            if name in self.targets:
                targets[name] = self.targets[name][self.seen : self.seen + count]
        return {**targets, "image_index": place[own]}
