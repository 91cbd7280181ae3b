"""From a source to results: read, letterbox, run the network, bring its predictions into the image frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seglab.config import PredictConfig
from seglab.device import images_to_float
from seglab.geometry.letterbox import Letterbox, letterbox, smallest_letterbox
from seglab.inference.heatmap import class_heatmap
from seglab.inference.instances import Boxes, Masks
from seglab.inference.masks import CellSums, cell_sums, thresholded
from seglab.inference.nms import Detections, suppress
from seglab.inference.pipeline import in_order
from seglab.inference.results import Results
from seglab.inference.sources import SourceImage, batches, load, load_by_windows
from seglab.inference.tiles import predict_tiles
from seglab.model.head import RawOutput
from seglab.sizes import STRIDE

# images (B, 3, H, W) -> predictions (B, 4+C+32, A), prototypes (B, 32, H/4, W/4)
Forward = Callable[[Tensor], tuple[Tensor, Tensor]]
UndecodedForward = Callable[[Tensor], tuple[RawOutput, Tensor]]  # with raw output instead of predictions


def predict(
    forward: Forward | UndecodedForward,
    source: Any,
    config: PredictConfig,
    names: dict[int, str] | Sequence[str],
    device: str | torch.device = "cpu",
    workers: int = 0,
) -> Iterator[Results]:
    """Yield the Results of every image of `source` (see sources.load), reading and computing batch by batch.

    forward: the network or an exported file behind one signature: float images (B, 3, H, W), RGB in 0..1, letterboxed,
    to predictions as decode gives them, or raw output, and prototypes (B, 32, H/4, W/4); heatmaps (config.visualize)
    need predictions. names: class id -> name; device: where `forward` expects its images. workers: batches that are
    computed at once while the next are read, which `forward` must allow; 0 reads each batch when it is asked for.
    """
    names = names if isinstance(names, dict) else dict(enumerate(names))
    if config.tile:
        look = partial(predict_batch, forward, config=config, names=names, device=device)
        for image in load_by_windows(source, config.vid_stride, config.reading):
            yield predict_tiles(image, config.tile, config.overlap, look, names, config.batch, config.agnostic_nms)
        return
    groups = batches(load(source, config.vid_stride, config.reading), config.batch)
    look_at_batch = partial(predict_batch, forward, config=config, names=names, device=device)
    for results in in_order(look_at_batch, groups, workers):
        yield from results


@torch.no_grad()  # not inference mode, whose tensors users could not change in place
def predict_batch(
    forward: Forward | UndecodedForward,
    images: Sequence[SourceImage],
    config: PredictConfig,
    names: dict[int, str],
    device: str | torch.device = "cpu",
) -> list[Results]:
    """One run of the network over `images` -> one Results per image."""
    clock = Clock(device)
    letterboxes = fit([image.image.shape[:2] for image in images], config.imgsz, config.rect)
    boxed = [box.apply(image.image) for box, image in zip(letterboxes, images)]
    batch = to_tensor(boxed, device, config.half)  # (B, 3, H, W)
    preprocess = clock.lap() / len(images)

    with torch.inference_mode():
        predictions, prototypes = forward(batch)
    inference = clock.lap() / len(images)

    found = suppress(
        predictions,
        config.conf,
        config.iou,
        config.max_det,
        config.classes,
        config.agnostic_nms,
        coefficients=prototypes.shape[1],
    )
    suppression = clock.lap() / len(images)

    results = []
    for number, (image, box, detections, own_prototypes) in enumerate(zip(images, letterboxes, found, prototypes)):
        boxes, masks = to_image_frame(
            detections, own_prototypes, box, config.mask_targets, input_size=not config.retina_masks
        )
        postprocess = suppression + clock.lap()
        speed = {"preprocess": preprocess, "inference": inference, "postprocess": postprocess}
        results.append(Results.of_image(image.image, image.path, names, boxes, masks, speed))
        if config.visualize:
            assert isinstance(predictions, Tensor), "heatmaps need the scores at every anchor point"
            present = sorted({int(class_id) for class_id in boxes.cls})
            results[-1].heatmap = class_heatmap(predictions[number], prototypes.shape[1], box, present)
    return results


def fit(sizes: Sequence[tuple[int, int]], imgsz: int | tuple[int, int], rect: bool = True) -> list[Letterbox]:
    """Letterboxes of one common size for images of (height, width) `sizes`.

    Images of one shape take the least padding when `rect`; otherwise a square of side `imgsz`. A pair is taken as is.
    """
    if isinstance(imgsz, int):
        if rect and len(set(sizes)) == 1:
            return [smallest_letterbox(size, imgsz, STRIDE) for size in sizes]
        imgsz = (imgsz, imgsz)
    return [letterbox(size, imgsz) for size in sizes]


def to_tensor(images: Sequence[np.ndarray], device: str | torch.device = "cpu", half: bool = False) -> Tensor:
    """Letterboxed (H, W, 3) uint8 RGB images of one size -> (B, 3, H, W) float in 0..1, in the device's memory format.

    half: float16 instead of float32.
    """
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)  # channels last
    return images_to_float(stacked, device, torch.float16 if half else torch.float32)


def to_image_frame(
    detections: Detections,
    prototypes: Tensor,
    box: Letterbox,
    mask_targets: str = "soft",
    input_size: bool = False,
) -> tuple[Boxes, Masks | None]:
    """Detections of one image, letterbox frame -> its boxes and masks in the image frame.

    Instances whose mask is empty are dropped; masks is None when nothing is left. input_size: the masks' `data` are
    those of the letterboxed image, at the size of the network's input; what else they give stays exact.
    """
    sums = cell_sums(prototypes, detections, box.size)
    crops = thresholded(sums, box, mask_targets)
    kept = [index for index, (_, _, crop) in enumerate(crops) if crop.any()]
    boxes = box.boxes_to_image(detections.boxes.cpu())  # (N, 4)
    scores = detections.scores.cpu()  # (N,)
    classes = detections.classes.cpu().to(boxes.dtype)  # (N,)
    rows = torch.cat((boxes, scores[:, None], classes[:, None]), dim=1)  # (N, 6)
    masks = Masks([crops[index] for index in kept], box.image_size) if kept else None
    if masks is not None and input_size:
        masks.given = partial(input_masks, sums.pick(kept), mask_targets)
    return Boxes(rows[kept], box.image_size), masks


def input_masks(sums: CellSums, mask_targets: str) -> np.ndarray:
    """Sums of N instances at prototype cells -> their masks in the letterbox frame (N, height, width) uint8."""
    frame = Letterbox(image_size=sums.size, size=sums.size, resized=sums.size, pad=(0, 0))
    full = np.zeros((len(sums.values), *sums.size), np.uint8)
    for canvas, (x0, y0, crop) in zip(full, thresholded(sums, frame, mask_targets)):
        canvas[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
    return full


class Clock:
    """Milliseconds between laps; waits for work queued on a GPU, so that it counts where it belongs."""

    def __init__(self, device: str | torch.device):
        self.device = torch.device(device)
        self.last = time.perf_counter()

    def lap(self) -> float:
        """Milliseconds since the last lap."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # which need not be the current one
        elif self.device.type == "mps":
            torch.mps.synchronize()
        before = self.last
        self.last = time.perf_counter()
        return (self.last - before) * 1e3
