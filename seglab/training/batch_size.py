"""How many images fit into memory at once: what batch=-1 and batch=0.8 measure."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from seglab.config import TrainConfig
from seglab.datasets.spec import DatasetSpec
from seglab.device import autocast_dtype, memory_format
from seglab.errors import SeglabError
from seglab.memory import available_memory
from seglab.model.head import PROTOTYPE_STRIDE
from seglab.model.yolo11 import YOLO11Seg
from seglab.training.distributed import Process, broadcast_object
from seglab.training.loss import LossGains, segmentation_loss
from seglab.wording import pluralize

USUAL_FRACTION = 0.6  # of the memory, which batch=-1 means: objects and image sizes vary from batch to batch
TRIED = (1, 2)  # images: memory grows evenly with their number, so two points are a line
INSTANCES = 16  # of each image
WEIGHT_COPIES = 5  # the weights, their average, their gradients and two moments
GIGABYTE = 10**9


def with_batch_that_fits(model: YOLO11Seg, spec: DatasetSpec, config: TrainConfig, process: Process) -> TrainConfig:
    """The config with a number of images for a batch of -1 or of a fraction; other configs as they are.

    More images than there are, or than the nominal batch, are never taken: steps would get no better. The first process
    measures, for all.
    """
    if config.batch >= 1:
        return config
    fraction = USUAL_FRACTION if config.batch == -1 else float(config.batch)
    batch = 0
    if process.is_main:
        each = bytes_per_image(model, config, process.device)
        weights = sum(tensor.nbytes for tensor in model.state_dict().values())
        free = free_bytes(process.device)
        fitting = int((fraction * free - WEIGHT_COPIES * weights) / each)
        if fitting < 1:
            raise SeglabError(
                f"batch={config.batch}: one image takes {each / GIGABYTE:.2f} GB, more than {fraction:.0%} of the "
                f"{free / GIGABYTE:.2f} GB that are free: use a smaller imgsz or model, or batch=1"
            )
        largest = min(max(config.nbs, process.world), max(len(spec.images("train")), process.world))
        batch = min(fitting * process.world, largest)
        batch = max(batch // process.world, 1) * process.world
        limit = f", {pluralize(batch, 'image')} are enough" if batch < fitting else ""
        print(
            f"batch={config.batch:g}: one image takes {each / GIGABYTE:.2f} GB, so {fraction:.0%} of the "
            f"{free / GIGABYTE:.1f} GB that are free hold {fitting}{limit}: batch={batch}"
        )
    return replace(config, batch=broadcast_object(process, batch))


def bytes_per_image(model: YOLO11Seg, config: TrainConfig, device: torch.device) -> float:
    """Memory that one more image of a batch takes in training, measured on steps with few images."""
    network = copy.deepcopy(model).to(device).to(memory_format=memory_format(device)).train()
    few, more = (step_bytes(network, images, config, device) for images in TRIED)
    return max((more - few) / (TRIED[1] - TRIED[0]), 1.0)


def step_bytes(network: YOLO11Seg, images: int, config: TrainConfig, device: torch.device) -> int:
    """Memory of a forward and backward pass over so many images.

    On CUDA what the allocator has held at most; elsewhere what the forward pass keeps for the backward pass, twice,
    since gradients of the same sizes appear while it is read.
    """
    dtype = autocast_dtype(config.amp, device)
    batch = example_batch(images, config, device)
    size = (config.imgsz, config.imgsz)
    pixels = torch.rand(images, 3, *size, device=device).contiguous(memory_format=memory_format(device))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with kept_for_backward() as kept:
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            raw = network(pixels)
        total, _ = segmentation_loss(raw, batch, LossGains())
        if device.type == "cuda":
            total.backward()
    network.zero_grad()
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 2 * sum(kept.values())


def example_batch(images: int, config: TrainConfig, device: torch.device) -> dict[str, Tensor]:
    """Targets of so many images, INSTANCES on each, as `collate` would make them."""
    count = images * INSTANCES
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(count, 2, generator=generator) * config.imgsz / 2
    boxes = torch.cat((corners, corners + config.imgsz / 4), dim=1)
    cells = config.imgsz // min(config.mask_ratio, PROTOTYPE_STRIDE)
    targets = {
        "classes": torch.zeros(count, dtype=torch.int64),
        "boxes": boxes,
        "image_index": torch.arange(images).repeat_interleave(INSTANCES),
        "masks": torch.ones(count, cells, cells, dtype=torch.float16),
    }
    return {name: value.to(device) for name, value in targets.items()}


@contextmanager
def kept_for_backward() -> Iterator[dict[int, int]]:
    """What autograd keeps meanwhile: address of its memory -> bytes, each piece counted once."""
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        yield kept


def free_bytes(device: torch.device) -> int:
    """Memory of the device that can still be used."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_memory()
