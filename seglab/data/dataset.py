"""A split of a dataset as a torch Dataset: raw samples, training items, validation items."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import torch

from seglab.data.annotations import open_annotations
from seglab.data.augment import AugmentConfig, apply_letterbox, augmented, boxes_of
from seglab.data.image import read_image
from seglab.data.mask_targets import hard_masks, soft_masks
from seglab.data.scan import scan
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.formats.issues import issue_table
from seglab.geometry.letterbox import Letterbox, loader_letterbox
from seglab.progress import with_progress
from seglab.sample import Instance, Sample

STRIDE = 32  # the network's coarsest grid: sides of its input are multiples of this
NEAR = 64  # how many images, neighbours in the epoch's order, are mixed with each other
RECENT_BYTES = 1 << 26  # decoded images that a data-loading process keeps at hand


class SegmentationDataset(torch.utils.data.Dataset):
    """One split, looked through once: every problem is collected in `problems`, printed as a table, or raised.

    size: (height, width) of the network input, or one side for both. augment: None for validation items. seed: an
    augmented item is a function of (seed, epoch, index) alone. mask_targets: "soft" or "hard" (see `mask_targets`), or
    None for items without; overlap: hard targets give each cell to the smallest object only; mask_ratio: input pixels
    a mask cell. strict: raise SeglabError at the first problem. cache: "ram" keeps every decoded image in memory.
    rect: validation items sorted by aspect ratio; each `group` of them shares a shape with less padding than a square.
    Where `size` has two unequal sides it is kept for all of them.

    images, image_sizes ((height, width)), names, problems and epoch are there to read. `mosaic = False` ends mosaic,
    mixing and pasting, as the last epochs want it; like `set_epoch` it reaches data-loading processes that already run.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        split: str,
        size: int | tuple[int, int],
        augment: AugmentConfig | None = None,
        seed: int = 0,
        mask_targets: str | None = "soft",
        overlap: bool = True,
        mask_ratio: int = 4,
        strict: bool = False,
        cache: bool | str = False,
        rect: bool = False,
    ):
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        if len(self.size) != 2 or not all(isinstance(side, int) for side in self.size):
            raise SeglabError(f"the input size must be one side or (height, width) in pixels, not {size}")
        if any(side < STRIDE or side % STRIDE for side in self.size):
            raise SeglabError(f"the input size {self.size} must be a multiple of {STRIDE}: use {_rounded(self.size)}")
        if mask_targets not in ("soft", "hard", None):
            raise SeglabError(f"mask_targets={mask_targets!r} must be 'soft', 'hard' or None")
        if cache not in (False, True, "ram"):
            raise SeglabError(f"cache={cache!r} must be 'ram' or False: images are kept in memory or read anew")
        self.spec, self.split, self.names = spec, split, spec.names
        self.augment, self.seed = augment, seed
        self._unmixed = augment and replace(augment, mosaic=0.0, mixup=0.0, cutmix=0.0, copy_paste=0.0)
        self.mask_targets, self.overlap, self.mask_ratio = mask_targets, overlap, mask_ratio
        self.rect, self.group = rect and self.size[0] == self.size[1], 1
        listed = spec.images(split)
        self._annotations = open_annotations(spec, split)
        self._draw = spec.draw if split == "train" else None
        if self._draw:
            if cache:
                raise SeglabError(f"{spec.name} has new images in every epoch: leave cache={cache!r} out")
            sizes, self.problems = [self._draw(0, 0).image.shape[:2]] * len(listed), []
        else:
            sizes, self.problems = scan(listed, self._annotations, strict)
        kept = [(path, size) for path, size in zip(listed, sizes) if size]
        if self.problems and int(os.environ.get("RANK", 0)) == 0:  # once, not once a process
            print(issue_table(self.problems, spec.root))
        if not kept:
            first = f"{self.problems[0].where}: {self.problems[0].message}"
            raise SeglabError(f"none of the {len(listed)} images of {split} in {spec.root} can be read; {first}")
        if self.rect:
            kept.sort(key=lambda item: item[1][0] / item[1][1])
        self.images, self.image_sizes = [path for path, _ in kept], [size for _, size in kept]
        self._switches = torch.tensor([0, 1]).share_memory_()  # epoch, mosaic
        self._order = (-1, np.zeros(0, int), np.zeros(0, int))  # epoch, its order, the place of each index in it
        self._recent: OrderedDict[tuple[int, int], Sample] = OrderedDict()
        self._kept = [read_image(path) for path in with_progress(self.images, "read")] if cache else None

    def __len__(self) -> int:
        return len(self.images)

    def set_epoch(self, epoch: int) -> None:
        self._switches[0] = epoch

    @property
    def epoch(self) -> int:
        return int(self._switches[0])

    @property
    def mosaic(self) -> bool:
        return bool(self._switches[1])

    @mosaic.setter
    def mosaic(self, on: bool) -> None:
        self._switches[1] = int(on)

    def instances(self, index: int) -> list[Instance]:
        """All objects of an image in its own frame, crowds included; its pixels are not read."""
        if self._draw:
            return self.sample(index).instances
        return self._annotations.read(self.images[index], self.image_sizes[index])[0]

    def sample(self, index: int) -> Sample:
        """The image as it is, with all its objects. Errors: SeglabError naming an image that cannot be read."""
        if self._draw:
            return self._draw(self.epoch, index)
        path = self.images[index]
        image = self._kept[index] if self._kept else read_image(path)
        if image.shape[:2] != self.image_sizes[index]:
            raise SeglabError(f"{path} has changed while in use: its size was {self.image_sizes[index]}; start again")
        return Sample(image, self.instances(index), str(path))

    def image_id(self, index: int) -> int | str:
        """The image's id in COCO files (`seglab.formats.coco.image_ids`)."""
        return self._annotations.image_id(self.images[index])

    @property
    def category_ids(self) -> list[int | str]:
        """Class id -> category id in COCO files (`seglab.formats.coco.category_ids`)."""
        return self._annotations.category_ids

    def file_names(self) -> dict[int | str, str]:
        """Image id -> what the image is called in COCO files."""
        return {self._annotations.image_id(image): name for image, name in self._annotations.file_names().items()}

    def __getitem__(self, index: int) -> dict:
        """One item, ready for `collate`; crowd regions are not in it.

        image (H, W, 3) uint8 RGB; classes (N,) int64; boxes (N, 4) float32 xyxy in letterbox pixels; masks
        (N, H / mask_ratio, W / mask_ratio) float16; sample: dict of index, path, image_id, letterbox and source, which
        is all objects in the image frame, crowds included; the last two are None for augmented items.
        """
        if self.augment is None:
            box, sample = self.letterbox(index), self.sample(index)
            source = sample.instances
            sample = apply_letterbox(sample, box)
        else:
            box, source = None, None
            config = self.augment if self.mosaic else self._unmixed
            rng = np.random.default_rng((self.seed, self.epoch, index))
            sample = augmented(self._fitted, index, self._neighbours(index), self.size, config, rng)
        instances = [instance for instance in sample.instances if not instance.crowd]
        return {
            "image": sample.image,
            "classes": np.array([instance.class_id for instance in instances], np.int64),
            "boxes": boxes_of(instances).astype(np.float32),
            "masks": self._masks([instance.rings for instance in instances], *sample.image.shape[:2]),
            "sample": {
                "index": index,
                "path": str(self.images[index]),
                "image_id": self.image_id(index),
                "letterbox": box,
                "source": source,
            },
        }

    def _masks(self, instances: list[list[np.ndarray]], height: int, width: int) -> np.ndarray:
        if self.mask_targets is None:
            return np.zeros((len(instances), 0, 0), np.float16)
        if self.mask_targets == "soft":
            return soft_masks(instances, height, width, self.mask_ratio)
        return hard_masks(instances, height, width, self.mask_ratio, self.overlap)

    def letterbox(self, index: int) -> Letterbox:
        """Where a validation item has its image: scaled to the input size, within the shape its group shares."""
        size = self._group_size(index) if self.rect else self.size
        return loader_letterbox(self.image_sizes[index], self.size, size)

    def _group_size(self, index: int) -> tuple[int, int]:
        """The input size of a rectangular group: least padding, at least half a stride of it in all (the protocol of
        the published YOLO figures), rounded up to the stride; square where a group has both wide and tall images."""
        first = index - index % self.group
        aspects = [height / width for height, width in self.image_sizes[first : first + self.group]]
        tall, wide = min(1.0, max(aspects)), min(1.0, 1 / min(aspects))
        return tuple(math.ceil(self.size[0] * share / STRIDE + 0.5) * STRIDE for share in (tall, wide))

    def _neighbours(self, index: int) -> np.ndarray:
        """(NEAR,) indexes that may be mixed with `index`: the block of this epoch's order it lies in.

        A function of (seed, epoch, index) like everything random here; and as the images of a block are used about
        the same time, most of them are still at hand, which saves decoding each of them four times for mosaics.
        """
        epoch = self.epoch
        if self._order[0] != epoch:
            order = epoch_order(len(self), self.seed, epoch)
            self._order = epoch, order, np.argsort(order)
        _, order, place = self._order
        first = place[index] // NEAR * NEAR
        return order[np.arange(first, first + NEAR) % len(order)]

    def _fitted(self, index: int) -> Sample:
        """A sample scaled to fit into the input size, without padding or crowds; the recent ones stay at hand."""
        key = self.epoch if self._draw else 0, index  # files are the same in every epoch
        if key in self._recent:
            self._recent.move_to_end(key)
            return self._recent[key]
        sample = apply_letterbox(self.sample(index), loader_letterbox(self.image_sizes[index], self.size))
        sample.instances = [instance for instance in sample.instances if not instance.crowd]
        self._recent[key] = sample
        while len(self._recent) * sample.image.nbytes > RECENT_BYTES:
            self._recent.popitem(last=False)
        return sample


def epoch_order(length: int, seed: int, epoch: int) -> np.ndarray:
    """(length,) the order in which a training epoch goes through the images: a function of its arguments alone."""
    return np.random.default_rng((seed, epoch)).permutation(length)


def _rounded(size: tuple[int, int]) -> tuple[int, ...]:
    return tuple(max(1, round(side / STRIDE)) * STRIDE for side in size)
